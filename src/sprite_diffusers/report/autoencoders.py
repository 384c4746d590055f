"""Exp1 on the results page: what each autoencoder of a data set keeps of an image, as a table and in pictures."""

from __future__ import annotations

from collections.abc import Callable

from .page import MISSING, Block, Footnotes, Heading, Paragraph, Table, escape
from .pictures import Pictures
from .store import Run, Store
from .tables import best_index, code, count, minutes, number
from .texts import Texts

KINDS = ("ae", "dae", "vae", "vq")  # in the order of the rows
NOISES = ("gaussian", "masking", "salt_and_pepper")
# The pictures, whether each shows real images, and whether it is a plot.
PICTURES = (
    ("reconstructions", True, False),
    ("latents", False, True),
    ("interpolation", True, False),
    ("codebook", False, True),
)


def kind(run: Run) -> str:
    """``"ae"``, ``"dae"``, ``"vae"`` or ``"vq"``: a denoising autoencoder is an AE that was trained with noise."""
    if "latents.kind" in run.tags:
        return run.tags["latents.kind"]
    trained = run.params["autoencoder"]
    return "dae" if trained == "ae" and run.params.get("input_noise", "none") != "none" else trained


def kind_label(name: str) -> str:
    """The kind as a cell or word."""
    return escape(name.upper() if name in KINDS else name)


class AutoencoderSection:
    """The autoencoders that were analysed on the same data.

    Args:
        runs: analysed, at least one.
        store: has their files.
        pictures: takes the pictures.
        t: the language.
    """

    def __init__(self, runs: list[Run], store: Store, pictures: Pictures, t: Texts):
        self.runs, self.store, self.pictures, self.t = sorted(runs, key=_row_order), store, pictures, t

    def blocks(self, training_images: bool) -> list[Block]:
        """The sub-section, without pictures of real images unless `training_images`."""
        t = self.t
        counts = sorted({run.tags.get("latents.num_validation", MISSING) for run in self.runs})
        blocks: list[Block] = [
            Heading(3, t("autoencoders")),
            Paragraph(t("autoencoders_intro", images=escape(" / ".join(counts)))),
        ]
        noises = self._noises()
        if noises:
            blocks.append(Paragraph(t("autoencoders_denoising", noise="; ".join(noises))))
        blocks += [autoencoder_table(self.runs, t), Paragraph(t("autoencoders_reported"))]
        for name, real_images, plots in PICTURES:
            if training_images or not real_images:
                blocks += self._gallery(name, plots)
        return blocks

    def _noises(self) -> list[str]:
        """The noise that was to be removed; whose it was, if not all had the same."""
        found: dict[str, list[str]] = {}
        for run in self.runs:
            facts = (self.store.json(run, "analysis/latents.json") or {}).get("facts")
            if isinstance(facts, dict) and "noise_type" in facts and run.latent("denoised_psnr") is not None:
                name, strength = str(facts["noise_type"]), escape(str(facts.get("noise_strength", MISSING)))
                key = f"noise_{name}" if name in NOISES else "noise_other"
                values = {} if name in NOISES else {"noise": escape(name)}
                found.setdefault(self.t(key, strength=strength, **values), []).append(code(run.name))
        if len(found) < 2:
            return list(found)
        return [f"{self.t.listed(names)}: {noise}" for noise, names in found.items()]

    def _gallery(self, name: str, plots: bool) -> list[Block]:
        t = self.t
        captions = [
            (
                run,
                t(
                    "caption_autoencoder",
                    kind=kind_label(kind(run)), floats=count(run.latent("latent_floats")), run=escape(run.name),
                ),
            )
            for run in self.runs
            if name != "codebook" or kind(run) == "vq"
        ]  # fmt: skip
        gallery = self.pictures.gallery(captions, f"analysis/{name}.png", f"alt_{name}", wide=True, plots=plots)
        return [Heading(4, t(name)), Paragraph(t(f"{name}_intro")), gallery] if gallery else []


def _row_order(run: Run) -> tuple[int, float, int]:
    position = KINDS.index(kind(run)) if kind(run) in KINDS else len(KINDS)
    return position, run.latent("latent_floats") or 0.0, run.started


def autoencoder_table(runs: list[Run], t: Texts) -> Table:
    """One row per autoencoder: its size, what it cost, what it keeps, what it removes, what it sorts."""
    notes = Footnotes()
    names = ("kind", "run", "latent_floats", "latent_bits", "parameters", "images", "minutes")
    header = [t(f"col_{name}") for name in names]
    rows = [
        [
            kind_label(kind(run)), code(run.name), count(run.latent("latent_floats")), count(run.latent("latent_bits")),
            count(run.metrics.get("run/parameters")), count(run.metrics.get("run/images")),
            minutes(run.metrics.get("run/train_seconds")),
        ]
        for run in runs
    ]  # fmt: skip

    def column(name: str, metric: str, better: str | None, text: Callable[[Run, float], str], why: str = "") -> None:
        header.append(t(f"col_{name}"))
        values = [run.latent(metric) for run in runs]
        best = best_index(values, better) if better else set()
        for index, (run, value) in enumerate(zip(runs, values, strict=True)):
            if value is None:
                does_not_apply = why and (kind(run) == "vq") == (name == "psnr_8bit")
                rows[index].append(notes.missing(t(why if does_not_apply else "note_not_analysed")))
            else:
                rows[index].append(f"<b>{text(run, value)}</b>" if index in best else text(run, value))

    column("mse", "mse", "low", lambda run, value: f"{value:.5f}")
    column("psnr", "psnr", "high", _plain)
    column("psnr_image_mean", "psnr_image_mean", "high", _plain)
    column("ssim", "ssim", "high", _plain)
    column("train_psnr", "train_psnr", None, _plain)
    column("psnr_8bit", "psnr_8bit", "high", _plain, "note_codes")
    column("denoising", "denoised_psnr", "high", _denoising)
    column("silhouette", "silhouette_latents", "high", _silhouette)
    column("codebook", "codebook_use", "high", _codebook, "note_no_codebook")
    return Table(header, rows, left=2, notes=notes.lines())


def _plain(run: Run, value: float) -> str:
    return number(value)


def _denoising(run: Run, value: float) -> str:
    noisy, gain = run.latent("noisy_psnr"), run.latent("denoising_gain")
    text = number(value) if noisy is None else f"{number(noisy)} →&nbsp;{number(value)}"
    return text if gain is None else f"{text} ({gain:+.2f})"


def _silhouette(run: Run, value: float) -> str:
    pixels = run.latent("silhouette_pixels")
    return f"{value:.3f}" if pixels is None else f"{value:.3f} / {pixels:.3f}"


def _codebook(run: Run, value: float) -> str:
    train = run.latent("codebook_use_train")
    return number(value) if train is None else f"{number(value)} ({number(train)})"
