"""Sprite sheets and animations for game engines: written, and read back."""

from .read import SHEET_SUFFIXES, read_sheet
from .sheet import SpriteSheet, Tag
from .write import FORMATS, Written, write_sheet

__all__ = ["FORMATS", "SHEET_SUFFIXES", "SpriteSheet", "Tag", "Written", "read_sheet", "write_sheet"]
