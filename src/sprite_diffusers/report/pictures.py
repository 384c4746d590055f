"""The pictures of one part of the page: where they go, and which of them the runs no longer have."""

from __future__ import annotations

from pathlib import Path

from .artifacts import small_picture
from .page import Gallery, Picture, escape
from .store import Run, Store
from .texts import Texts


class Pictures:
    """Names pictures so that those of another part are never overwritten, and notes the files that are missing.

    Args:
        store: has the files of the runs.
        folder: the pictures go there.
        slug: begins the names of the pictures; another for each part.
        t: the language.
    """

    def __init__(self, store: Store, folder: Path, slug: str, t: Texts):
        self.store, self.folder, self.slug, self.t = store, folder, slug, t
        self._missed: dict[str, tuple[Run, list[str]]] = {}

    def path(self, name: str) -> Path:
        """Where the picture `name` is to be written."""
        return self.folder / f"{self.slug}-{name}.png"

    def show(self, name: str, alt: str, caption: str = "") -> Picture:
        """The block of a picture that was written to `path`."""
        return Picture(f"{self.folder.name}/{self.path(name).name}", alt, caption)

    def gallery(
        self, captions: list[tuple[Run, str]], file: str, alt: str, *, wide: bool = False, plots: bool = False
    ) -> Gallery | None:
        """The same file of several runs, each with its caption; None if no run has it.

        Args:
            captions: the runs in their order.
            file: the artifact, e.g. ``"evaluation/grid.png"``.
            alt: key of the alternative text, which names the run.
            wide: whether the pictures need more than a quarter of the page.
            plots: whether they are drawings and not sprites.
        """
        pictures = []
        for run, caption in captions:
            source, name = self.store.file(run, file), f"{Path(file).stem}-{run.run_id[:8]}"
            if source is not None and small_picture(source, self.path(name)):
                pictures.append(self.show(name, self.t(alt, run=escape(run.name)), caption))
            else:
                self.miss(run, file)
        return Gallery(pictures, wide, plots) if pictures else None

    def miss(self, run: Run, file: str) -> None:
        """Notes that a run lacks a file."""
        self._missed.setdefault(run.run_id, (run, []))[1].append(file)

    def missing_files(self) -> list[str]:
        """A line for each run that lacks files; complete once the blocks of the part are made."""
        return [
            self.t(
                "missing_file",
                run=escape(run.name),
                dataset=escape(run.dataset),
                files=self.t.listed([f"<code>{file}</code>" for file in files]),
            )
            for run, files in self._missed.values()
        ]
