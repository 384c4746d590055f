"""The page as a list of blocks, and those blocks as Markdown and as one self-contained HTML file.

Text in blocks is inline HTML of a few tags (``<b>``, ``<code>``, ``<sup>``), which both formats understand;
whatever comes from the store goes through `escape` first.
"""

from __future__ import annotations

import base64
import html
import re
from dataclasses import dataclass, field
from pathlib import Path

MISSING = "—"

STYLE = """
:root { color-scheme: light; }
body { font: 15px/1.55 system-ui, "Segoe UI", Roboto, "Helvetica Neue", sans-serif; color: #1f2430; background: #fff;
  margin: 0 auto; padding: 1.5rem 1.5rem 4rem; max-width: 1400px; }
h1 { font-size: 1.9rem; margin: .5rem 0 1rem; }
h2 { font-size: 1.45rem; margin: 2.6rem 0 .8rem; padding-top: 1rem; border-top: 2px solid #d8dce5; }
h3 { font-size: 1.12rem; margin: 1.9rem 0 .5rem; }
h4 { font-size: 1rem; margin: 1.3rem 0 .4rem; }
p, ul { max-width: 62rem; }
li { margin: .2rem 0; }
code { font: .92em ui-monospace, Consolas, "DejaVu Sans Mono", monospace; background: #f1f3f7; padding: 0 .25em; border-radius: 3px; }
.scroll { overflow-x: auto; margin: .6rem 0 .2rem; }
table { border-collapse: collapse; font-size: 12px; line-height: 1.35; font-variant-numeric: tabular-nums; }
th, td { padding: .34rem .42rem; border-bottom: 1px solid #e3e6ed; text-align: right; vertical-align: top; }
th { vertical-align: bottom; border-bottom: 2px solid #aeb5c4; font-weight: 600; color: #454c5e; }
th.left, td.left { text-align: left; }
tr.reference td { background: #f5f6fa; color: #4a5163; font-style: italic; }
td b { color: #0b6b3a; }
.note { font-size: 12.5px; color: #555d70; margin: .15rem 0; }
figure { margin: .8rem 0 1.2rem; }
figure img { max-width: 100%; height: auto; }
figcaption { font-size: 12.5px; color: #555d70; max-width: 62rem; }
.gallery { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(250px, 100%), 1fr)); gap: 1rem; }
.gallery.wide { grid-template-columns: repeat(auto-fit, minmax(min(460px, 100%), 1fr)); }
.gallery figure { margin: 0; max-width: 420px; }
.gallery.wide figure { max-width: 660px; }
.gallery img { image-rendering: pixelated; width: 100%; border: 1px solid #e3e6ed; }
.gallery.plots img { image-rendering: auto; }
"""


@dataclass(frozen=True)
class Heading:
    level: int
    text: str


@dataclass(frozen=True)
class Paragraph:
    text: str


@dataclass(frozen=True)
class Bullets:
    items: list[str]


@dataclass(frozen=True)
class Table:
    """`left` columns are words, the others are numbers; the first `reference_rows` are the floor."""

    header: list[str]
    rows: list[list[str]]
    left: int = 1
    reference_rows: int = 0
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Picture:
    """`file` is relative to the folder of the page."""

    file: str
    alt: str
    caption: str = ""


@dataclass(frozen=True)
class Gallery:
    """Pictures side by side: sprites four to a row, `wide` ones two; pixels stay square unless they are `plots`."""

    pictures: list[Picture]
    wide: bool = False
    plots: bool = False


Block = Heading | Paragraph | Bullets | Table | Picture | Gallery


def escape(text: str) -> str:
    """Text from the store as inline HTML that Markdown leaves alone too, on one line."""
    text = html.escape(re.sub(r"\s+", " ", text).strip())
    return re.sub(r"[|*`\[\]\\~]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])", lambda match: f"&#{ord(match[0])};", text)


class Footnotes:
    """Numbers the explanations of a table, most of them of what it leaves out."""

    def __init__(self) -> None:
        self._reasons: list[str] = []

    def missing(self, reason: str) -> str:
        """A cell without a value, and why."""
        return self.mark(MISSING, reason)

    def mark(self, text: str, reason: str) -> str:
        """A cell that needs a word of explanation."""
        if reason not in self._reasons:
            self._reasons.append(reason)
        return f"{text}<sup>{self._reasons.index(reason) + 1}</sup>"

    def lines(self) -> list[str]:
        return [f"<sup>{number}</sup> {reason}" for number, reason in enumerate(self._reasons, 1)]


