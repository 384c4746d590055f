"""The network that a distillation trains: a copy of the teacher's, or a narrower one that begins with a part of its weights."""

from __future__ import annotations

import copy
import re

import torch
from diffusers import UNet2DModel

from ...errors import SpriteError

CONCATENATED = re.compile(r"up_blocks\.(\d+)\.resnets\.(\d+)\.(?:norm1|conv1|conv_shortcut)\.")
"""What reads the features of the level below beside those of the way down."""


def build_student(teacher: torch.nn.Module, max_channels: int | None, mid_attention: bool = True) -> torch.nn.Module:
    """The student before its first step, with weights that can be trained.

    A narrower student keeps the first channels of each of the teacher's layers, whose kernels grow with the root of what their
    input lost (structured pruning as in https://arxiv.org/abs/2305.10924, though without a choice of channels: training mends it).

    Args:
        teacher: a `UNet2DModel`; anything else can only be copied.
        max_channels: no resolution is wider; `None` keeps the teacher's widths.
        mid_attention: whether the student has the self-attention that its teacher has at the lowest resolution.

    Raises:
        SpriteError: a network that cannot be changed so, or channels that its groups and heads do not divide.
    """
    if max_channels is None and mid_attention:
        return copy.deepcopy(teacher).requires_grad_(True)
    if not isinstance(teacher, UNet2DModel):
        flag = "--no_student_mid_attention" if max_channels is None else f"--student_max_channels {max_channels}"
        raise SpriteError(
            f"{flag} was given, but the teacher's network is a {type(teacher).__name__}, and only a UNet2DModel can be made "
            "smaller: leave it out."
        )
    old = list(teacher.config.block_out_channels)
    new = old if max_channels is None else [min(width, max_channels) for width in old]
    _check_divisors(teacher, max(new))
    config = dict(teacher.config, block_out_channels=new, add_attention=teacher.config.add_attention and mid_attention)
    config.pop("_use_default_values", None)  # names of settings whose values from_config would not take
    student = UNet2DModel.from_config(config)
    embeddings = 2 if teacher.config.resnet_time_scale_shift == "scale_shift" else 1
    weights = teacher.state_dict()
    student.load_state_dict({
        name: _narrowed(name, weights[name], part.shape, old, new, embeddings)
        for name, part in student.state_dict().items()
    })  # fmt: skip
    return student.train(teacher.training).requires_grad_(True)


def _check_divisors(teacher: UNet2DModel, max_channels: int) -> None:
    for name in ("norm_num_groups", "attention_head_dim"):
        divisor = teacher.config[name] or 1
        if max(teacher.config.block_out_channels) > max_channels and max_channels % divisor:
            raise SpriteError(
                f"--student_max_channels is {max_channels}, but must be a multiple of {divisor}, the teacher's {name}."
            )


def _narrowed(
    name: str, weight: torch.Tensor, shape: torch.Size, old: list[int], new: list[int], embeddings: int
) -> torch.Tensor:
    """The part of one of the teacher's tensors that a student of `shape` begins with.

    Args:
        old, new: channels per resolution.
        embeddings: how many numbers each channel takes from the time embedding: 2 for a scale and a shift.
    """
    concatenated = CONCATENATED.match(name)
    reads = 0 if "norm1" in name else 1  # dimension of what comes in
    for dimension, (wanted, given) in enumerate(zip(shape, weight.shape, strict=True)):
        if wanted == given:
            continue
        kept, boundary = wanted, given
        if concatenated and dimension == reads:
            block, layer = int(concatenated[1]), int(concatenated[2])
            kept, boundary = (_from_below(channels, block, layer) for channels in (new, old))
        elif "time_emb_proj" in name and dimension == 0:
            kept, boundary = wanted // embeddings, given // embeddings  # all scales come before all shifts
        rows = torch.cat([torch.arange(kept), boundary + torch.arange(wanted - kept)])
        weight = weight.index_select(dimension, rows.to(weight.device))
        if weight.ndim == 4 and dimension == 1:
            weight = weight * (given / wanted) ** 0.5
    return weight


def _from_below(channels: list[int], block: int, layer: int) -> int:
    """How many of the channels that a layer on the way up reads come from the layer before it; the rest from the way down."""
    ascending = channels[::-1]
    return ascending[block] if layer else ascending[max(block - 1, 0)]
