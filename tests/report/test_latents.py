"""Autoencoders and latent diffusion on the results page."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from sprite_diffusers.report import ReportResult, build_report
from sprite_diffusers.report.latent_space import latent_space
from sprite_diffusers.report.page import Bullets, Paragraph, Table
from sprite_diffusers.report.parts import page_parts
from sprite_diffusers.report.selection import group_runs, why_incomplete
from sprite_diffusers.report.store import Run
from sprite_diffusers.report.texts import Texts

from .conftest import FACTS, StoreBuilder
from .test_report import rows, section

EXP2, EXP3, EXP4 = "Exp2-DDPM-PixelSpace", "Exp3-DDPM-Conditional", "Exp4-LatentDiffusion"


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A store with generators of pixels and of latents at 16 pixels, and autoencoders at 16 and 32."""
    builder = StoreBuilder(tmp_path_factory.mktemp("latents"))
    builder.run(EXP2, "pixels", 30.0, conditional=False, files=True)
    builder.run("AD6", "pixels-by-class", 8.0, files=True)
    builder.latent_diffusion(EXP4, "original", 31.0, conditional=False, files=True)
    builder.latent_diffusion("LDM", "better", 12.0, scores={"seconds_per_image": 0.01}, seconds=150.0, files=True)
    builder.autoencoder("vq", "codes", 26.5, 128)
    builder.autoencoder("vae", "kl", 25.0)
    builder.autoencoder("ae", "wide", 28.0, 128)
    builder.autoencoder("ae", "narrow", 24.0, files=False)
    builder.autoencoder("dae", "denoiser", 25.5, experiment="Another")
    builder.autoencoder("ae", "not-analysed", None)
    builder.autoencoder("ae", "failed", None, status="FAILED")
    builder.autoencoder("vae", "at-32", 22.0, 256, size=32, fingerprint="e" * 64)
    builder.autoencoder("vae", "of-other-data", 21.0, fingerprint="f" * 64)
    return builder.folder


def build(folder: Path, out: Path, **options) -> ReportResult:
    return build_report(out / "results.md", tracking_uri=f"sqlite:///{folder}/mlflow.db", **options)


@pytest.fixture(scope="module")
def report(folder: Path, tmp_path_factory) -> ReportResult:
    return build(folder, tmp_path_factory.mktemp("page"))


@pytest.fixture(scope="module")
def page(report: ReportResult) -> str:
    return report.markdown.read_text(encoding="utf-8")


def test_parts_are_named_by_image_size_where_sizes_differ(page, report):
    headings = [line for line in page.splitlines() if line.startswith("## Data set")]
    assert headings == [
        "## Data set rltiles, 16\N{MULTIPLICATION SIGN}16",
        "## Data set rltiles, 16\N{MULTIPLICATION SIGN}16, other training data <code>ffffffffffff</code> (RGB)",
        "## Data set rltiles, 32\N{MULTIPLICATION SIGN}32",
    ]
    names = {path.name.rsplit("-", 1)[0] for path in report.pictures}
    assert {"rltiles-16-grid", "rltiles-16-latents", "rltiles-16-x1-latents", "rltiles-32-latents"} <= names
    assert "at-32" in section(page, headings[2])
    assert "of-other-data" in section(page, headings[1])


def test_autoencoders_stand_in_a_table_by_kind_and_size(page):
    part = section(page, "### Exp1: autoencoders")
    table = rows(part)
    head = table.pop("kind")
    table.pop(":--")
    lines = [line for line in part.splitlines() if line.startswith("| ") and "<code>" in line]
    assert [line.split(" | ")[0].strip("| ") for line in lines] == ["AE", "AE", "DAE", "VAE", "VQ"]
    column = dict(zip(head, zip(*(line.strip("| ").split(" | ")[1:] for line in lines), strict=True), strict=True))
    assert column["run"] == tuple(f"<code>{name}</code>" for name in ("narrow", "wide", "denoiser", "kl", "codes"))
    assert column["latent numbers"] == ("64", "128", "64", "64", "128")
    assert column["latent bits"] == ("512", "1,024", "512", "512", "1,024")
    assert column["MSE"] == ("0.00398", "**0.00158**", "0.00282", "0.00316", "0.00224")
    assert column["PSNR"] == ("24.00", "**28.00**", "25.50", "25.00", "26.50")
    assert column["mean of the images' PSNR"] == ("25.00", "**29.00**", "26.50", "26.00", "27.50")
    assert column["PSNR, training images"] == ("26.00", "30.00", "27.50", "27.00", "28.50")
    assert column["PSNR at 8 bits per number"] == ("23.75", "**27.75**", "25.25", "24.75", "—<sup>1</sup>")
    assert column["denoising: PSNR in → out (gain)"][2] == "17.00 → 22.50 (+5.50)"
    assert column["silhouette, latents / pixels"][3] == "0.250 / -0.050"
    assert column["codes used, held-out (training)"] == (*["—<sup>2</sup>"] * 4, "0.500 (0.750)")
    assert "PSNR 24.83 dB, SSIM 0.949" in part
    assert "300 real held-out images" in part
    assert "makes of those (Gaussian noise, &sigma; 0.15)." in part