def to_markdown(blocks: list[Block]) -> str:
    """The page for GitHub; pictures by relative link."""
    return "\n\n".join(_markdown(block) for block in blocks) + "\n"


def _markdown(block: Block) -> str:
    match block:
        case Heading(level, text):
            return f"{'#' * level} {text}"
        case Paragraph(text):
            return _strong(text)
        case Bullets(items):
            return "\n".join(f"- {_strong(item)}" for item in items)
        case Table():
            return _markdown_table(block)
        case Picture(file, alt, caption):
            return f"![{alt}]({file})" + (f"\n\n<sub>{caption}</sub>" if caption else "")
        case Gallery(pictures, wide):
            columns = 2 if wide else 4
            width = 100 // min(len(pictures), columns)
            cells = [
                f'<td width="{width}%" align="center" valign="top"><img src="{picture.file}" alt="{picture.alt}">'
                f"<br><sub>{picture.caption}</sub></td>"
                for picture in pictures
            ]
            rows = ["".join(cells[start : start + columns]) for start in range(0, len(cells), columns)]
            return "<table>\n" + "\n".join(f"<tr>{row}</tr>" for row in rows) + "\n</table>"


def _markdown_table(table: Table) -> str:
    marks = [":--" if column < table.left else "--:" for column in range(len(table.header))]
    lines = [table.header, marks, *table.rows]
    text = "\n".join(f"| {' | '.join(_strong(cell) for cell in line)} |" for line in lines)
    return "\n\n".join([text, *([f"<sub>{'<br>'.join(table.notes)}</sub>"] if table.notes else [])])


def _strong(text: str) -> str:
    """Inline HTML as Markdown writes it; hints for hyphenation only clutter its source."""
    return re.sub(r"</?b>", "**", text.replace("&shy;", "").replace("&nbsp;", " "))


def to_html(blocks: list[Block], folder: Path, lang: str) -> str:
    """The page as one file; pictures of `folder` inside it.

    Raises:
        OSError: a picture that cannot be read.
    """
    title = next(block.text for block in blocks if isinstance(block, Heading))
    body = "\n".join(_html(block, folder) for block in blocks)
    return (
        f'<!DOCTYPE html>\n<html lang="{lang}">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{title}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n{body}\n</body>\n</html>\n"
    )


def _html(block: Block, folder: Path) -> str:
    match block:
        case Heading(level, text):
            return f"<h{level}>{text}</h{level}>"
        case Paragraph(text):
            return f"<p>{text}</p>"
        case Bullets(items):
            return "<ul>" + "".join(f"<li>{item}</li>" for item in items) + "</ul>"
        case Table():
            return _html_table(block)
        case Picture():
            return _html_figure(block, folder)
        case Gallery(pictures, wide, plots):
            figures = "".join(_html_figure(picture, folder) for picture in pictures)
            look = "gallery" + " wide" * wide + " plots" * plots
            return f'<div class="{look}">{figures}</div>'


def _html_figure(picture: Picture, folder: Path) -> str:
    data = base64.b64encode((folder / picture.file).read_bytes()).decode("ascii")
    caption = f"<figcaption>{picture.caption}</figcaption>" if picture.caption else ""
    return f'<figure><img src="data:image/png;base64,{data}" alt="{picture.alt}">{caption}</figure>'


def _html_table(table: Table) -> str:
    def line(tag: str, cells: list[str]) -> str:
        return "".join(
            f'<{tag} class="left">{cell}</{tag}>' if column < table.left else f"<{tag}>{cell}</{tag}>"
            for column, cell in enumerate(cells)
        )

    rows = "".join(
        ('<tr class="reference">' if number < table.reference_rows else "<tr>") + line("td", row) + "</tr>"
        for number, row in enumerate(table.rows)
    )
    head = f"<thead><tr>{line('th', table.header)}</tr></thead>"
    notes = "".join(f'<p class="note">{note}</p>' for note in table.notes)
    return f'<div class="scroll"><table>{head}<tbody>{rows}</tbody></table></div>{notes}'
