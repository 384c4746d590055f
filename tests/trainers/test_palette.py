"""Models of palette indices: the palette they are given, what they are shown, and what they draw."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from sprite_diffusers import hub
from sprite_diffusers.errors import SpriteError
from sprite_diffusers.pixels import extract_palette, load_palette, quantize
from sprite_diffusers.trainers.config import (
    ClassCondConfig,
    DataConfig,
    ObjectiveConfig,
    PaletteConfig,
    UNetConfig,
)
from sprite_diffusers.trainers.data_parts import load_data
from sprite_diffusers.trainers.diffusion import DiffusionConfig, DiffusionTrainer
from sprite_diffusers.trainers.distillation.teacher import load_teacher
from sprite_diffusers.trainers.palette import choose_palette

from .tiny import loop, save_sprites

PIXELS = np.random.default_rng(0).integers(0, 256, (12, 8, 8, 3), np.uint8)


def trainer_for(folder, palette: str, mode: str = "RGB", conditional: bool = True, data=None, **options):
    channels = 4 if mode == "RGBA" else 3
    config = DiffusionConfig(
        loop(folder / "out", **options),
        data or DataConfig(dataset=save_sprites(folder / "sprites.npz", channels=channels), image_mode=mode),
        UNetConfig(patch_size=2, block_out_channels=[8, 16], norm_num_groups=4),
        ObjectiveConfig(prediction_type="flow", num_inference_steps=2),
        ClassCondConfig() if conditional else None,
        palette=PaletteConfig(palette),
    )
    return DiffusionTrainer(config, load_data(config.data))


def colors_of(images) -> set[tuple[int, ...]]:
    levels = np.stack([np.asarray(image) for image in images]).reshape(-1, len(images[0].getbands()))
    if levels.shape[1] == 4:
        assert set(levels[:, 3].tolist()) <= {0, 255}
        levels = levels[levels[:, 3] == 255]
    return set(map(tuple, levels[:, :3].tolist()))


@pytest.mark.parametrize(
    ("mode", "conditional", "channels"), [("RGBA", True, 4), ("RGB", True, 3), ("RGBA", False, 4)]
)
def test_a_published_model_draws_colours_of_its_palette_only(in_tmp_path, mode, conditional, channels):
    trainer = trainer_for(in_tmp_path, "auto:6", mode, conditional)
    assert trainer.unet.config.in_channels == (3 + (mode == "RGBA")) * 4  # six colours have three bits
    assert trainer.unet.config.out_channels == (6 + (mode == "RGBA")) * 4
    result = trainer.fit()
    assert np.isfinite(result.metrics["validation_loss"])
    assert 0 <= result.metrics["copies"] <= 1
    pipeline = hub.load_pipeline(result.output_dir)
    assert (pipeline.sprite_size, pipeline.sprite_channels) == (8, channels)
    palette = pipeline.config.index_palette
    assert sorted(palette) == sorted(extract_palette(trainer.train_data.pixels, 6).hex)
    what = {"class_labels": 1, "num_images_per_prompt": 64} if conditional else {"batch_size": 64}
    images = pipeline(**what, generator=torch.Generator().manual_seed(0)).images
    assert images[0].mode == mode
    assert 1 < len(colors_of(images)) <= 6
    assert colors_of(images) <= set(load_palette(palette).colors)
    card = (result.output_dir / "README.md").read_text()
    assert f"Palette: 6 colours (of the training images), of which it draws indices: `{palette[0]}`" in card


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_what_the_network_is_shown_is_the_snapped_sprite(in_tmp_path, mode):
    trainer = trainer_for(in_tmp_path, "gameboy", mode)
    seen, _ = trainer._validation_batch(np.arange(8))
    assert set(seen.unique().tolist()) <= {-1.0, 0.0, 1.0}
    shown = trainer.pipeline().postprocess(seen, "np")
    expected = quantize(trainer.validation_data.pixels[:8], "gameboy")
    np.testing.assert_array_equal(np.round(shown * 255).astype(np.uint8), expected)


def test_augmentations_act_on_colours_before_they_become_indices(in_tmp_path):
    data = DataConfig(dataset=save_sprites(in_tmp_path / "sprites.npz"), random_flip=True, no_flip_classes=[])
    trainer = trainer_for(in_tmp_path, "auto:8", data=data)
    rows, generator = np.arange(40), torch.Generator().manual_seed(0)
    seen, _ = trainer._training_batch(rows, generator)
    shown = np.round(trainer.pipeline().postprocess(seen, "np") * 255).astype(np.uint8)
    plain = quantize(trainer.train_data.pixels[rows], trainer.palette)
    flipped = [np.array_equal(image, other[:, ::-1]) for image, other in zip(shown, plain, strict=True)]
    kept = [np.array_equal(image, other) for image, other in zip(shown, plain, strict=True)]
    assert all(a or b for a, b in zip(flipped, kept, strict=True))
    assert 5 < sum(flipped) < 35


def test_a_training_is_not_resumed_with_another_palette(in_tmp_path):
    trainer_for(in_tmp_path, "auto:6", max_train_steps=2).fit()
    with pytest.raises(SpriteError, match=r"cannot be resumed with other settings: .*palette"):
        trainer_for(in_tmp_path, "auto:5", resume_from_checkpoint="latest").fit()
    resumed = trainer_for(in_tmp_path, "auto:6", max_train_steps=4, resume_from_checkpoint="latest").fit()
    assert resumed.metrics["steps"] == 4


def test_it_cannot_be_distilled(in_tmp_path):
    trainer_for(in_tmp_path, "gameboy", max_train_steps=1).fit()
    with pytest.raises(SpriteError, match="draws indices of a palette, but only a model of colours can be distilled"):
        load_teacher(str(in_tmp_path / "out"))


def test_the_loss_is_the_cross_entropy_of_the_indices(in_tmp_path):
    trainer = trainer_for(in_tmp_path, "gameboy", "RGBA")
    clean, labels = trainer._validation_batch(np.arange(6))
    sprites = torch.from_numpy(quantize(trainer.validation_data.pixels[:6], "gameboy"))
    colors = torch.tensor([(*color, 255) for color in trainer.palette.colors] + [(0, 0, 0, 0)], dtype=torch.uint8)
    indices = (sprites[..., None, :] == colors).all(-1).float().argmax(-1)

    class Sure(torch.nn.Module):
        """Nine tenths for the right index."""

        def forward(self, sample, timesteps, class_labels, return_dict):
            shares = torch.full((6, 5, 8, 8), 0.1 / 4).scatter(1, indices[:, None], 0.9)
            return (torch.nn.functional.pixel_unshuffle(shares.log(), 2),)

    assert float(trainer._loss(clean, labels, 0, Sure())) == pytest.approx(-np.log(0.9), abs=1e-5)


def test_it_is_trained_as_a_flow_only(in_tmp_path):
    config = trainer_for(in_tmp_path, "gameboy").settings
    other = replace(config, objective=ObjectiveConfig(prediction_type="epsilon"))
    with pytest.raises(SpriteError, match="--palette needs --prediction_type flow, and not epsilon"):
        DiffusionTrainer(other, load_data(config.data))


def test_palettes_of_files_keep_their_colours(tmp_path):
    assert choose_palette(None, PIXELS) is None
    path = load_palette("pico-8").save(tmp_path / "mine.gpl")
    chosen = choose_palette(str(path), PIXELS)
    assert sorted(chosen.colors) == sorted(load_palette("pico-8").colors)


@pytest.mark.parametrize("option", ["auto", "auto:", "auto:1", "auto:257", "auto:many", "auto:-4", "auto:²"])
def test_a_number_of_colours_that_cannot_be(option):
    with pytest.raises(
        SpriteError, match=f"--palette {option}: auto needs a number of colours from 2 to 256"
    ) as error:
        choose_palette(option, PIXELS)
    assert "\n" not in str(error.value)


def test_palettes_that_cannot_be(tmp_path):
    with pytest.raises(SpriteError, match=r"unknown palette 'pica-9': did you mean 'pico-8'\?"):
        choose_palette("pica-9", PIXELS)
    (tmp_path / "one.hex").write_text("ff0000\n")
    with pytest.raises(SpriteError, match="has 1 colour, but a palette has 2 to 256"):
        choose_palette(str(tmp_path / "one.hex"), PIXELS)
    (tmp_path / "many.hex").write_text("".join(f"{i:06x}\n" for i in range(257)))
    with pytest.raises(SpriteError, match="has 257 different colours, but a palette has 2 to 256"):
        choose_palette(str(tmp_path / "many.hex"), PIXELS)
    with pytest.raises(SpriteError, match="grey images have no colours"):
        choose_palette("pico-8", PIXELS[..., :1])
    with pytest.raises(SpriteError, match="1 colour"):
        choose_palette("auto:4", np.zeros((2, 8, 8, 3), np.uint8))
