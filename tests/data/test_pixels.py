import numpy as np
import pytest
import torch
from PIL import Image

from sprite_diffusers.data import composite, from_tensor, make_grid, premultiply, resize, to_tensor, unpremultiply
from sprite_diffusers.errors import SpriteError


def random_rgba(count: int, size: int, binary: bool, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, 256, (count, size, size, 4), np.uint8)
    if binary:
        pixels[..., 3] = np.where(pixels[..., 3] > 127, 255, 0)
    return np.where(pixels[..., 3:] > 0, pixels, 0).astype(np.uint8)


def test_to_tensor_gives_premultiplied_channels_first() -> None:
    pixels = np.array([[[[255, 0, 51, 255], [255, 255, 255, 0], [255, 0, 0, 51]]]], np.uint8)
    x = to_tensor(pixels)
    assert x.dtype == torch.float32
    assert x.shape == (1, 4, 1, 3)
    assert x[0, :, 0, 0].tolist() == pytest.approx([1.0, -1.0, -0.6, 1.0], abs=1e-6)
    assert x[0, :, 0, 1].tolist() == [-1.0] * 4
    assert x[0, :, 0, 2].tolist() == pytest.approx([-0.6, -1.0, -1.0, -0.6], abs=1e-6)


def test_to_tensor_composites_on_a_background() -> None:
    pixels = np.array([[[[10, 20, 30, 0], [10, 20, 30, 255]]]], np.uint8)
    x = to_tensor(pixels, background="white")
    assert x.shape == (1, 3, 1, 2)
    assert x[0, :, 0, 0].tolist() == [1.0, 1.0, 1.0]
    assert from_tensor(x)[0, 0, 1].tolist() == [10, 20, 30]


@pytest.mark.parametrize("binary", [True, False])
def test_tensor_round_trip_is_exact_for_rgba(binary: bool) -> None:
    pixels = random_rgba(64, 16, binary)
    assert np.array_equal(from_tensor(to_tensor(pixels), binary_alpha=binary), pixels)


def test_tensor_round_trip_is_exact_for_every_rgb_value() -> None:
    pixels = np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1).repeat(3, axis=3)
    assert np.array_equal(from_tensor(to_tensor(pixels)), pixels)


def test_from_tensor_thresholds_alpha_and_keeps_the_straight_colour() -> None:
    unit = torch.tensor([[0.45, 0.45, 0.0, 0.6], [0.3, 0.0, 0.0, 0.4]])  # premultiplied, alpha last
    x = (unit * 2 - 1).reshape(1, 1, 2, 4).permute(0, 3, 1, 2)
    assert from_tensor(x)[0, 0].tolist() == [[191, 191, 0, 255], [0, 0, 0, 0]]
    assert from_tensor(x, binary_alpha=False)[0, 0].tolist() == [[191, 191, 0, 153], [191, 0, 0, 102]]


def test_from_tensor_clips_and_rejects_other_shapes() -> None:
    assert from_tensor(torch.full((1, 3, 1, 1), 7.0)).tolist() == [[[[255, 255, 255]]]]
    with pytest.raises(SpriteError, match=r"\(1, 2, 4, 4\).*\(N, 1, 3 or 4, H, W\)"):
        from_tensor(torch.zeros(1, 2, 4, 4))


def test_premultiply_and_back() -> None:
    pixels = random_rgba(8, 16, binary=False)
    assert premultiply(np.array([[200, 100, 0, 51]], np.uint8))[0].tolist() == pytest.approx(
        [200 / 255 * 0.2, 100 / 255 * 0.2, 0, 0.2], abs=1e-6
    )
    assert np.array_equal(unpremultiply(premultiply(pixels)), pixels)


def test_composite_rounds_once_halves_up() -> None:
    pixels = np.array([[[[0, 100, 255, 128], [9, 9, 9, 0], [9, 9, 9, 255]]]], np.uint8)
    # 255 * 127 / 255 = 127; (100 * 128 + 255 * 127) / 255 = 177.196; 255
    assert composite(pixels, "white")[0, 0].tolist() == [[127, 177, 255], [255, 255, 255], [9, 9, 9]]
    assert composite(pixels, "#000")[0, 0].tolist() == [[0, 50, 128], [0, 0, 0], [9, 9, 9]]


def test_box_means_are_exact_and_round_half_away() -> None:
    block = np.array([[0, 1], [0, 1]], np.uint8)  # mean 0.5
    pixels = np.stack([block, block * 3, block * 5], axis=-1)[None]  # 0.5, 1.5, 2.5
    assert resize(pixels, 1)[0, 0, 0].tolist() == [1, 2, 3]


def test_box_does_not_bleed_the_colour_of_transparent_pixels() -> None:
    pixels = np.array([[[[200, 0, 0, 255], [0, 255, 0, 0]], [[200, 0, 0, 255], [0, 255, 0, 0]]]], np.uint8)
    assert resize(pixels, 1)[0, 0, 0].tolist() == [200, 0, 0, 128]
    assert resize(pixels, 1, background="white")[0, 0, 0].tolist() == [228, 128, 128]  # 227.5, 127.5, 127.5


def test_box_matches_a_float64_reference() -> None:
    pixels = random_rgba(4, 32, binary=False, seed=3)
    unit = pixels.astype(np.float64)
    weighted = (unit[..., :3] * unit[..., 3:]).reshape(4, 8, 4, 8, 4, 3).mean(axis=(2, 4))
    alpha = unit[..., 3:].reshape(4, 8, 4, 8, 4, 1).mean(axis=(2, 4))
    expected = np.concatenate([weighted / alpha, alpha], axis=-1)
    assert np.abs(resize(pixels, 8).astype(np.float64) - expected).max() <= 0.5 + 1e-9
    on_grey = weighted / 255 + 100 * (1 - alpha / 255)
    assert np.abs(resize(pixels, 8, background="#646464") - on_grey).max() <= 0.5 + 1e-9


