"""Training a CLIP: what it learns, what it notes, and what it is given."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from sprite_diffusers.data import SpriteArrays
from sprite_diffusers.errors import SpriteError
from sprite_diffusers.models.autoencoders import FACTS_FILE
from sprite_diffusers.models.clip import load_clip
from sprite_diffusers.trainers.clip import ClipConfig, ClipSettings, ClipTrainer, contrastive_loss, fit_clip
from sprite_diffusers.trainers.clip_data import ClipDataConfig, PairAugmentation, clip_splits, load_clip_data

from .tiny import loop

COLORS = {"red": (220, 30, 30), "green": (30, 200, 30), "blue": (30, 30, 220), "yellow": (230, 220, 30),
          "grey": (128, 128, 128), "black": (20, 20, 20)}  # fmt: skip
SHAPES = ("block", "bar", "pillar", "dot")


@pytest.fixture(scope="module")
def captioned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """240 sprites of 16x16, each a colour and a shape with a description of both."""
    folder = tmp_path_factory.mktemp("captioned")
    rng, lines = np.random.default_rng(0), ["name; description"]
    for index in range(240):
        color, shape = list(COLORS)[index % 6], SHAPES[index // 6 % 4]
        pixels = np.zeros((16, 16, 4), np.uint8)
        top, left = rng.integers(1, 5, 2)
        height, width = {"block": (9, 9), "bar": (3, 10), "pillar": (10, 3), "dot": (3, 3)}[shape]
        shade = rng.integers(-20, 20, 3)
        pixels[top : top + height, left : left + width, :3] = np.clip(np.array(COLORS[color]) + shade, 0, 255)
        pixels[top : top + height, left : left + width, 3] = 255
        Image.fromarray(pixels).save(folder / f"{index}.png")
        lines.append(f"{index}; It is {color}. It has the shape of a {shape}. It lives in the woods.")
    (folder / "captions.csv").write_text("\n".join(lines))
    return folder


def settings(dataset: Path | str, output_dir: Path, data: dict | None = None, **options) -> ClipSettings:
    clip: dict[str, Any] = {"clip_image_size": 16, "vision_channels": [32], "text_hidden_size": 32, "max_length": 32,
                            "vocab_size": 200, "projection_dim": 32, "clip_dropout": 0.0}  # fmt: skip
    names = [name for name in options if name in ClipConfig.__dataclass_fields__]
    clip |= {name: options.pop(name) for name in names}
    trainer = loop(output_dir, **{"max_train_steps": 4, "train_batch_size": 32, **options})
    return ClipSettings(trainer, ClipDataConfig(dataset=str(dataset), **(data or {})), ClipConfig(**clip))


@pytest.mark.parametrize("architecture", ["dual_encoder", "clip"])
def test_it_learns_colours_and_shapes_and_is_found_again(architecture, captioned, in_tmp_path, capsys):
    chosen = settings(
        captioned, in_tmp_path / "out", {"max_sentences": 3}, architecture=architecture, max_train_steps=120
    )
    dataset = load_clip_data(chosen.data, 0)
    result = fit_clip(chosen, dataset)
    facts = json.loads((result.output_dir / FACTS_FILE).read_text())
    assert facts["data_fingerprint"] == dataset.report.fingerprint
    assert facts["retrieval"]["validation"]["r@1"] > 3 * facts["retrieval"]["validation"]["r@1_chance"]
    clip = load_clip(result.output_dir)
    clip.check_split(dataset.report.fingerprint)
    arrays = SpriteArrays.from_dataset(dataset["validation"])
    images = clip.image_features(torch.from_numpy(arrays.pixels).permute(0, 3, 1, 2).float() / 255)
    names = [f"It is {color}." for color in COLORS]
    guess = (images @ clip.text_features(names).T).argmax(1)
    right = [names[index][:-1] in text for index, text in zip(guess, arrays.texts, strict=True)]
    assert np.mean(right) > 1 / 3  # of six colours, twice what guessing would get
    assert "validation: R@1" in capsys.readouterr().out
    assert result.samples is not None
    with Image.open(result.samples) as grid:
        assert grid.width > 9 * 16


def test_the_held_out_images_are_not_trained_on(captioned, in_tmp_path):
    chosen = settings(captioned, in_tmp_path / "out")
    trainer = ClipTrainer(chosen, load_clip_data(chosen.data, 0))
    assert {name: len(split) for name, split in trainer.splits.items()} == {"train": 192, "validation": 36, "test": 12}
    assert set(trainer.held_out_figures()) == {"validation", "test"}
    weights = [tensor.clone() for tensor in trainer.clip.model.parameters()]
    trainer.splits["validation"].pixels.zero_()
    trainer.training_step(0).backward()
    first = [p.grad.clone() for p in trainer.clip.model.parameters() if p.grad is not None]
    trainer.clip.model.zero_grad()
    trainer.training_step(0).backward()  # depends on nothing but the number of the step
    second = [p.grad for p in trainer.clip.model.parameters() if p.grad is not None]
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))
    assert all(torch.equal(a, b) for a, b in zip(weights, trainer.clip.model.parameters(), strict=True))


def test_the_loss_is_the_symmetric_one():
    logits = torch.randn(5, 5, generator=torch.Generator().manual_seed(0))
    rows = -logits.log_softmax(1).diag().mean()
    columns = -logits.log_softmax(0).diag().mean()
    torch.testing.assert_close(contrastive_loss(logits, list("abcde")), (rows + columns) / 2)


def test_equal_captions_are_no_negatives():
    logits = torch.tensor([[2.0, 9, 0], [9, 2, 0], [0, 0, 2]])
    apart = contrastive_loss(logits, ["a red sword", "a red sword", "a cow"])
    sword, cow = np.log(1 + np.exp(-2.0)), np.log(1 + 2 * np.exp(-2.0))  # one other sprite; two of them
    assert float(apart) == pytest.approx((2 * sword + cow) / 3)
    assert contrastive_loss(logits, ["a", "b", "c"]) > 4 * apart


def test_synthetic_sprites_have_captions(in_tmp_path):
    chosen = settings(
        "synthetic", in_tmp_path / "out", {"num_samples": 120}, architecture="clip", clip_image_size=None
    )
    result = fit_clip(chosen)
    assert result.status == "finished"
    clip = load_clip(result.output_dir)
    assert clip.preprocessing.size == 16
    facts = json.loads((result.output_dir / FACTS_FILE).read_text())
    assert facts["data_fingerprint"] == load_clip_data(chosen.data, 0).report.fingerprint
    assert facts["retrieval"]["validation"]["group"] == 10


def test_transparent_sprites_are_composited_and_resized(captioned):
    config = ClipDataConfig(dataset=str(captioned), background="#102030")
    split = clip_splits(load_clip_data(config, 0), 8, config.background)["train"]
    assert split.pixels.shape == (192, 8, 8, 3)
    assert (split.pixels[:, -1, -1] == torch.tensor([0x10, 0x20, 0x30])).all()


def test_augmentation_of_pairs():
    pixels = torch.full((4, 8, 8, 3), 255, dtype=torch.uint8)
    pixels[:, 2:6, 2:6] = 0
    config = ClipDataConfig(random_scale=0.4, max_sentences=2)
    augmentation = PairAugmentation(config)
    dark = (255 - augmentation.images(pixels, torch.Generator().manual_seed(0)).float()).mean(dim=(1, 2, 3)) / 255
    assert ((dark > 0.25 * 0.6**2 - 0.02) & (dark < 0.25 * 1.4**2 + 0.02)).all()
    assert dark.std() > 0.02
    text = "It is red. It has a tail! It sleeps. Seed Pokémon."
    drawn = {augmentation.caption(text, np.random.default_rng(seed)) for seed in range(200)}
    assert drawn >= {"It is red.", "It is red. It sleeps.", "It has a tail! Seed Pokémon."}
    assert max(len(caption.replace("!", ".").split(". ")) for caption in drawn) == 2
    fewer = [
        PairAugmentation(ClipDataConfig(word_dropout=0.5)).caption(text, rng)
        for rng in map(np.random.default_rng, range(99))
    ]
    assert np.mean([len(caption.split()) for caption in fewer]) == pytest.approx(len(text.split()) / 2, rel=0.1)
    assert min(len(caption) for caption in fewer) > 0
    assert PairAugmentation(ClipDataConfig()).caption(text, np.random.default_rng(0)) == text
    assert torch.equal(PairAugmentation(ClipDataConfig()).images(pixels, torch.Generator()), pixels)


def test_data_without_captions(in_tmp_path):
    (in_tmp_path / "a").mkdir()
    for index in range(30):
        Image.fromarray(np.full((8, 8, 3), index, np.uint8)).save(in_tmp_path / "a" / f"{index}.png")
    with pytest.raises(SpriteError, match="caption"):
        fit_clip(settings(in_tmp_path / "a", in_tmp_path / "out"))
    assert not (in_tmp_path / "out" / "config.json").exists()


@pytest.mark.parametrize(
    ("option", "value"),
    [("text_hidden_size", 40), ("vision_channels", []), ("clip_dropout", 1.0), ("max_length", 2), ("vocab_size", 0)],
)
def test_settings_that_cannot_be(option, value):
    with pytest.raises(SpriteError, match=f"--{option} is"):
        ClipConfig(**{option: value})


def test_an_augmentation_that_cannot_be():
    with pytest.raises(SpriteError, match="--random_scale is"):
        ClipDataConfig(random_scale=1.5)
