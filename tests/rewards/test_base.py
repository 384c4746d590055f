"""The convention: what goes in, what comes out, and several rewards together."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest
import torch
from PIL import Image

from sprite_diffusers.errors import SpriteError
from sprite_diffusers.rewards import (
    ImageReward,
    PaletteFitReward,
    Reward,
    SymmetryReward,
    gather_rewards,
)


class Brightness(ImageReward):
    """Mean value, of images whose column ``counts`` is not False; remembers the batches it saw."""

    def __init__(self, **options):
        super().__init__("brightness", **options)
        self.batches: list = []

    def applies(self, image, prompt, **metadata):
        return metadata.get("counts", True)

    def measure(self, images, prompts, **metadata):
        self.batches.append((tuple(images.shape), prompts, metadata))
        return images.mean(dim=(1, 2, 3)).tolist()


def test_batches_of_one_size_in_the_order_given():
    reward = Brightness(batch_size=2)
    shades = [0, 51, 102, 153, 204]
    sizes = [(4, 4), (6, 4), (4, 4), (4, 4), (4, 4)]
    images = [Image.new("RGB", size, (shade,) * 3) for shade, size in zip(shades, sizes, strict=True)]
    values = reward(images=images, prompts=list("abcde"), counts=[True, True, True, False, True], kind="x")
    assert values == [0, pytest.approx(0.2), pytest.approx(0.4), None, pytest.approx(0.8)]
    assert reward.batches == [
        ((2, 3, 4, 4), ["a", "c"], {"counts": [True, True], "kind": "x"}),
        ((1, 3, 4, 4), ["e"], {"counts": [True], "kind": "x"}),
        ((1, 3, 4, 6), ["b"], {"counts": [True], "kind": "x"}),
    ]
    assert isinstance(reward, Reward)


def test_pictures_of_all_modes():
    gray = Image.new("L", (2, 2), 51)
    palette = Image.new("RGB", (2, 2), (51, 51, 51)).convert("P")
    clear = Image.new("RGBA", (2, 2), (255, 255, 255, 51))
    assert Brightness(background="black")(images=[gray, palette, clear]) == pytest.approx([0.2] * 3, abs=0.01)


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (torch.rand(2, 3, 4, 4) * 2 - 1, r"from 0 to 1, but these are from -"),
        (torch.full((1, 3, 4, 4), float("nan")), "from 0 to 1, but these are from nan"),
        (torch.zeros(2, 3, 4, 4, dtype=torch.uint8), "not torch.uint8"),
        (torch.zeros(3, 4, 4), "not torch.float32"),
        (torch.zeros(1, 1, 4, 4), r"\(1, 1, 4, 4\)"),
        (np.zeros((1, 4, 4, 3), np.uint8), "not ndarray"),
        (Image.new("RGB", (2, 2)), "not Image"),
        (torch.rand(2, 4, 4, 4), "'brightness' does not see transparency"),
    ],
)
def test_images_in_another_form(images, message):
    with pytest.raises(SpriteError, match=message):
        Brightness()(images=images, prompts=None)


def test_lengths_must_agree():
    with pytest.raises(SpriteError, match="2 images but 1 prompts"):
        Brightness()(images=torch.rand(2, 3, 4, 4), prompts=["a"])
    with pytest.raises(SpriteError, match="2 images but 3 prompts"):
        SymmetryReward().score(torch.rand(2, 3, 4, 4), ["a", "b", "c"])


def plain(images, prompts, **columns):
    return [float(len(prompt)) for prompt in prompts]


def test_gather_runs_all_and_awaits_together():
    """Two that wait for each other would hang if they were not awaited together."""
    events: dict[str, asyncio.Event] = {}

    async def first(images, prompts, **columns):
        events["first"] = asyncio.Event()
        await asyncio.wait_for(events["first"].wait(), 10)
        return [1.0] * len(images)

    async def second(images, prompts, **columns):
        while "first" not in events:
            await asyncio.sleep(0)
        events["first"].set()
        return [None, 2, np.float32(0.5)]

    arguments = {"images": torch.rand(3, 3, 4, 4), "prompts": ["a", "bb", ""]}
    expected = {"first": [1.0, 1.0, 1.0], "plain": [1.0, 2.0, 0.0], "second": [None, 2.0, 0.5]}
    found = gather_rewards([first, plain, second], **arguments)
    assert found == expected
    assert list(found) == list(expected)

    async def within_a_loop():
        events.clear()
        return gather_rewards([first, plain, second], **arguments)

    assert asyncio.run(within_a_loop()) == expected


def failing(images, prompts, **columns):
    raise KeyError("no such thing")


async def failing_later(images, prompts, **columns):
    raise KeyError("no such thing")


@pytest.mark.parametrize(
    ("rewards", "message"),
    [
        ([plain, failing], "'failing' failed .KeyError"),
        ([plain, failing_later], "'failing_later' failed .KeyError"),
        ([lambda **_: [1.0]], "returned 1 values for 2 images"),
        ([lambda **_: 1.0], "returned a float for 2 images"),
        ([lambda **_: [1.0, float("nan")]], "returned nan for image 1"),
        ([lambda **_: ["a", 1]], "returned 'a' for image 0"),
        ([plain, plain], "'plain' more than once"),
        ([], "there is none"),
    ],
)
def test_gather_says_what_is_wrong(rewards, message):
    with pytest.raises(SpriteError, match=message):
        gather_rewards(rewards, torch.rand(2, 3, 4, 4), ["a", "b"])


def test_tensors_are_values_too():
    assert gather_rewards([lambda **_: torch.tensor([1.0, 2.0])], torch.rand(2, 3, 4, 4)) == {"<lambda>": [1.0, 2.0]}


def test_names_tell_two_of_a_kind_apart():
    rewards = [PaletteFitReward(["red"]), PaletteFitReward(["blue"], name="blueness")]
    found = gather_rewards(rewards, torch.tensor([0.0, 0.0, 1.0])[None, :, None, None].expand(1, 3, 4, 4))
    assert found["blueness"] == [1.0]
    assert found["palette_fit"] == [pytest.approx(1 - (2 / 3) ** 0.5)]
