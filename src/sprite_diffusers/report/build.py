"""``sprite-diffusers report``: from an MLflow store to the files of the results page."""

from __future__ import annotations

import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from ..errors import SpriteError
from ..tracking import DEFAULT_TRACKING_URI
from .page import to_html, to_markdown
from .sections import results_page
from .store import open_store
from .texts import Texts


@dataclass(frozen=True)
class ReportResult:
    """What `build_report` wrote.

    Attributes:
        markdown: the page for GitHub.
        html: the same page as one self-contained file.
        pictures: the files that the Markdown page shows, in a folder beside it.
        left_out: runs and files that are no part of the results, each with the reason, as plain text.
    """

    markdown: Path
    html: Path
    pictures: list[Path]
    left_out: list[str]


def build_report(
    out: Path = Path("docs/results.md"),
    *,
    tracking_uri: str | None = None,
    experiments: list[str] | None = None,
    lang: str = "en",
    training_images: bool = True,
) -> ReportResult:
    """Builds the results page from MLflow alone.

    Everything is made beside its place and moved there at the end, the Markdown page last: an error leaves the page
    that was there, and its pictures, as they were. The store is only read.

    Args:
        out: the Markdown page; the HTML page and the folder of pictures take its name (``results.html``, ``results/``).
        tracking_uri: the MLflow store; ``MLFLOW_TRACKING_URI``, else ``sqlite:///mlflow.db``, if not given.
        experiments: names of the experiments to report on; all if not given.
        lang: ``"en"`` or ``"es"``.
        training_images: whether to show real images: samples beside their nearest training images, and held-out images
            beside what autoencoders make of them.

    Raises:
        SpriteError: a store that is missing, locked, corrupt or without an evaluated run, an unknown experiment or
            language, a place that cannot be written to.
    """
    texts, out = Texts(lang), Path(out)
    folder, html = _places(out)
    uri = tracking_uri or os.environ.get("MLFLOW_TRACKING_URI") or DEFAULT_TRACKING_URI
    with open_store(uri) as store, tempfile.TemporaryDirectory() as scratch:
        made = Path(scratch, folder.name)
        made.mkdir()
        blocks, left_out = results_page(store, experiments, made, texts, training_images)
        markdown_text, html_text = to_markdown(blocks), to_html(blocks, Path(scratch), lang)
        try:
            _replace(out, folder, html, made, markdown_text, html_text)
        except OSError as error:
            raise SpriteError(f"--out {out} cannot be written ({error.strerror}): choose another place.") from error
    return ReportResult(out, html, sorted(folder.iterdir()), left_out)


def _places(out: Path) -> tuple[Path, Path]:
    """The folder of pictures and the HTML page of a report."""
    if out.suffix != ".md" or out.is_dir():
        raise SpriteError(f"--out is {out}, but must be a Markdown file: give a name that ends in .md.")
    folder, html = out.with_suffix(""), out.with_suffix(".html")
    if folder.exists() and not folder.is_dir():
        raise SpriteError(f"--out {out}: its pictures go to the folder {folder}, but that is a file. Move it away.")
    foreign = sorted(path.name for path in folder.iterdir() if path.suffix != ".png") if folder.exists() else []
    if foreign:
        raise SpriteError(
            f"--out {out}: the folder {folder} would be replaced by the pictures of the report, but holds {foreign[0]}. "
            "Move it away, or give another --out."
        )
    return folder, html


def _replace(out: Path, folder: Path, html: Path, made: Path, markdown_text: str, html_text: str) -> None:
    """Puts the new files in the place of the old ones; if any of it fails, the old ones are put back."""
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{out.stem}-", dir=out.parent) as name:
        stage, old = Path(name, "new"), Path(name, "old")
        shutil.copytree(made, stage / folder.name)
        (stage / html.name).write_text(html_text, encoding="utf-8")
        (stage / out.name).write_text(markdown_text, encoding="utf-8")
        old.mkdir()
        swapped: list[Path] = []
        try:
            for place in (folder, html, out):
                swapped.append(place)
                if place.exists():
                    place.replace(old / place.name)
                (stage / place.name).replace(place)
        except BaseException:
            for place in swapped:
                if (old / place.name).exists():
                    if place.is_dir():
                        shutil.rmtree(place)
                    (old / place.name).replace(place)
            raise
