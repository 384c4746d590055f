"""LoRA: load, save, scale, fuse."""

from __future__ import annotations

import pytest
import torch
from peft import LoraConfig, get_peft_model_state_dict, inject_adapter_in_model

from ..conftest import tiny_unet


@pytest.fixture
def lora_layers() -> dict[str, torch.Tensor]:
    unet = tiny_unet(4, 4)
    inject_adapter_in_model(LoraConfig(r=2, target_modules=["to_q", "to_v"]), unet)
    torch.manual_seed(1)
    return {key: torch.randn_like(value) for key, value in get_peft_model_state_dict(unet).items()}


def draw(pipeline):
    return pipeline("food", generator=torch.Generator().manual_seed(0), output_type="latent").images


def test_lora_round_trip(class_cond, lora_layers, tmp_path):
    base = draw(class_cond)
    class_cond.save_lora_weights(tmp_path, unet_lora_layers=lora_layers)
    class_cond.load_lora_weights(tmp_path, adapter_name="hats")
    assert class_cond.get_active_adapters() == ["hats"]
    tuned = draw(class_cond)
    assert (tuned - base).abs().max() > 1e-3

    class_cond.set_adapters("hats", 0.0)
    torch.testing.assert_close(draw(class_cond), base)
    class_cond.set_adapters("hats", 1.0)
    class_cond.fuse_lora()
    torch.testing.assert_close(draw(class_cond), tuned, rtol=1e-3, atol=1e-4)
    class_cond.unfuse_lora()
    class_cond.unload_lora_weights()
    torch.testing.assert_close(draw(class_cond), base, rtol=1e-3, atol=1e-4)


def test_a_pipeline_with_adapters_removed_still_saves_as_plain_diffusers(class_cond, lora_layers, tmp_path):
    class_cond.save_lora_weights(tmp_path / "lora", unet_lora_layers=lora_layers)
    class_cond.load_lora_weights(tmp_path / "lora")
    class_cond.unload_lora_weights()
    class_cond.save_pretrained(tmp_path / "model")
    restored = type(class_cond).from_pretrained(tmp_path / "model")
    restored.set_progress_bar_config(disable=True)
    torch.testing.assert_close(draw(restored), draw(class_cond), rtol=1e-4, atol=1e-5)


def test_weights_for_something_else_are_refused(class_cond):
    with pytest.raises(ValueError, match="no LoRA weights for the U-Net"):
        class_cond.load_lora_weights({"text_encoder.q.lora_A.weight": torch.zeros(2, 2)})
    with pytest.raises(ValueError, match="is empty"):
        class_cond.save_lora_weights("nowhere", unet_lora_layers={})


def test_a_network_with_adapter_methods_stays_a_plain_diffusers_class(class_cond, tmp_path):
    """Also in a pipeline built from another one's components: its index must not name a class of this package."""
    other = type(class_cond)(class_cond.unet, class_cond.scheduler, class_cond.config.id2label)
    other.save_pretrained(tmp_path)
    assert other.config.unet == ("diffusers", "UNet2DModel")
    assert type(class_cond).from_pretrained(tmp_path).unet.config.num_class_embeds == 4