def test_resize_up_repeats_pixels_and_clears_invisible_colour() -> None:
    pixels = np.array([[[[1, 2, 3, 255], [9, 9, 9, 0]], [[0, 0, 0, 255], [4, 5, 6, 255]]]], np.uint8)
    grown = resize(pixels, 6)
    assert grown.shape == (1, 6, 6, 4)
    assert (grown[0, :3, :3] == [1, 2, 3, 255]).all()
    assert (grown[0, :3, 3:] == 0).all()
    assert np.array_equal(resize(grown, 2), np.where(pixels[..., 3:] > 0, pixels, 0))


@pytest.mark.parametrize(
    ("height", "width", "size", "inner"),
    [(12, 12, 16, 12), (16, 12, 16, 12), (20, 20, 64, 40), (24, 24, 16, 12), (5, 3, 16, 6)],
)
def test_other_sizes_are_padded_in_the_centre(height: int, width: int, size: int, inner: int) -> None:
    pixels = np.full((1, height, width, 4), 255, np.uint8)
    opaque = resize(pixels, size)[0, ..., 3] == 255
    assert resize(pixels, size).shape == (1, size, size, 4)
    columns = np.flatnonzero(opaque.any(axis=0))
    assert len(columns) == inner
    assert abs(columns[0] - (size - 1 - columns[-1])) <= size / min(
        size, max(height, width)
    )  # centred, to a source pixel


def test_a_nearer_smaller_size_is_cropped_to_only_if_the_border_is_empty() -> None:
    pixels = np.zeros((2, 18, 18, 4), np.uint8)
    pixels[:, 1:17, 1:17] = 255
    assert (resize(pixels, 16) == 255).all()  # cropped: nothing but the empty border is lost
    pixels[1, 0, 0] = 255
    padded = resize(pixels, 16)  # one image would lose a pixel, so both are padded to 32 and halved
    assert (padded[:, 4:12, 4:12] == 255).all()
    assert (padded[0, :3] == 0).all()
    on_black = np.zeros((1, 18, 18, 3), np.uint8)
    on_black[:, 1:17, 1:17] = 7
    assert (resize(on_black, 16, background="black") == 7).all()
    assert not (resize(on_black, 16) == 7).all()  # the border is not the default white


def test_rgb_is_padded_with_the_background() -> None:
    padded = resize(np.full((1, 2, 2, 3), 5, np.uint8), 4, background="#0000ff")
    assert padded[0, 0, 0].tolist() == [5, 5, 5]  # 2 divides 4: no padding
    padded = resize(np.full((1, 3, 3, 3), 5, np.uint8), 4, background="#0000ff")
    assert padded[0, 3, 3].tolist() == [0, 0, 255]
    assert (padded[0, :3, :3] == 5).all()


def test_bad_pixels_sizes_and_colours_are_named() -> None:
    with pytest.raises(SpriteError, match=r"float64 of shape \(1, 4, 4, 3\); allowed is uint8"):
        to_tensor(np.zeros((1, 4, 4, 3)))
    with pytest.raises(SpriteError, match="image size 0"):
        resize(np.zeros((1, 4, 4, 3), np.uint8), 0)
    for background in ("transparent-ish", "#12", "#ffffff80"):
        with pytest.raises(SpriteError, match=f"{background}.*--background"):
            composite(np.zeros((1, 4, 4, 4), np.uint8), background)


def test_grid_places_scales_and_shows_transparency() -> None:
    red = np.full((4, 4, 3), (255, 0, 0), np.uint8)
    clear = np.zeros((4, 4, 4), np.uint8)
    sheet = make_grid([red, Image.fromarray(clear), red], columns=2, scale=3, padding=1)
    assert sheet.mode == "RGB"
    assert sheet.size == (3 * 11, 3 * 11)
    pixels = np.asarray(sheet)
    assert (pixels[3:15, 3:15] == (255, 0, 0)).all()
    assert (pixels[:3] == 255).all()
    assert (pixels[3:15, 18:30] == 255).all()  # 4 pixels are one square of the checkerboard
    assert (pixels[18:30, 3:15] == (255, 0, 0)).all()
    on_black = np.asarray(make_grid([clear], background="black", padding=0))
    assert (on_black == 0).all()
    checker = np.asarray(make_grid([np.zeros((8, 8, 4), np.uint8)], padding=0))
    assert checker[0, 0].tolist() != checker[0, 4].tolist()
    assert checker[0, 0].tolist() == checker[4, 4].tolist()


def test_grid_is_as_square_as_possible_and_takes_row_labels() -> None:
    images = [np.zeros((8, 8), np.uint8)] * 5
    plain = make_grid(images)
    assert plain.size == (3 * 9 + 1, 2 * 9 + 1)
    labelled = make_grid(images, scale=2, row_labels=["food", "spell"])
    assert labelled.height == 2 * plain.height
    margin = np.asarray(labelled)[:, : labelled.width - 2 * plain.width]
    assert (margin[:19] < 128).any()
    assert (margin[19:] < 128).any()
    with pytest.raises(SpriteError, match="1 row_labels for a grid of 2 rows"):
        make_grid(images, row_labels=["food"])
    with pytest.raises(SpriteError, match="grid of 0 images"):
        make_grid([])
    with pytest.raises(SpriteError, match=r"float64 \(8, 8\)"):
        make_grid([np.zeros((8, 8))])
