"""What spoils sprites: exactly as strong as asked, from the generator alone, in RGB and RGBA."""

from __future__ import annotations

import pytest
import torch

from sprite_diffusers.data.degradations import DEGRADATIONS, degrade, degrade_at_random
from sprite_diffusers.errors import SpriteError


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module")
def sprites() -> torch.Tensor:
    """64 RGB sprites of 16x16: blocks of two colours on white, with a black outline."""
    pixels = torch.full((64, 16, 16, 3), 255, dtype=torch.uint8)
    pixels[:, 3:13, 4:12] = 0
    colors = torch.randint(40, 200, (2, 64, 1, 1, 3), generator=generator(), dtype=torch.uint8)
    pixels[:, 4:8, 5:11], pixels[:, 8:12, 5:11] = colors[0], colors[1]
    return pixels


def transparent(sprites: torch.Tensor) -> torch.Tensor:
    """The same, cut out: white becomes transparent."""
    alpha = (sprites != 255).any(dim=3, keepdim=True).to(torch.uint8) * 255
    return torch.cat([sprites * (alpha > 0), alpha], dim=3)


def change(first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
    """Mean absolute difference of each image, in levels."""
    return (first.float() - second.float()).abs().mean(dim=(1, 2, 3))


@pytest.mark.parametrize("name", DEGRADATIONS)
@pytest.mark.parametrize("alpha", [False, True])
def test_more_strength_is_more_damage(name, alpha, sprites):
    pixels = transparent(sprites) if alpha else sprites
    before = pixels.clone()
    means = []
    for strength in (0.1, 0.5, 1.0):
        spoilt = degrade(pixels, name, strength, generator(1))
        assert (spoilt.dtype, spoilt.shape) == (torch.uint8, pixels.shape)
        means.append(float(change(spoilt, pixels).mean()))
    assert 0 < means[0] < means[1] < means[2] or name == "resize"  # the grid that 15 of 16 pixels make hurts most
    assert means[2] > 2
    assert torch.equal(pixels, before)
    assert torch.equal(degrade(pixels, name, 0.0, generator()), pixels)


@pytest.mark.parametrize("name", DEGRADATIONS)
def test_each_has_its_own_strength_and_the_generator_is_all_there_is(name, sprites):
    strengths = torch.linspace(0, 1, len(sprites))
    first = degrade(sprites, name, strengths, generator(3))
    assert torch.equal(first, degrade(sprites, name, strengths, generator(3)))
    assert torch.equal(first[0], sprites[0])
    assert change(first, sprites)[-16:].mean() > change(first, sprites)[:16].mean()


def test_what_they_do(sprites):
    orphans = degrade(sprites, "orphans", 0.5, generator())
    assert ((orphans != sprites).any(dim=3).sum(dim=(1, 2)) == round(0.06 * 256)).all()
    lost = degrade(sprites, "dropout", 1.0, generator())
    assert (lost[(lost != sprites).any(dim=3)] == 255).all()  # nothing but background takes its place
    smeared = degrade(sprites, "smear", 1.0, generator())
    for before, after in zip(sprites, smeared, strict=True):
        colors = {tuple(color) for color in before.flatten(0, 1).tolist()}
        assert {tuple(color) for color in after.flatten(0, 1).tolist()} <= colors  # no new colour
    ramp = torch.arange(16, dtype=torch.uint8)[None, None, :, None].mul(10).expand(1, 16, 16, 3)
    moved = degrade(ramp, "shift", 1.0, generator()).int() - ramp.int()
    assert set(moved[0, :, 1:-1].abs().flatten().tolist()) == {5}  # half a pixel of a slope of 10


def test_transparent_pixels_stay_clean(sprites):
    pixels = transparent(sprites)
    for name in DEGRADATIONS:
        spoilt = degrade(pixels, name, 1.0, generator())
        assert (spoilt[spoilt[..., 3] == 0] == 0).all()
    for name in ("noise", "off_palette", "jpeg"):
        assert torch.equal(degrade(pixels, name, 1.0, generator())[..., 3], pixels[..., 3])


def test_a_draw_of_some(sprites):
    strengths = torch.full((len(sprites),), 0.5)
    mixed = degrade_at_random(sprites, ["dropout", "orphans"], strengths, generator())
    only_background = [
        bool((after[(after != before).any(2)] == 255).all()) for before, after in zip(sprites, mixed, strict=True)
    ]
    assert 16 < sum(only_background) < 48
    assert torch.equal(mixed, degrade_at_random(sprites, ["dropout", "orphans"], strengths, generator()))
    assert len(degrade(sprites[:0], "blur", 0.5, generator())) == 0


@pytest.mark.parametrize(
    ("name", "strength", "message"),
    [
        ("rust", 0.5, "the degradation 'rust' is unknown: give one of blur, resize"),
        ("blur", 1.5, "the strength of 'blur' is from 1.5 to 1.5, but must be from 0 to 1"),
        ("blur", float("nan"), "the strength of 'blur' is from nan to nan"),
    ],
)
def test_what_cannot_be(name, strength, message, sprites):
    with pytest.raises(SpriteError) as error:
        degrade(sprites, name, strength, generator())
    assert message in str(error.value)
    with pytest.raises(SpriteError, match=r"pixels are torch\.float32"):
        degrade(sprites.float(), "blur", 0.5, generator())
