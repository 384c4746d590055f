"""Tiny parts of an unCLIP model, of random weights, in Karlo's architecture."""

from __future__ import annotations

import torch
from diffusers import PriorTransformer, UnCLIPScheduler, UNet2DConditionModel, UNet2DModel
from transformers import (
    CLIPImageProcessor,
    CLIPTextConfig,
    CLIPTextModelWithProjection,
    CLIPVisionConfig,
    CLIPVisionModelWithProjection,
)

from sprite_diffusers.models.text_training import train_wordpiece
from sprite_diffusers.models.unclip_text_projection import UnCLIPTextProjection
from sprite_diffusers.pipelines import SpriteUnCLIPPipeline

from .pokemon import CAPTIONS

WIDTH, TOKENS, CONTEXT, TIME = 16, 10, 24, 32


def text_parts(tokens: int = TOKENS):
    """Tokenizer and text model; the end of a text is its last word but padding, as in CLIP."""
    torch.manual_seed(0)
    tokenizer = train_wordpiece(CAPTIONS, 200, tokens)
    config = CLIPTextConfig(
        vocab_size=len(tokenizer),
        hidden_size=WIDTH,
        projection_dim=WIDTH,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=tokens,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=tokenizer.cls_token_id,
        eos_token_id=tokenizer.sep_token_id,
    )
    return tokenizer, CLIPTextModelWithProjection(config).eval()


def vision_parts():
    torch.manual_seed(1)
    config = CLIPVisionConfig(
        hidden_size=WIDTH,
        projection_dim=WIDTH,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        image_size=16,
        patch_size=8,
    )
    processor = CLIPImageProcessor(size={"shortest_edge": 16}, crop_size={"height": 16, "width": 16})
    return {"image_encoder": CLIPVisionModelWithProjection(config).eval(), "feature_extractor": processor}


def prior(tokens: int = TOKENS) -> PriorTransformer:
    torch.manual_seed(2)
    model = PriorTransformer(
        num_attention_heads=2, attention_head_dim=8, num_layers=2, embedding_dim=WIDTH, num_embeddings=tokens
    )
    with torch.no_grad():  # zero in a new one, which would hide the prior's output
        model.clip_std.fill_(0.7)
        model.clip_mean.normal_()
    return model.eval()


def text_projection() -> UnCLIPTextProjection:
    torch.manual_seed(3)
    model = UnCLIPTextProjection(4, WIDTH, TIME, CONTEXT)
    torch.nn.init.normal_(model.learned_classifier_free_guidance_embeddings)
    return model.eval()


def decoder(channels: int = 3, learned_variance: bool = True) -> UNet2DConditionModel:
    torch.manual_seed(4)
    return UNet2DConditionModel(
        sample_size=8,
        in_channels=channels,
        out_channels=channels * (1 + learned_variance),
        block_out_channels=(8, 16),
        layers_per_block=1,
        down_block_types=("ResnetDownsampleBlock2D", "SimpleCrossAttnDownBlock2D"),
        mid_block_type="UNetMidBlock2DSimpleCrossAttn",
        up_block_types=("SimpleCrossAttnUpBlock2D", "ResnetUpsampleBlock2D"),
        resnet_time_scale_shift="scale_shift",
        class_embed_type="identity",
        cross_attention_dim=CONTEXT,
        attention_head_dim=8,
        norm_num_groups=4,
    ).eval()


def super_res(seed: int, channels: int = 3) -> UNet2DModel:
    torch.manual_seed(seed)
    return UNet2DModel(
        sample_size=16,
        in_channels=2 * channels,
        out_channels=channels,
        block_out_channels=(8, 16),
        layers_per_block=1,
        down_block_types=("ResnetDownsampleBlock2D", "ResnetDownsampleBlock2D"),
        up_block_types=("ResnetUpsampleBlock2D", "ResnetUpsampleBlock2D"),
        norm_num_groups=4,
    ).eval()


def parts() -> dict:
    """All parts of Karlo."""
    tokenizer, text_encoder = text_parts()
    return {
        "tokenizer": tokenizer,
        "text_encoder": text_encoder,
        "prior": prior(),
        "text_proj": text_projection(),
        "decoder": decoder(),
        "super_res_first": super_res(5),
        "super_res_last": super_res(6),
        "prior_scheduler": UnCLIPScheduler(prediction_type="sample", clip_sample_range=5.0),
        "decoder_scheduler": UnCLIPScheduler(variance_type="learned_range"),
        "super_res_scheduler": UnCLIPScheduler(),
    }


def pipeline(**options) -> SpriteUnCLIPPipeline:
    """Karlo's parts and the vision model; three steps of each stage."""
    steps = {f"default_{stage}num_inference_steps": 3 for stage in ("", "prior_", "super_res_")}
    pipe = SpriteUnCLIPPipeline(**{**parts(), **vision_parts(), **steps, **options})
    pipe.set_progress_bar_config(disable=True)
    return pipe
