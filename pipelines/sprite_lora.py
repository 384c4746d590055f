"""LoRA for sprite pipelines.

This file travels with every published model that takes LoRAs, so it depends on nothing but torch and diffusers.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from diffusers import UNet2DModel
from diffusers.loaders import PeftAdapterMixin
from diffusers.loaders.lora_base import LoraBaseMixin, _fetch_state_dict


class SpriteLoraMixin(LoraBaseMixin):
    """`load_lora_weights` / `save_lora_weights` and diffusers' adapter methods for pipelines whose network is a U-Net.

    `UNet2DModel` has no adapter methods, so the pipeline gives them to its instance.
    """

    _lora_loadable_modules: ClassVar[list[str]] = ["unet"]

    def load_lora_weights(
        self,
        pretrained_model_name_or_path_or_dict: str | os.PathLike | dict[str, torch.Tensor],
        adapter_name: str | None = None,
        **kwargs: Any,
    ) -> None:
        """Loads a LoRA into ``self.unet``.

        Args:
            pretrained_model_name_or_path_or_dict: a folder or file written by `save_lora_weights`, a Hub id, or a
                state dict with keys ``unet.<layer>.lora_A.weight``.
            adapter_name: its name for `set_adapters`; ``default_<n>`` if not given.
            kwargs: those of `huggingface_hub` (``weight_name``, ``subfolder``, ``revision``, ``token``, ...).

        Raises:
            ValueError: no LoRA weights for the U-Net in what was given.
        """
        options = (
            "cache_dir",
            "force_download",
            "proxies",
            "local_files_only",
            "token",
            "revision",
            "subfolder",
            "weight_name",
            "use_safetensors",
        )
        state_dict, metadata = self.lora_state_dict(
            pretrained_model_name_or_path_or_dict,
            return_lora_metadata=True,
            **{name: kwargs.pop(name) for name in options if name in kwargs},
        )
        metadata = kwargs.pop("metadata", None) or metadata
        # Names without a component are left to diffusers, which warns of them.
        if not any(key.startswith("unet.") and "lora" in key for key in state_dict) and any(
            "." in key or "lora" not in key for key in state_dict
        ):
            raise ValueError(
                f"{pretrained_model_name_or_path_or_dict} has no LoRA weights for the U-Net "
                "(keys 'unet.<layer>.lora_A.weight'): give the folder written by save_lora_weights."
            )
        self.unet.load_lora_adapter(  # type: ignore[attr-defined]
            state_dict, prefix="unet", adapter_name=adapter_name, metadata=metadata, _pipeline=self, **kwargs
        )

    @classmethod
    def lora_state_dict(
        cls, pretrained_model_name_or_path_or_dict: str | os.PathLike | dict[str, torch.Tensor], **kwargs: Any
    ) -> Any:
        """LoRA weights, ``{"unet.<layer>.lora_A.weight": tensor}``; with `return_lora_metadata`, and their config."""
        return_metadata = kwargs.pop("return_lora_metadata", False)
        options = ("cache_dir", "force_download", "proxies", "local_files_only", "token", "revision", "subfolder")
        use_safetensors = kwargs.pop("use_safetensors", None)
        state_dict, metadata = _fetch_state_dict(
            pretrained_model_name_or_path_or_dict=pretrained_model_name_or_path_or_dict,
            weight_name=kwargs.pop("weight_name", None),
            use_safetensors=use_safetensors is not False,
            user_agent={"file_type": "attn_procs_weights", "framework": "pytorch"},
            allow_pickle=use_safetensors is None,
            **{name: kwargs.pop(name, None) for name in options},
        )
        return (state_dict, metadata) if return_metadata else state_dict

    @classmethod
    def save_lora_weights(
        cls,
        save_directory: str | os.PathLike,
        unet_lora_layers: dict[str, torch.Tensor],
        weight_name: str | None = None,
        unet_lora_adapter_metadata: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        """Writes LoRA layers, e.g. ``peft.get_peft_model_state_dict(pipe.unet)``, as safetensors.

        Args:
            unet_lora_layers: ``{"<layer>.lora_A.weight": tensor, ...}``.
            unet_lora_adapter_metadata: ``LoraConfig.to_dict()``, kept in the file so that alpha and patterns survive.
        """
        if not unet_lora_layers:
            raise ValueError("`unet_lora_layers` is empty: pass peft.get_peft_model_state_dict(pipe.unet).")
        cls._save_lora_weights(
            save_directory=save_directory,
            lora_layers={"unet": unet_lora_layers},
            lora_metadata={"unet": unet_lora_adapter_metadata},
            weight_name=weight_name,
            **kwargs,
        )

    def fuse_lora(self, components: Sequence[str] = ("unet",), **kwargs: Any) -> None:
        """Adds the active LoRAs into the weights (see `LoraBaseMixin.fuse_lora`)."""
        super().fuse_lora(components=list(components), **kwargs)

    def unfuse_lora(self, components: Sequence[str] = ("unet",), **kwargs: Any) -> None:
        """Takes fused LoRAs out again (see `LoraBaseMixin.unfuse_lora`)."""
        super().unfuse_lora(components=list(components), **kwargs)


def enable_adapters_on(unet: UNet2DModel) -> Any:
    """Gives a `UNet2DModel` the methods of `PeftAdapterMixin`, in place; returns it.

    The subclass keeps the name ``UNet2DModel``, so that what is saved still names the plain diffusers class.
    """
    if not isinstance(unet, PeftAdapterMixin):
        unet.__class__ = type(
            type(unet).__name__, (type(unet), PeftAdapterMixin), {"__module__": type(unet).__module__}
        )
    return unet