def test_autoencoders_without_an_analysis_are_no_results(page, report):
    evidence = section(page, "## Incomplete evidence")
    assert "- <code>not-analysed</code> (rltiles): finished, but without an analysis" in evidence
    assert "- <code>failed</code> (rltiles): FAILED, ended by an error" in evidence
    assert (
        "<code>narrow</code> (rltiles): <code>analysis/reconstructions.png</code>, <code>analysis/latents.png</code>"
        in evidence
    )
    assert "without an evaluation" not in evidence
    cost = rows(section(page, "## Training cost"))
    assert cost["Exp1-Autoencoder"][:4] == ["7", "1,400,000", "70.0", "1"]


def test_pictures_of_real_images_can_be_left_out(folder, tmp_path, report):
    def kinds(result: ReportResult) -> set[str]:
        return {path.name.rsplit("-", 1)[0] for path in result.pictures if path.name.startswith("rltiles-16-")}

    assert {f"rltiles-16-{name}" for name in ("reconstructions", "latents", "interpolation", "codebook")} <= kinds(
        report
    )
    without = build(folder, tmp_path, training_images=False)
    left_out = {f"rltiles-16{part}-{name}" for part in ("", "-x1") for name in ("reconstructions", "interpolation")}
    assert kinds(report) - kinds(without) == {*left_out, "rltiles-16-closest"}
    text = without.markdown.read_text(encoding="utf-8")
    assert "#### Latents" in text
    assert "#### Reconstructions" not in text


def test_minutes_of_a_latent_model_are_its_own_and_its_autoencoder_s(page):
    table = rows(section(page, "### All experiments"))
    assert [table[name][2] for name in (EXP2, EXP4, "AD6", "LDM")] == [
        "10.0", "1.0 + 0.5<sup>2</sup>", "10.0", "2.5 + 0.5<sup>2</sup>",
    ]  # fmt: skip
    assert "<sup>2</sup> diffusion + its autoencoder, which is trained first." in page


def test_latent_space_against_pixels(page):
    part = section(page, "### Latent space or pixels?")
    table = rows(part)
    assert list(table)[2:] == ["floor (real images)", EXP2, EXP4, "AD6", "LDM"]
    assert table[EXP2][:5] == ["<code>pixels</code>", "pixels", "768", "10.0", "200,000"]
    assert table[EXP4][:5] == ["<code>original</code>", "latents of VAE, 27.50 dB", "64 of 768", "**1.5**", "200,000"]
    assert table["LDM"][3:] == ["3.0", "200,000", "**0.0100**", "12.00", "3.000", "24.00", "0.760"]
    assert (
        "- **LDM against AD6** (class-conditional): 0.30 times the training time, autoencoder included, and 0.20 times the "
        "time per image, at 1.50 times the mean per-class FD-PCA20: cheaper, but not at equal quality; "
        "**the hypothesis is not confirmed here**."
    ) in part
    assert (
        f"- **{EXP4} against {EXP2}** (unconditional): 0.15 times the training time, autoencoder included, and 1.00 times "
        "the time per image, at 1.03 times the FD-PCA20: at equal quality cheaper to train, but not to draw from; "
    ) in part


def test_only_autoencoders_make_a_page_too(folder, tmp_path):
    builder = StoreBuilder(tmp_path)
    builder.autoencoder("ae", "alone", 25.0)
    spanish = build(tmp_path, tmp_path / "out", lang="es").markdown.read_text(encoding="utf-8")
    assert "\n## Conjunto de datos rltiles\n\nSolo autocodificadores; " in spanish
    assert "Ninguna: todas las ejecuciones están terminadas" in spanish


def run(experiment: str, distance: float, conditional: bool = True, seconds: float = 100.0, **metrics: float) -> Run:
    name = "fd_pca20_class_mean" if conditional else "fd_pca20"
    scores = {
        f"eval/{name}": distance,
        "eval/fd_feature": 1.0,
        "eval/seconds_per_image": 1.0,
        "run/train_seconds": seconds,
        **metrics,
    }
    return Run(f"{experiment}{distance}", "a", experiment, "FINISHED", {"dataset": "tiles"}, dict(FACTS), scores)


