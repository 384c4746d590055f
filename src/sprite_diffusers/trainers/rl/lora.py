"""The LoRA that is trained: put on a pipeline's denoiser, turned off for the reference, written in diffusers' format."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from diffusers import DiffusionPipeline, UNet2DConditionModel
from peft import LoraConfig, get_peft_model_state_dict, set_peft_model_state_dict

from ...errors import SpriteError

ADAPTER = "default"
ATTENTION_LAYERS = ("to_q", "to_k", "to_v", "add_k_proj", "add_v_proj", "to_out.0")


def add_lora(
    pipeline: DiffusionPipeline, rank: int, alpha: int, dropout: float, target_modules: list[str] | None, seed: int
) -> LoraConfig:
    """Freezes all models of `pipeline` and puts a new LoRA on ``pipeline.unet``; the first pass equals the base.

    Args:
        target_modules: ends of the names of layers (linear, convolutions); by default the attention of a network that reads
            a text, else every layer.

    Raises:
        SpriteError: no such layer, or a LoRA that is there already.
    """
    network = pipeline.unet
    if getattr(network, "peft_config", None):
        raise SpriteError(
            f"The pipeline has LoRAs already ({', '.join(network.peft_config)}): fuse them (pipe.fuse_lora) or unload them."
        )
    for component in pipeline.components.values():
        if isinstance(component, torch.nn.Module):
            component.requires_grad_(False).eval()
    layers = [
        name for name, module in network.named_modules() if isinstance(module, (torch.nn.Linear, torch.nn.Conv2d))
    ]
    wanted = tuple(target_modules or (ATTENTION_LAYERS if isinstance(network, UNet2DConditionModel) else layers))
    names = [name for name in layers if any(name == end or name.endswith(f".{end}") for end in wanted)]
    if not names:
        raise SpriteError(
            f"--lora_target_modules {', '.join(wanted[:8])}: the network has no linear or convolutional layer of that name; "
            f"it has {', '.join(sorted({name.split('.')[-1] for name in layers}))}."
        )
    config = LoraConfig(r=rank, lora_alpha=alpha, lora_dropout=dropout, target_modules=names, init_lora_weights=True)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network.add_adapter(config, adapter_name=ADAPTER)
    for parameter in network.parameters():  # half precision is too coarse for small updates
        if parameter.requires_grad:
            parameter.data = parameter.data.float()
    return config


@contextlib.contextmanager
def without_lora(network: Any) -> Iterator[None]:
    """The base model, inside this context; gradients are off."""
    network.disable_adapters()
    try:
        with torch.no_grad():
            yield
    finally:
        network.enable_adapters()


def lora_weights(network: Any) -> dict[str, torch.Tensor]:
    """``{"<layer>.lora_A.weight": tensor}``, as `SpriteLoraMixin.save_lora_weights` takes them."""
    return {
        name: tensor.detach().cpu()
        for name, tensor in get_peft_model_state_dict(network, adapter_name=ADAPTER).items()
    }


def set_lora_weights(network: Any, weights: dict[str, torch.Tensor]) -> None:
    """Puts back what `lora_weights` gave."""
    set_peft_model_state_dict(network, weights, adapter_name=ADAPTER)


def save_lora(pipeline: DiffusionPipeline, config: LoraConfig, directory: Path) -> None:
    """Writes ``pytorch_lora_weights.safetensors`` with the LoRA's config, for `load_lora_weights`."""
    metadata = config.to_dict()
    metadata["target_modules"] = sorted(metadata["target_modules"])  # a set is in no order
    pipeline.save_lora_weights(directory, lora_weights(pipeline.unet), unet_lora_adapter_metadata=metadata)
