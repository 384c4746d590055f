"""Colours of the ``sample`` command, and ``pixelate``."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from sprite_diffusers import hub
from sprite_diffusers.data.synthetic import generate
from sprite_diffusers.pixels import load_palette

PICO_8 = set(load_palette("pico-8").colors)


@pytest.fixture
def sample(run, class_cond, tmp_path):
    """Draws four sprites with further flags, and returns them as arrays, or the error if there is one."""
    hub.export(class_cond, tmp_path / "model")

    def sample(*flags):
        arguments = [
            "sample",
            tmp_path / "model",
            "--class",
            "food",
            "--num",
            4,
            "--scale",
            1,
            "--out",
            tmp_path / "g.png",
        ]
        code, _, error = run(*arguments, "--separate", tmp_path / "each", *flags)
        if code:
            return error
        return np.stack([np.asarray(Image.open(path)) for path in sorted((tmp_path / "each").iterdir())])

    return sample


def visible(pixels: np.ndarray) -> set[tuple[int, ...]]:
    flat = pixels.reshape(-1, pixels.shape[-1])
    flat = flat[flat[:, 3] > 0] if flat.shape[1] == 4 else flat
    return set(map(tuple, flat[:, :3].tolist()))


def test_samples_in_a_palette_cleaned_and_outlined(sample):
    plain = sample("--palette", "pico-8")
    assert plain.shape == (4, 8, 8, 4)
    assert visible(plain) <= PICO_8
    clean = sample("--palette", "pico-8", "--clean", "--num_colors", 4)
    assert all(len(visible(image)) <= 4 for image in clean)
    lined = sample("--palette", "pico-8", "--outline", "#010101")
    assert visible(lined) <= PICO_8
    new = (plain[..., 3] == 0) & (lined[..., 3] > 0)
    assert new.any()
    assert visible(lined[new][None]) == {(0, 0, 0)}  # the nearest to the line's colour


def test_backgrounds_and_colours_of_ones_own(sample, tmp_path):
    on_red = sample("--palette", "#000000", "#ffffff", "--background", "white")
    assert on_red.shape == (4, 8, 8, 3)
    assert visible(on_red) <= {(0, 0, 0), (255, 255, 255)}
    (tmp_path / "p.hex").write_text("102030\na0b0c0\n")
    both = sample("--palette", tmp_path / "p.hex", "--outline", "black", "--background", "white")
    assert visible(both) <= {(16, 32, 48), (160, 176, 192)}


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--palette", "pico8x"], "did you mean 'pico-8'"),
        (["--palette", "#ff0000"], "'#ff0000' is one colour"),
        (["--palette", "#ff0000", "blue"], "'blue', but must be '#rrggbb'"),
        (["--num_colors", 1], "--num_colors is 1, but must be 2 to 256"),
        (["--background", "nocolor"], "--background 'nocolor' is no colour"),
        (["--outline", "nocolor"], "--outline 'nocolor' is no colour"),
    ],
)
def test_bad_flags_of_sample(sample, flags, message):
    error = sample(*flags)
    assert message in error
    assert error.count("\n") == 1


def test_models_without_alpha_have_no_outline_or_background(run, unconditional, tmp_path):
    hub.export(unconditional, tmp_path / "model")
    for flag in ("--outline", "--background"):
        code, _, error = run("sample", tmp_path / "model", "--num", 1, "--out", tmp_path / "g.png", flag, "black")
        assert code == 2
        assert "transparency" in error


def test_pixelate_brings_pictures_back_to_their_pixels(run, tmp_path):
    sprite = generate(1, size=16)["pixels"][0]
    large = Image.fromarray(sprite).resize((80, 80), 0)
    large.save(tmp_path / "exact.png")
    on_white = Image.alpha_composite(Image.new("RGBA", large.size, "white"), large).convert("RGB")
    on_white.save(tmp_path / "lossy.jpg", quality=85)
    out = tmp_path / "new" / "out"
    code, text, _ = run("pixelate", tmp_path / "exact.png", tmp_path / "lossy.jpg", "--out", out)
    assert code == 0
    assert "exact.png: 80x80 is enlarged 5 times, now 16x16" in text
    assert "lossy.jpg: 80x80 is enlarged 5 times, now 16x16" in text
    np.testing.assert_array_equal(np.asarray(Image.open(out / "exact.png")), sprite)
    assert Image.open(out / "lossy.png").mode == "RGB"

    flags = ["--palette", "pico-8", "--outline", "black", "--clean", "--background", "white"]
    assert run("pixelate", tmp_path / "exact.png", "--out", out, *flags)[0] == 0
    assert visible(np.asarray(Image.open(out / "exact.png"))) <= PICO_8
    assert run("pixelate", tmp_path / "lossy.jpg", "--out", out, "--num_colors", 6)[0] == 0
    assert len(visible(np.asarray(Image.open(out / "lossy.png")))) <= 6


def test_pixelate_leaves_the_size_of_other_pictures_and_takes_a_factor(run, tmp_path):
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 40, 3), np.uint8)).save(tmp_path / "a.png")
    code, text, _ = run("pixelate", tmp_path / "a.png", "--out", tmp_path / "out", "--palette", "gameboy", "--dither")
    assert code == 0
    assert "no grid of enlarged pixels, still 40x40, 4 colours" in text
    run("pixelate", tmp_path / "a.png", "--out", tmp_path / "out", "--factor", 4)
    assert Image.open(tmp_path / "out" / "a.png").size == (10, 10)


def test_bad_flags_of_pixelate_write_nothing(run, tmp_path):
    (tmp_path / "b").mkdir()
    for name in ("a.png", "b/a.png"):
        Image.new("RGB", (8, 8)).save(tmp_path / name)
    (tmp_path / "broken.png").write_bytes(b"nothing")
    a, out = tmp_path / "a.png", tmp_path / "out"
    for arguments, message in (
        ([a, tmp_path / "b" / "a.png", "--out", out], "another picture is called a too"),
        ([a, "--out", tmp_path], "would be overwritten"),
        ([a, tmp_path / "broken.png", "--out", out], "cannot be read as a picture"),
        ([a, tmp_path / "nothing.png", "--out", out], "cannot be read as a picture (FileNotFoundError)"),
        ([a, "--out", out, "--factor", 0], "--factor 0 is too small"),
        ([a, "--out", out, "--dither"], "give --palette"),
        ([a, "--out", out, "--outline", "black"], "no transparency"),
        ([a, "--out", out, "--palette", "no-such"], "unknown palette"),
    ):
        code, _, error = run("pixelate", *arguments)
        assert code == 2, message
        assert message in error
        assert not out.exists() or not list(out.iterdir())
    assert Image.open(a).size == (8, 8)