def latent(
    distance: float, conditional: bool = True, seconds: float = 20.0, draw: float = 0.5, **metrics: float
) -> Run:
    more = {"run/autoencoder_seconds": 20.0, "eval/seconds_per_image": draw, **metrics}
    return run("Mine", distance, conditional, seconds, **more)


def answers(*runs: Run, lang: str = "en") -> list[str]:
    (group,) = group_runs(list(runs))
    blocks = latent_space(group, Texts(lang))
    return blocks[-1].items if blocks else []


@pytest.mark.parametrize(
    ("ours", "words"),
    [
        (latent(10.9), "1.09 times the mean per-class FD-PCA20: cheaper at equal quality, <b>the hypothesis holds here</b>."),
        (latent(5.0), "at 0.50 times the mean per-class FD-PCA20: cheaper at equal quality"),
        (latent(11.1), "cheaper, but not at equal quality; <b>the hypothesis is not confirmed here</b>."),
        (latent(10.0, draw=2.0), "cheaper to train, but not to draw from; <b>the hypothesis holds here for training only"),
        (latent(20.0, draw=2.0), "cheaper to train, but not to draw from, and not at equal quality; <b>the hypothesis fails"),
        (latent(10.0, seconds=90.0), "1.10 times the training time, autoencoder included, and 0.50 times the time per image"),
        (latent(10.0, seconds=90.0), "cheaper to draw from, but not to train; <b>the hypothesis holds here for sampling only"),
        (latent(20.0, seconds=90.0), "cheaper to draw from, but not to train, and not at equal quality; <b>the hypothesis fai"),
        (latent(10.0, seconds=90.0, draw=1.0), "equal quality, but not cheaper to train or to draw from; <b>the hypothesis f"),
        (latent(20.0, seconds=90.0, draw=1.0), "neither cheaper to train or to draw from nor of equal quality; <b>the hypot"),
    ],
)  # fmt: skip
def test_the_verdict_on_latent_space_follows_from_cost_and_quality(ours, words):
    (sentence,) = answers(run("AD6", 10.0), run(EXP3, 12.0), ours, latent(40.0, seconds=1.0))
    assert sentence.startswith("<b>Mine against AD6</b> (class-conditional): ")
    assert words in sentence


def test_like_is_compared_with_like():
    assert answers(run("AD6", 10.0), run(EXP2, 9.0, False)) == []
    assert answers(latent(10.0)) == []
    assert answers(run("AD6", 10.0), latent(9.0, False)) == [
        "No verdict: the latent models here are all unconditional, the pixel models class-conditional."
    ]
    both = answers(run("AD6", 10.0), run(EXP2, 9.0, False), latent(9.0, False), latent(8.0), lang="es")
    assert [sentence.split(":")[0] for sentence in both] == [
        "<b>Mine frente a AD6</b> (condicionales por clase)",
        f"<b>Mine frente a {EXP2}</b> (incondicionales)",
    ]


def test_without_the_cost_of_the_autoencoder_there_is_no_verdict():
    unknown = replace(run("LDM", 8.0, seconds=1.0), tags={**FACTS, "eval.image_size": "16", "eval.mode": "RGBA"})
    (group,) = group_runs([replace(run("AD6", 10.0), tags=unknown.tags), unknown])
    _, intro, table, verdict = latent_space(group, Texts("en"))
    assert isinstance(intro, Paragraph)
    assert isinstance(table, Table)
    assert isinstance(verdict, Bullets)
    assert table.rows[1][2:5] == ["pixels", "1,024", "1.7"]
    assert table.rows[2][2:4] == ["latents", "—<sup>3</sup>"]
    assert "no verdict, because not every time is known" in verdict.items[0]


def test_what_makes_a_run_an_autoencoder():
    made = Run("1", "a", "Any", "FINISHED", {"dataset": "tiles", "autoencoder": "vae"}, {}, {"latents/psnr": 20.0})
    assert made.is_autoencoder
    assert why_incomplete(made) == "status_analysis_without_facts"
    assert why_incomplete(replace(made, metrics={})) == "status_not_analysed"
    assert why_incomplete(replace(made, metrics={}, status="KILLED")) == "status_killed"
    tags = {"latents.data_fingerprint": "a", "latents.image_size": "16", "latents.mode": "RGB"}
    assert why_incomplete(replace(made, tags=tags)) is None
    assert [part.title(Texts("en")) for part in page_parts([replace(made, tags=tags)])] == ["Data set tiles"]
    assert not replace(made, params={"autoencoder": "runs/vae"}).is_autoencoder
    assert not replace(made, metrics={"eval/fd_pca20": 1.0}).is_autoencoder
    assert not replace(made, metrics={"run/autoencoder_seconds": 1.0}).is_autoencoder
