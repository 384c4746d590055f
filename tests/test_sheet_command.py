"""``sprite-diffusers sheet``."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sprite_diffusers import hub
from sprite_diffusers.sheets import FORMATS, read_sheet

from .pipelines import pokemon


@pytest.fixture
def run_sheet(run, monkeypatch, tmp_path):
    """Runs ``sprite-diffusers sheet`` in an empty folder; returns its exit code, output and error output."""
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    return lambda *args: run("sheet", *args)


@pytest.fixture
def model(class_cond, tmp_path):
    return hub.export(class_cond, tmp_path / "model")


def frames(path) -> np.ndarray:
    return read_sheet(path).frames


def test_a_sheet_of_the_embedded_sprites(run_sheet, tmp_path):
    code, out, err = run_sheet("synthetic", "--num", 10, "--out", "new/s.png", "--formats", *FORMATS, "--padding", 1)
    assert code == 0, err
    assert "10 frames of 16x16 in a sheet of 35x86: new/s.png" in out
    assert "human 0-1" in out
    names = {path.name for path in (tmp_path / "work" / "new").iterdir()}
    assert {"s.png", "s.json", "s.array.json", "s.tres", "s.unity.json", "s.gif", "s.webp"} < names
    assert len(names) == 7 + 10
    expected = frames("new/s.json")
    for name in ("s.tres", "s.unity.json", "s.webp"):
        np.testing.assert_array_equal(frames(f"new/{name}"), expected)


def test_flags_change_the_sheet(run_sheet):
    run_sheet("synthetic", "--num", 5, "--out", "a.png")
    code, _, err = run_sheet(
        "a.json", "--out", "b.png", "--scale", 2, "--duration", 70, "--tags", "walk:0-2:pingpong", "end:4",
        "--pivot", "bottom", "--frame_size", "16x20", "--columns", 5, "--power_of_two",
    )  # fmt: skip
    assert code == 0, err
    before, after = read_sheet("a.json"), read_sheet("b.json")
    np.testing.assert_array_equal(after.frames[:, 8::2, ::2], before.frames)
    assert after.frame_size == (32, 40)
    assert after.pivot == (16, 40)
    assert set(after.durations) == {70}
    assert [(tag.name, tag.start, tag.stop, tag.direction) for tag in after.tags] == [
        ("walk", 0, 2, "pingpong"),
        ("end", 4, 4, "forward"),
    ]
    assert Image.open("b.png").size == (256, 64)


def test_animations_and_grids(run_sheet):
    run_sheet("synthetic", "--num", 5, "--out", "a.png", "--formats", "gif", "--columns", 1)
    assert run_sheet("a.gif", "--out", "b.png")[0] == 0
    assert run_sheet("a.png", "--frame_size", 16, "--out", "c.png")[0] == 0
    np.testing.assert_array_equal(frames("b.json"), frames("c.json"))


def test_a_model_draws_what_sample_draws(run_sheet, model, class_cond):
    arguments = ["--model", model, "--class", "food", 0, "--num", 2, "--seed", 7, "--guidance_scale", 1]
    code, out, err = run_sheet(*arguments)
    assert code == 0, err
    assert "4 frames of 8x8" in out
    assert "animations: food 0-1, human 2-3" in out
    import torch

    generators = [torch.Generator().manual_seed(seed) for seed in (7, 8, 9, 10)]
    images = class_cond(["food", "food", "human", "human"], generator=generators).images
    np.testing.assert_array_equal(frames("sheet.json"), np.stack([np.asarray(image) for image in images]))
    assert list(json.loads(Path("sheet.json").read_text())["frames"]) == ["food 0", "food 1", "human 2", "human 3"]


def test_a_model_animates(run_sheet, model):
    still = ["--model", model, "--class", "food", "--num", 2, "--seed", 3]
    run_sheet(*still, "--out", "still.png")
    sprites = frames("still.json")
    code, _, err = run_sheet(*still, "--out", "d.png", "--animate", "denoising", "--frames", 2, "--batch_size", 1)
    assert code == 0, err
    sheet = read_sheet("d.json")
    assert [(tag.name, tag.start, tag.stop) for tag in sheet.tags] == [("food 0", 0, 1), ("food 1", 2, 3)]
    assert abs(sheet.frames[1::2].astype(int) - sprites).max() <= 1
    code, _, err = run_sheet(
        *still, "--out", "i.png", "--animate", "interpolation", "--frames", 3, "--formats", "webp"
    )
    assert code == 0, err
    assert abs(frames("i.webp")[::3].astype(int) - sprites).max() <= 1


def test_colours_of_a_palette_in_every_frame(run_sheet, model):
    arguments = ["--model", model, "--class", "food", "--num", 2, "--palette", "gameboy", "--frames", 3]
    for animate in ("denoising", "interpolation"):
        code, _, err = run_sheet(*arguments, "--animate", animate, "--formats", "gif")
        assert code == 0, err
        pixels = frames("sheet.gif").reshape(-1, 4)
        assert len(np.unique(pixels[pixels[:, 3] > 0], axis=0)) <= 4
        assert set(np.unique(pixels[:, 3])) <= {0, 255}


def test_other_models(run_sheet, unconditional, tmp_path):
    hub.export(unconditional, tmp_path / "plain")
    hub.export(pokemon.pipeline(), tmp_path / "text")
    assert run_sheet("--model", tmp_path / "plain", "--num", 2)[0] == 0
    assert read_sheet("sheet.json").names == ("sprite 0", "sprite 1")
    arguments = ["--model", tmp_path / "text", "--prompt", "a fox", "a bat", "--num", 1, "--frames", 2]
    assert run_sheet(*arguments, "--animate", "interpolation", "--transparent")[0] == 0
    assert len(read_sheet("sheet.json")) == 4


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "give either SOURCE or --model"),
        (["synthetic", "--model", "MODEL"], "give either SOURCE or --model"),
        (["synthetic", "--class", "food"], "belongs to --model"),
        (["synthetic", "--animate", "denoising"], "belongs to --model"),
        (["synthetic", "--palette", "pico-8"], "--palette ['pico-8']: belongs to --model"),
        (["--model", "MODEL", "--palette", "nowhere"], "nowhere"),
        (["synthetic", "--frames", "3"], "belongs to --animate"),
        (["synthetic", "--num", "0"], "--num 0 is too few"),
        (["synthetic", "--out", "s.gif"], "a sheet is a .png file"),
        (["synthetic", "--formats", "spine"], "--formats spine: allowed are aseprite-hash"),
        (["synthetic", "--columns", "0"], "0 columns"),
        (["synthetic", "--duration", "0"], "lasts 0 ms"),
        (["synthetic", "--pivot", "middle"], "'middle' is no pivot"),
        (["synthetic", "--pivot", "17,0"], "the pivot 17,0 is outside an image of 16x16"),
        (["synthetic", "--frame_size", "8"], "8x8 are too small"),
        (["synthetic", "--frame_size", "0"], "'0' is no size"),
        (["synthetic", "--tags", "walk"], "'walk' is no animation"),
        (["synthetic", "--tags", "walk:0-99"], "from frame 0 to 99"),
        (["nowhere"], "no data at 'nowhere'"),
        (["nowhere.png"], "there is no sheet 'nowhere.png'"),
        (["--model", "MODEL", "--class", "fod"], "Did you mean 'food'?"),
        (["--model", "MODEL", "--sheet_json", "x.json"], "belongs to SOURCE"),
        (["--model", "MODEL", "--num", "1", "--class", "food", "--animate", "interpolation"], "1 sprites by 8 frames"),
    ],
)
def test_mistakes_are_one_line_and_write_nothing(run_sheet, model, tmp_path, arguments, message):
    code, out, err = run_sheet(*[str(model) if argument == "MODEL" else argument for argument in arguments])
    assert (code, out) == (2, "")
    (line,) = [line for line in err.splitlines() if line.startswith("error:")]
    assert message in line
    assert list((tmp_path / "work").iterdir()) == []


def test_help_explains(run_sheet):
    code, out, _ = run_sheet("--help")
    assert code == 0
    assert "examples:" in out
