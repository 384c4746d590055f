"""Palettes: built in, from files and pictures, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sprite_diffusers.errors import SpriteError
from sprite_diffusers.pixels import BUILTIN_PALETTES, Palette, load_palette

COLORS = ((26, 28, 44), (93, 39, 93), (244, 244, 244))
HEX = ["1a1c2c", "5d275d", "f4f4f4"]


def refused(source) -> str:
    with pytest.raises(SpriteError) as error:
        load_palette(source)
    message = str(error.value)
    assert "\n" not in message
    return message


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


class TestBuiltIn:
    def test_sizes_are_those_that_are_known(self) -> None:
        sizes = {name: len(load_palette(name)) for name in BUILTIN_PALETTES}
        assert sizes == {
            "black-and-white": 2, "gameboy": 4, "cga": 16, "c64": 16, "nes": 55, "pico-8": 16, "db16": 16,
            "arne-16": 16,
            "db32": 32, "sweetie-16": 16, "endesga-32": 32, "aap-64": 64,
        }  # fmt: skip

    @pytest.mark.parametrize("name", ["pico-8", "PICO-8", "pico8", "Pico 8"])
    def test_names_are_found_however_they_are_written(self, name: str) -> None:
        palette = load_palette(name)
        assert palette.name == "pico-8"
        assert palette.hex[8] == "#ff004d"

    def test_unknown_names_suggest_and_list(self) -> None:
        message = refused("endesga")
        assert "did you mean 'endesga-32'" in message
        assert "sweetie-16" in message


class TestFiles:
    @pytest.mark.parametrize(
        ("name", "text"),
        [
            ("p.gpl", "GIMP Palette\nName: Dusk\nColumns: 4\n# by hand\n 26 28 44\tnight\n93 39 93\n244 244 244 white\n"),
            ("p.gpl", "GIMP Palette\nChannels: RGBA\n#\n26 28 44 255 a\n93 39 93 255 b\n244 244 244 255 c\n"),
            ("p.hex", "1a1c2c\n#5D275D\n\nf4f4f4\n1a1c2c\n"),
            ("p.pal", "JASC-PAL\r\n0100\r\n3\r\n26 28 44\r\n93 39 93\r\n244 244 244\r\n"),
            ("p.json", json.dumps([f"#{color}" for color in HEX])),
            ("p.json", json.dumps({"name": "Dusk", "colors": HEX})),
            ("p.json", json.dumps({"palette": [[26, 28, 44], [93, 39, 93, 255], [244, 244, 244]]})),
            ("p.json", json.dumps({"palette": {"colors": [{"r": r, "g": g, "b": b, "a": 255} for r, g, b in COLORS]}})),
            ("p.json", json.dumps({"entries": [{"index": i, "color": f"#{c}ff"} for i, c in enumerate(HEX)]})),
        ],
    )  # fmt: skip
    def test_the_same_colours_from_every_format(self, name: str, text: str, tmp_path: Path) -> None:
        palette = load_palette(write(tmp_path / name, text))
        assert palette.colors == COLORS
        assert palette.name == ("Dusk" if "Dusk" in text else "p")

    def test_a_picture_gives_its_visible_colours_in_reading_order(self, tmp_path: Path) -> None:
        pixels = np.zeros((2, 3, 4), np.uint8)
        pixels[0, 1:] = [(*COLORS[0], 255), (*COLORS[1], 255)]
        pixels[1] = [(*COLORS[0], 255), (*COLORS[2], 255), (9, 9, 9, 0)]
        Image.fromarray(pixels).save(tmp_path / "p.png")
        assert load_palette(tmp_path / "p.png").colors == COLORS

    @pytest.mark.parametrize("suffix", [".gpl", ".hex"])
    def test_what_is_saved_is_read_again(self, suffix: str, tmp_path: Path) -> None:
        path = load_palette("db32").save(tmp_path / "new" / f"mine{suffix}")
        assert load_palette(str(path)).colors == load_palette("db32").colors

    def test_a_file_comes_before_a_built_in_name(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)
        write(tmp_path / "nes.hex", "\n".join(HEX))
        assert load_palette("nes.hex").colors == COLORS
        assert len(load_palette("nes")) == 55

    @pytest.mark.parametrize(
        ("name", "text", "message"),
        [
            ("p.gpl", "Name: x\n1 2 3\n", r"line 1: 'Name: x' is not 'GIMP Palette'"),
            ("p.gpl", "GIMP Palette\n#\n1 2 3\n1 2\n", "line 4: '1 2' is not three numbers from 0 to 255"),
            ("p.gpl", "GIMP Palette\n1 2 3\n1 2 256\n", "line 3: '1 2 256'"),
            ("p.gpl", "", "line 1: ''"),
            ("p.hex", "1a1c2c\nfff\n", "line 2: 'fff' is not a colour as rrggbb"),
            ("p.pal", "RIFF\n", "line 1: 'RIFF' is not 'JASC-PAL'"),
            ("p.pal", "JASC-PAL\n0100\n3\n1 2 3\n4 5 6\n", "line 3: '3' is not the number of colours that follow, 2"),
            ("p.pal", "JASC-PAL\n0100\n2\n1 2 3\n4 5 x\n", "line 5: '4 5 x'"),
            ("p.json", '["#000000",\n "#ffffff"', "line 2: not JSON"),
            ("p.json", '{"frames": []}', "no list of colours"),
            ("p.json", '["#000000", "white"]', "colour 2: white is not"),
            ("p.json", '[[0, 0, 0], [1, 2]]', r"colour 2: \[1, 2\] is not"),
            ("p.json", '[{"r": 1, "g": 2, "b": 300}, [1, 2, 3]]', "colour 1"),
            ("p.hex", "", "has no colours, but a palette has 2 to 256"),
            ("p.hex", "000000\n000000\n", "has 2 colours, but a palette has 2 to 256 different ones"),
            ("p.hex", "\n".join(f"{i:06x}" for i in range(257)), "257 different colours"),
            ("p.txt", "000000\n", "files are read as .gpl"),
        ],
    )  # fmt: skip
    def test_malformed_files_are_named_with_the_line(self, name, text, message, tmp_path) -> None:
        path = write(tmp_path / name, text)
        with pytest.raises(SpriteError, match=message):
            load_palette(path)
        assert str(path) in refused(path) or "257" in message

    def test_files_that_are_no_text_no_picture_or_not_there(self, tmp_path: Path) -> None:
        (tmp_path / "p.gpl").write_bytes(b"\xff\xfe\x00\x81")
        assert "is not text" in refused(tmp_path / "p.gpl")
        (tmp_path / "p.png").write_bytes(b"no picture")
        assert "cannot be read as a picture" in refused(tmp_path / "p.png")
        assert "does not exist" in refused(str(tmp_path / "q.gpl"))

    def test_a_picture_of_too_many_colours(self, tmp_path: Path) -> None:
        Image.fromarray(np.random.default_rng(0).integers(0, 256, (20, 20, 3), np.uint8)).save(tmp_path / "p.png")
        assert "400 different colours" in refused(tmp_path / "p.png")


class TestColours:
    def test_sequences_of_any_form(self) -> None:
        assert load_palette(["#1a1c2c", (93, 39, 93), [244, 244, 244], "1A1C2C"]).colors == COLORS
        palette = load_palette("c64")
        assert load_palette(palette) is palette
        np.testing.assert_array_equal((palette.tensor.numpy() * 255).round(), palette.array)

    @pytest.mark.parametrize(
        ("colors", "message"),
        [
            ([], "0 different colours"),
            (["#123456"], "1 colour, but a palette has 2 to 256"),
            ([(i, j, 0) for i in range(2) for j in range(129)], "258 different colours"),
            (["#12345", "#ffffff"], "'#12345', but must be '#rrggbb'"),
            (["red", "#ffffff"], "'red'"),
            ([(0, 0, 256), (0, 0, 0)], r"\(0, 0, 256\)"),
            ([(0.5, 0, 0), (0, 0, 0)], r"\(0.5, 0, 0\)"),
        ],
    )
    def test_other_numbers_of_colours_and_what_is_no_colour(self, colors, message) -> None:
        with pytest.raises(SpriteError, match=message):
            Palette("mine", tuple(colors))

    def test_one_colour_by_itself(self) -> None:
        assert "is one colour" in refused("#ff0000")

    def test_other_suffixes_are_not_written(self, tmp_path: Path) -> None:
        with pytest.raises(SpriteError, match=r"written as \.gpl or \.hex"):
            load_palette("c64").save(tmp_path / "p.pal")
