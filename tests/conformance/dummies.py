"""Tiny pipelines for diffusers' mixins: RGBA without classes, RGB with three classes and the null class."""

import torch
from diffusers import DDIMScheduler, DPMSolverMultistepScheduler, UNet2DModel

SIZE = 8
SCHEDULERS = {
    "epsilon": DDIMScheduler,
    "flow": lambda: DPMSolverMultistepScheduler(prediction_type="flow_prediction", use_flow_sigmas=True),
}
NEEDS_SOURCE = "set DIFFUSERS_SOURCE to the root of a diffusers checkout (see tests/conformance/README.md)"


def unet(channels, num_class_embeds=None):
    torch.manual_seed(0)
    return UNet2DModel(
        sample_size=SIZE,
        in_channels=channels,
        out_channels=channels,
        layers_per_block=1,
        block_out_channels=(8, 16),
        norm_num_groups=4,
        down_block_types=("DownBlock2D", "AttnDownBlock2D"),
        up_block_types=("AttnUpBlock2D", "UpBlock2D"),
        num_class_embeds=num_class_embeds,
    ).eval()


def sprite_components(objective):
    return {"unet": unet(4), "scheduler": SCHEDULERS[objective]()}


def class_cond_components(objective):
    return {
        "unet": unet(3, num_class_embeds=4),
        "scheduler": SCHEDULERS[objective](),
        "id2label": {"0": "human", "1": "monster", "2": "spell"},
    }


def inputs(**conditions):
    return {**conditions, "generator": torch.Generator("cpu").manual_seed(0), "num_inference_steps": 2}
