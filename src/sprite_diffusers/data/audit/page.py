"""A page as a list of blocks, and the two ways to write it down: one HTML file that needs nothing else, and Markdown."""

from __future__ import annotations

import base64
import html
import re
from collections.abc import Sequence
from dataclasses import dataclass

_STYLE = """
:root { color-scheme: light; }
body { font: 16px/1.5 system-ui, sans-serif; color: #1d2330; background: #f5f6f8; margin: 0; }
main { max-width: 1080px; margin: 0 auto; padding: 24px 32px 64px; background: #fff; min-height: 100vh; }
h1 { font-size: 1.8em; margin: .3em 0; overflow-wrap: anywhere; }
h2 { font-size: 1.3em; margin: 2em 0 .4em; padding-top: .6em; border-top: 1px solid #dfe3ea; }
p { margin: .5em 0; overflow-wrap: anywhere; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; margin: .8em 0; font-size: .93em; }
th, td { padding: 4px 12px; border-bottom: 1px solid #e5e8ee; text-align: right; }
th:first-child, td:first-child { text-align: left; }
th { background: #f5f6f8; }
figure { margin: 1em 0; }
figure img { max-width: 100%; border: 1px solid #dfe3ea; }
figure img.pixels { image-rendering: pixelated; }
figcaption { color: #586174; font-size: .9em; }
.note-box { border-left: 6px solid #6b8fd6; background: #f2f6fd; padding: 8px 16px; margin: 10px 0; }
.note-box.warning { border-color: #e0a52e; background: #fff8e8; }
.note-box.problem { border-color: #cf4446; background: #fdf0f0; }
.note-box.fine { border-color: #3f9c5f; background: #eef8f1; }
.note-box b { text-transform: capitalize; }
"""


@dataclass(frozen=True)
class Heading:
    text: str
    level: int = 2


@dataclass(frozen=True)
class Paragraph:
    text: str


@dataclass(frozen=True)
class Notice:
    """A box: `kind` is "problem", "warning", "note" or "fine"; `title` is set in bold before `text`."""

    kind: str
    title: str
    text: str


@dataclass(frozen=True)
class Table:
    header: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True)
class Picture:
    """A PNG: `name` is the stem of its file beside the Markdown; `pixels` keeps browsers from smoothing it."""

    name: str
    png: bytes
    caption: str
    pixels: bool = False


Block = Heading | Paragraph | Notice | Table | Picture


def render_html(title: str, blocks: Sequence[Block]) -> str:
    """One file without references to others; all text is escaped."""
    body = "\n".join(_html(block) for block in blocks)
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{html.escape(title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body><main>\n{body}\n</main></body>\n"
        "</html>\n"
    )


def render_markdown(blocks: Sequence[Block], folder: str) -> str:
    """Markdown whose pictures are `folder`/`name`.png; all text is escaped."""
    return "\n\n".join(_markdown(block, folder) for block in blocks) + "\n"


def _html(block: Block) -> str:
    if isinstance(block, Heading):
        return f"<h{block.level}>{html.escape(block.text)}</h{block.level}>"
    if isinstance(block, Paragraph):
        return f"<p>{html.escape(block.text)}</p>"
    if isinstance(block, Notice):
        return (
            f'<div class="note-box {html.escape(block.kind)}"><b>{html.escape(block.title)}</b><br>'
            f"{html.escape(block.text)}</div>"
        )
    if isinstance(block, Table):
        head = "".join(f"<th>{html.escape(cell)}</th>" for cell in block.header)
        rows = "".join(
            "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>\n" for row in block.rows
        )
        return f'<div class="scroll"><table>\n<tr>{head}</tr>\n{rows}</table></div>'
    data = base64.b64encode(block.png).decode("ascii")
    caption = html.escape(block.caption)
    pixels = ' class="pixels"' if block.pixels else ""
    return (
        f'<figure><img{pixels} alt="{caption}" src="data:image/png;base64,{data}">'
        f"<figcaption>{caption}</figcaption></figure>"
    )


def _markdown(block: Block, folder: str) -> str:
    if isinstance(block, Heading):
        return f"{'#' * block.level} {_escape(block.text)}"
    if isinstance(block, Paragraph):
        return _escape(block.text)
    if isinstance(block, Notice):
        return f"- **{_escape(block.kind)}: {_escape(block.title)}.** {_escape(block.text)}"
    if isinstance(block, Table):
        lines = [block.header, ["---", *["---:"] * (len(block.header) - 1)], *block.rows]
        cells = [line if place == 1 else [_escape(cell) for cell in line] for place, line in enumerate(lines)]
        return "\n".join(f"| {' | '.join(line)} |" for line in cells)
    return f"![{_escape(block.name)}]({folder}/{block.name}.png)\n\n*{_escape(block.caption)}*"


def _escape(text: str) -> str:
    """Text that Markdown shows as it is: no HTML, no emphasis, no links, no table cells, one line."""
    text = " ".join(text.split())
    return re.sub(r"([\\`*_\[\]|#~$])", r"\\\1", html.escape(text, quote=False))
