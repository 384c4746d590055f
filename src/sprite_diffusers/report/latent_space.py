"""The question of Exp4: is diffusion in latent space cheaper at equal quality? A table, and the answer in words."""

from __future__ import annotations

from .autoencoders import kind_label
from .page import MISSING, Block, Bullets, Footnotes, Heading, Paragraph, Table
from .selection import AD6, EXP2, EXP3, Group, diffuses_latents, experiment_order
from .store import Run
from .tables import best_index, code, count, experiment_label, minutes, number, plain_cell, score_cell
from .texts import Texts

PIXEL_EXPERIMENTS = (EXP2, EXP3, AD6)
METRICS = ("fd_pca20", "fd_feature", "fd_pca20_class_mean", "accuracy")
EQUAL_QUALITY = 1.1  # a distance of at most so many times that of the pixel model counts as no worse


def latent_space(group: Group, t: Texts) -> list[Block]:
    """The sub-section; empty unless the group has a run that diffuses latents and one that diffuses pixels."""
    runs = _candidates(group)
    latent = [run for run in runs if diffuses_latents(run)]
    pixel = [run for run in runs if not diffuses_latents(run)]
    if not latent or not pixel:
        return []
    answers = [
        _contest(latent, pixel, conditional, t)
        for conditional in (True, False)
        if all(any(run.is_conditional == conditional for run in side) for side in (latent, pixel))
    ]
    if not answers:
        kinds = {name: _kind(side[0].is_conditional, t) for name, side in (("latent", latent), ("pixel", pixel))}
        answers = [t("latent_no_pair", **kinds)]
    return [
        Heading(3, t("latent_space")),
        Paragraph(t("latent_space_intro", equal=EQUAL_QUALITY)),
        _table(group, runs, t),
        Bullets(answers),
    ]


def whole_seconds(run: Run) -> float | None:
    """How long a model was trained, the autoencoder that it needs included; None if any of it is unknown."""
    own = run.metrics.get("run/train_seconds")
    if own is None or not diffuses_latents(run):
        return own
    return None if run.autoencoder_seconds is None else own + run.autoencoder_seconds


def _metric(conditional: bool) -> str:
    return "fd_pca20_class_mean" if conditional else "fd_pca20"


def _kind(conditional: bool, t: Texts) -> str:
    return t("kind_conditional" if conditional else "kind_unconditional")


def _candidates(group: Group) -> list[Run]:
    """The best class-conditional and the best unconditional run of each experiment that the question is about."""
    best: dict[tuple[str, bool], Run] = {}
    for run in group.runs:
        value = run.score(_metric(run.is_conditional))
        if value is None or not (diffuses_latents(run) or run.experiment in PIXEL_EXPERIMENTS):
            continue
        key = (run.experiment, run.is_conditional)
        if key not in best or value < best[key].metrics[f"eval/{_metric(run.is_conditional)}"]:
            best[key] = run
    return [best[key] for key in sorted(best, key=lambda key: (experiment_order(key[0]), key[1]))]


def _contest(latent: list[Run], pixel: list[Run], conditional: bool, t: Texts) -> str:
    """The best latent model against the best pixel model of a kind. Ratios are judged as they are printed."""
    score = f"eval/{_metric(conditional)}"
    ours, theirs = (
        min((run for run in side if run.is_conditional == conditional), key=lambda run: run.metrics[score])
        for side in (latent, pixel)
    )
    quality = _ratio(ours.metrics[score], theirs.metrics[score])
    train = _ratio(whole_seconds(ours), whole_seconds(theirs))
    draw = _ratio(ours.score("seconds_per_image"), theirs.score("seconds_per_image"))
    words = {
        "latent": experiment_label(ours.experiment), "pixel": experiment_label(theirs.experiment),
        "kind": _kind(conditional, t), "metric": t(f"metric_{_metric(conditional)}"),
        "quality": MISSING if quality is None else f"{quality:.2f}",
    }  # fmt: skip
    if quality is None or train is None or draw is None:
        return t("latent_contest_untimed", **words)
    cost = {(True, True): "cheaper", (True, False): "train_only", (False, True): "draw_only", (False, False): "dearer"}
    conclusion = f"latent_{cost[train < 1, draw < 1]}_{'equal' if quality <= EQUAL_QUALITY else 'worse'}"
    return t("latent_contest", train=f"{train:.2f}", draw=f"{draw:.2f}", conclusion=t(conclusion), **words)


def _ratio(ours: float | None, theirs: float | None) -> float | None:
    return None if ours is None or not theirs else round(ours / theirs, 2)


def _table(group: Group, runs: list[Run], t: Texts) -> Table:
    notes = Footnotes()
    names = ("experiment", "run", "space", "numbers", "minutes_whole", "images", "seconds_per_image", *METRICS)
    nothing = notes.missing(t("note_floor"))
    floors = [group.floor(metric) for metric in METRICS]
    floor_row = [t("floor_row"), *[nothing] * 6, *(plain_cell(floor, False, notes, t) for floor in floors)]
    rows = [
        [experiment_label(run.experiment), code(run.name), _space(run, t), _numbers(run, notes, t)] for run in runs
    ]
    seconds = [whole_seconds(run) for run in runs]
    cheapest = best_index(seconds, "low")
    for index, (run, value) in enumerate(zip(runs, seconds, strict=True)):
        if value is None:
            unknown = "note_no_autoencoder_minutes" if diffuses_latents(run) else "note_unrecorded"
            rows[index].append(notes.missing(t(unknown)))
        else:
            rows[index].append(f"<b>{minutes(value)}</b>" if index in cheapest else minutes(value))
        rows[index].append(count(run.metrics.get("run/images")))
    for metric in ("seconds_per_image", *METRICS):
        best = best_index([run.score(metric) for run in runs], "high" if metric == "accuracy" else "low")
        for index, run in enumerate(runs):
            rows[index].append(score_cell(run, metric, index in best, notes, t))
    header = [t(f"col_{name}") for name in names]
    return Table(header, [floor_row, *rows], left=3, reference_rows=1, notes=notes.lines())


def _space(run: Run, t: Texts) -> str:
    """What the model diffuses, and how good the autoencoder is: it bounds the quality of whatever is drawn."""
    if not diffuses_latents(run):
        return t("space_pixels")
    if "autoencoder.kind" not in run.tags:
        return t("space_latents")
    autoencoder, psnr = kind_label(run.tags["autoencoder.kind"]), _float(run.tags.get("autoencoder.psnr"))
    if psnr is not None:
        autoencoder = t("space_psnr", kind=autoencoder, psnr=number(psnr))
    return t("space_latents_of", autoencoder=autoencoder)


def _numbers(run: Run, notes: Footnotes, t: Texts) -> str:
    """Numbers that the model diffuses for an image: of its latent, or all of its pixels."""
    size = _float(run.tags.get("eval.image_size"))
    pixels = None if size is None else size**2 * len(run.tags.get("eval.mode", "RGB"))
    floats = _float(run.tags.get("autoencoder.latent_floats"))
    if pixels is None or (diffuses_latents(run) and floats is None):
        return notes.missing(t("note_unrecorded"))
    return t("numbers_of", latent=count(floats), pixels=count(pixels)) if diffuses_latents(run) else count(pixels)


def _float(text: str | None) -> float | None:
    try:
        return float(text or "")
    except ValueError:
        return None
