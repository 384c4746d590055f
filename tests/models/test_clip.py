"""A CLIP: its preprocessing against the image processor's, its features against transformers', and its folder."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import (
    AutoModel,
    AutoTokenizer,
    BertConfig,
    BertModel,
    CLIPImageProcessor,
    CLIPModel,
    CLIPTextModelWithProjection,
    CLIPVisionModelWithProjection,
    VisionTextDualEncoderModel,
)

from sprite_diffusers.errors import SpriteError
from sprite_diffusers.models.autoencoders import FACTS_FILE
from sprite_diffusers.models.clip import ClipPreprocessing, LoadedClip, build_clip, load_clip, save_clip
from sprite_diffusers.models.text_training import train_wordpiece

TEXTS = ["a red lizard with a flame", "a blue turtle", "a green lizard with a leaf", "a red turtle with a leaf"] * 3


def tiny_clip(architecture: str) -> LoadedClip:
    torch.manual_seed(0)
    clip = build_clip(
        train_wordpiece(TEXTS, 200, 16),
        architecture=architecture,
        image_size=16,
        block_out_channels=[16, 32],
        text_hidden_size=32,
        max_length=16,
        projection_dim=8,
    )
    clip.model.eval()
    return clip


@pytest.fixture(params=["clip", "dual_encoder"])
def folder(request, tmp_path: Path) -> Path:
    save_clip(tiny_clip(request.param), tmp_path / request.param)
    return tmp_path / request.param


def images(count: int = 3, height: int = 20, width: int = 20) -> torch.Tensor:
    return torch.rand(count, 3, height, width, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(("height", "width"), [(64, 64), (40, 97), (97, 40), (12, 12)])
@pytest.mark.parametrize(
    "options",
    [
        {"size": {"shortest_edge": 32}, "crop_size": {"height": 32, "width": 32}},
        {"size": {"height": 24, "width": 32}, "do_center_crop": False, "resample": 2},
        {"do_resize": False, "crop_size": {"height": 51, "width": 50}},
        {"size": {"shortest_edge": 30}, "crop_size": {"height": 30, "width": 30}, "do_normalize": False},
    ],
)
def test_preprocessing_is_the_image_processors(options, height, width):
    processor = CLIPImageProcessor(**options)
    pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    expected = processor(Image.fromarray(pixels), return_tensors="pt")["pixel_values"]
    own = ClipPreprocessing.of(processor)(torch.from_numpy(pixels).permute(2, 0, 1)[None].float() / 255)
    assert own.shape == expected.shape
    std = min(processor.image_std) if processor.do_normalize else 1.0
    assert (own - expected).abs().max() * 255 * std < 1.6  # levels: each side is rounded after resizing


def test_features_are_transformers_unit_length_and_differentiable(folder):
    clip = load_clip(folder)
    pixels = images().requires_grad_()
    features = clip.image_features(pixels)
    texts = clip.text_features(TEXTS[:3])
    output = clip.model(
        **AutoTokenizer.from_pretrained(folder)(TEXTS[:3], padding=True, return_tensors="pt"),
        pixel_values=clip.preprocessing(pixels),
    )
    torch.testing.assert_close(features, output.image_embeds)
    torch.testing.assert_close(texts, output.text_embeds)
    torch.testing.assert_close(features.norm(dim=1), torch.ones(3))
    assert features.shape == texts.shape == (3, 8)
    (features * texts).sum().backward()
    assert torch.isfinite(pixels.grad).all()
    assert pixels.grad.abs().sum() > 0
    assert not any(parameter.requires_grad for parameter in clip.model.parameters())


def test_padding_does_not_change_a_text(folder):
    clip = load_clip(folder)
    torch.testing.assert_close(clip.text_features(TEXTS[:3])[1], clip.text_features([TEXTS[1]])[0])


def test_the_folder_loads_without_this_package(folder):
    clip, model = load_clip(folder), AutoModel.from_pretrained(folder)
    assert isinstance(model, CLIPModel if folder.name == "clip" else VisionTextDualEncoderModel)
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, clip.model.state_dict()[name])
    if folder.name == "clip":  # what unCLIP pipelines are made of
        ids = clip.tokenize(TEXTS[:2])["input_ids"]
        embeds = CLIPTextModelWithProjection.from_pretrained(folder)(ids).text_embeds
        torch.testing.assert_close(torch.nn.functional.normalize(embeds, dim=1), clip.text_features(TEXTS[:2]))
        vision = CLIPVisionModelWithProjection.from_pretrained(folder)(clip.preprocessing(images())).image_embeds
        torch.testing.assert_close(torch.nn.functional.normalize(vision, dim=1), clip.image_features(images()))


def test_long_texts_are_cut_with_one_warning(folder, caplog):
    clip = load_clip(folder)
    assert clip.max_length == 16
    with caplog.at_level(logging.WARNING):
        features = clip.text_features(["a red lizard " * 20, "a blue turtle"])
        clip.text_features(["a red lizard " * 20])
    assert [record.getMessage()[:46] for record in caplog.records] == [
        "1 of 2 texts are longer than the 16 tokens tha"
    ]
    assert features.shape == (2, 8)


def test_its_training_split(folder):
    load_clip(folder).check_split("b" * 64)  # nothing known: a published one
    (folder / FACTS_FILE).write_text(json.dumps({"data_fingerprint": "a" * 64}))
    load_clip(folder).check_split("a" * 64)
    with pytest.raises(SpriteError, match="split aaaaaaaaaaaaaaaa, and may have seen"):
        load_clip(folder).check_split("b" * 64)


def test_fingerprints_tell_weights_apart(folder):
    clip = load_clip(folder)
    assert clip.fingerprint == load_clip(folder).fingerprint
    clip.model.text_projection.weight.neg_()
    assert clip.fingerprint != load_clip(folder).fingerprint


def test_what_is_no_clip(tmp_path):
    with pytest.raises(SpriteError, match="cannot be loaded"):
        load_clip(tmp_path / "nothing")
    BertModel(BertConfig(vocab_size=9, hidden_size=8, num_hidden_layers=1, num_attention_heads=1, intermediate_size=8)
              ).save_pretrained(tmp_path / "bert")  # fmt: skip
    with pytest.raises(SpriteError, match="holds a 'bert', but a CLIP is needed"):
        load_clip(tmp_path / "bert")


def test_broken_folders(folder):
    (folder / "preprocessor_config.json").unlink()
    with pytest.raises(SpriteError, match="cannot be loaded"):
        load_clip(folder)


def test_images_that_it_cannot_take(folder):
    clip = load_clip(folder)
    with pytest.raises(SpriteError, match="composite RGBA on a colour first"):
        clip.image_features(torch.rand(2, 4, 16, 16))
    with pytest.raises(SpriteError, match=r"not torch\.uint8"):
        clip.image_features(torch.zeros(2, 3, 16, 16, dtype=torch.uint8))
