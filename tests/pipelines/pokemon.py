"""Tiny parts of the text-to-sprite model."""

from __future__ import annotations

import torch
from diffusers import DDIMScheduler, UNet2DConditionModel
from transformers import BertConfig, BertModel

from sprite_diffusers.models.text_training import train_wordpiece
from sprite_diffusers.models.text_vae import TextConditionedVAE
from sprite_diffusers.pipelines import PokemonLDMPipeline

CAPTIONS = [
    "a small red lizard with fire on its tail",
    "a blue turtle with a hard shell",
    "a green seed with leaves",
] * 4


def text_encoder(width: int = 16):
    """Tokenizer and encoder of random weights."""
    torch.manual_seed(0)
    tokenizer = train_wordpiece(CAPTIONS, 200, 16)
    config = BertConfig(vocab_size=len(tokenizer), hidden_size=width, num_hidden_layers=1, num_attention_heads=2,
                        intermediate_size=32, max_position_embeddings=16)  # fmt: skip
    return tokenizer, BertModel(config, add_pooling_layer=False).eval()


def vae(width: int = 16, sample_size: int = 16) -> TextConditionedVAE:
    torch.manual_seed(0)
    return TextConditionedVAE(sample_size=sample_size, block_out_channels=(8, 16), patch_size=2, latent_channels=4,
                              cross_attention_dim=width, num_attention_heads=2, norm_num_groups=4).eval()  # fmt: skip


def unet(width: int = 16) -> UNet2DConditionModel:
    torch.manual_seed(0)
    return UNet2DConditionModel(
        sample_size=4,
        in_channels=4,
        out_channels=4,
        block_out_channels=(8, 16),
        layers_per_block=1,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=width,
        attention_head_dim=8,
        norm_num_groups=4,
    ).eval()


def pipeline(**options) -> PokemonLDMPipeline:
    tokenizer, encoder = text_encoder()
    parts = {
        "vae": vae(),
        "unet": unet(),
        "text_encoder": encoder,
        "tokenizer": tokenizer,
        "scheduler": DDIMScheduler(),
    }
    pipe = PokemonLDMPipeline(**{**parts, "max_length": 16, "default_num_inference_steps": 2, **options})
    pipe.set_progress_bar_config(disable=True)
    return pipe
