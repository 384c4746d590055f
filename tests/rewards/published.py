"""Tiny random networks in the layouts of the published scorers, and the images and prompts they are compared on."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from transformers import CLIPConfig, CLIPImageProcessor, CLIPModel

from sprite_diffusers.models.clip import LoadedClip, load_clip
from sprite_diffusers.models.text_training import train_wordpiece

SIZES = [(64, 64), (40, 97), (97, 40), (12, 12), (32, 32)]  # height, width; the networks see 32
PROMPTS = ["a red lizard", "", "a blue turtle with a leaf " * 40, "green", "a red turtle"]
OPEN_CLIP_CONFIG = {
    "embed_dim": 24,
    "vision_cfg": {"image_size": 32, "layers": 2, "width": 32, "head_width": 16, "patch_size": 8},
    "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 2},
}


def pictures() -> list[Image.Image]:
    """RGB pictures of `SIZES`."""
    rng = np.random.default_rng(0)
    return [Image.fromarray(rng.integers(0, 256, (*size, 3), dtype=np.uint8)) for size in SIZES]


def tensor_of(picture: Image.Image) -> torch.Tensor:
    """``(1, channels, H, W)`` in ``[0, 1]``."""
    return torch.from_numpy(np.array(picture)).permute(2, 0, 1)[None].float() / 255


def write_clip(folder: Path, projection_dim: int = 16) -> Path:
    """A `CLIPModel` of random weights, 77 tokens, with OpenAI's preprocessing at 32 pixels."""
    torch.manual_seed(0)
    tokenizer = train_wordpiece(PROMPTS * 3, 200, 77)
    width = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
    text = {
        **width,
        "vocab_size": len(tokenizer),
        "max_position_embeddings": 77,
        "pad_token_id": tokenizer.pad_token_id,
        "bos_token_id": tokenizer.cls_token_id,
        "eos_token_id": tokenizer.sep_token_id,
    }
    vision = {**width, "image_size": 32, "patch_size": 8}
    model = CLIPModel(
        CLIPConfig(text_config=text, vision_config=vision, projection_dim=projection_dim, initializer_factor=8.0)
    )
    processor = CLIPImageProcessor(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32})
    for part in (model, tokenizer, processor):
        part.save_pretrained(folder)
    return folder


def clip_of(folder: Path, projection_dim: int = 16) -> LoadedClip:
    return load_clip(write_clip(folder, projection_dim))


def write_hps(folder: Path) -> dict[str, Path]:
    """Checkpoints of both versions, with random weights, beside the description of a tiny open_clip network."""
    import open_clip

    folder.mkdir()
    (folder / "open_clip_config.json").write_text(json.dumps({"model_cfg": OPEN_CLIP_CONFIG, "preprocess_cfg": {}}))
    paths = {"v2.0": folder / "HPS_v2_compressed.pt", "v2.1": folder / "HPS_v2.1_compressed.pt"}
    for seed, path in enumerate(paths.values()):
        torch.manual_seed(seed)
        model = open_clip.create_model(f"local-dir:{folder}", load_weights=False)
        torch.save({"state_dict": model.half().state_dict()}, path)
    return paths
