"""The folder of a latent diffusion pipeline: three ways to load it, its own components' code, saving it again."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import AutoencoderKL, AutoModel, DDIMScheduler, DiffusionPipeline, UNet2DModel, VQModel

from sprite_diffusers import hub
from sprite_diffusers.models import LatentMLP, SpriteAutoencoder, load_autoencoder
from sprite_diffusers.pipelines import SpriteLDMPipeline
from sprite_diffusers.pipelines.sprite_ldm import autoencoder_fingerprint

from .ldm import KINDS, autoencoder, pipeline

WITHOUT_THE_PACKAGE = """
import sys
sys.modules["sprite_diffusers"] = None  # importing it fails, as where it is not installed
import numpy as np, torch
from diffusers import AutoModel, DiffusionPipeline
for source in sys.argv[1:]:
    pipe = DiffusionPipeline.from_pretrained(source, trust_remote_code=True)
    pipe.set_progress_bar_config(disable=True)
    images = pipe("food", generator=torch.Generator().manual_seed(0), output_type="np").images
    pipe.save_pretrained(source + "-again")
    np.save(source + "-again.npy", images)
    own = type(pipe.vae).__name__ == "SpriteAutoencoder"
    vae = AutoModel.from_pretrained(source + "/vae", trust_remote_code=own)
    assert torch.equal(vae(torch.zeros(1, 3, 8, 8)).sample, pipe.vae(torch.zeros(1, 3, 8, 8)).sample)
"""


def draw(pipe: DiffusionPipeline) -> np.ndarray:
    pipe.set_progress_bar_config(disable=True)
    return pipe("food", generator=torch.Generator().manual_seed(0), output_type="np").images


def index_of(folder: Path) -> dict:
    return json.loads((folder / "model_index.json").read_text())


def complaints(text: str) -> list[str]:
    """Lines about the folder's code: settings that a class does not know, types that it cannot check."""
    words = ("auto_map", "annotation", "expected types", "not expected")
    return [line for line in text.splitlines() if any(word in line.lower() for word in words)]


def test_three_ways_give_the_same_pixels_and_save_again(tmp_path):
    made = {kind: pipeline(kind) for kind in ("vector", "kl")}
    folders = {kind: hub.export(pipe, tmp_path / kind) for kind, pipe in made.items()}
    command = [sys.executable, "-c", WITHOUT_THE_PACKAGE, *folders.values()]
    remote = subprocess.run(command, check=True, capture_output=True, text=True)
    assert complaints(remote.stderr) == []
    for kind, folder in folders.items():
        again = tmp_path / f"{kind}-again"
        expected = draw(SpriteLDMPipeline.from_pretrained(folder))
        np.testing.assert_allclose(expected, draw(made[kind]), atol=1e-5)
        np.testing.assert_array_equal(np.load(f"{again}.npy"), expected)
        # what was loaded remotely and saved again is the same folder, and loads in the same ways
        files = {path.relative_to(folder): path for path in folder.rglob("*") if path.is_file()}
        assert {path.relative_to(again) for path in again.rglob("*") if path.is_file()} == set(files)
        assert [name for name, path in files.items() if (again / name).read_bytes() != path.read_bytes()] == []
        np.testing.assert_array_equal(draw(hub.load_pipeline(again)), expected)
        loaded = DiffusionPipeline.from_pretrained(again, trust_remote_code=True)
        assert type(loaded) is not SpriteLDMPipeline
        np.testing.assert_array_equal(draw(loaded), expected)


def test_own_components_travel_with_their_code(tmp_path):
    folder = hub.export(pipeline("vector"), tmp_path)
    files = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert files == {
        "model_index.json",
        "pipeline.py",
        "sprite_io.py",
        "sprite_lora.py",
        "sprite_modes.py",
        "sprite_palette.py",
        "scheduler/scheduler_config.json",
        "unet/config.json",
        "unet/diffusion_pytorch_model.safetensors",
        "unet/latent_mlp.py",
        "vae/config.json",
        "vae/diffusion_pytorch_model.safetensors",
        "vae/sprite_autoencoder.py",
    }
    index = index_of(folder)
    assert index["_class_name"] == ["pipeline", "SpriteLDMPipeline"]
    assert index["vae"] == ["sprite_autoencoder", "SpriteAutoencoder"]
    assert index["unet"] == ["latent_mlp", "LatentMLP"]
    assert index["scheduler"] == ["diffusers", "DDIMScheduler"]
    # each file runs where the package is not: it imports nothing from it
    for name in ("vae/sprite_autoencoder.py", "unet/latent_mlp.py"):
        lines = (folder / name).read_text().splitlines()
        assert not [line for line in lines if line.startswith(("from .", "from sprite", "import sprite"))]


def test_plain_diffusers_loads_the_components_of_a_map(tmp_path):
    for kind, vae_class in (("kl", AutoencoderKL), ("vq", VQModel)):
        folder = hub.export(pipeline(kind), tmp_path / kind)
        assert index_of(folder)["vae"] == ["diffusers", vae_class.__name__]
        vae = vae_class.from_pretrained(folder, subfolder="vae")
        unet = UNet2DModel.from_pretrained(folder, subfolder="unet")
        scheduler = DDIMScheduler.from_pretrained(folder, subfolder="scheduler")
        settings = {
            name: value for name, value in index_of(folder).items() if name.startswith(("latent_", "id2", "def"))
        }
        parts = SpriteLDMPipeline(vae, unet, scheduler, **settings)
        np.testing.assert_array_equal(draw(parts), draw(SpriteLDMPipeline.from_pretrained(folder)))


def test_auto_model_runs_the_code_beside_the_weights(tmp_path):
    folder = hub.export(pipeline("vector"), tmp_path)
    for name, own in (("vae", SpriteAutoencoder), ("unet", LatentMLP)):
        model = AutoModel.from_pretrained(str(folder / name), trust_remote_code=True)
        assert type(model).__name__ == own.__name__
        assert type(model) is not own
        installed = own.from_pretrained(folder, subfolder=name).state_dict()
        assert all(torch.equal(tensor, installed[key]) for key, tensor in model.state_dict().items())


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_complained_of_when_loading(kind, tmp_path, caplog):
    """Neither the ``auto_map`` in the folder's settings, nor the types that the pipeline's arguments are annotated with."""
    folder = hub.export(pipeline(kind), tmp_path)
    library = logging.getLogger("diffusers")
    library.addHandler(caplog.handler)  # diffusers does not hand its messages on
    try:
        SpriteLDMPipeline.from_pretrained(folder)
        DiffusionPipeline.from_pretrained(folder, trust_remote_code=True)
        load_autoencoder(folder)
    finally:
        library.removeHandler(caplog.handler)
    assert complaints(caplog.text) == []


@pytest.mark.parametrize("kind", KINDS)
def test_the_latent_scale_and_the_fingerprint_survive(kind, tmp_path):
    made = pipeline(kind, 4, image_size=7, binary_alpha=False, default_guidance_scale=1.5)
    loaded = SpriteLDMPipeline.from_pretrained(hub.export(made, tmp_path))
    names = ("latent_mean", "latent_std", "vae_fingerprint", "id2label", "default_num_inference_steps", "image_size",
             "default_guidance_scale", "default_guidance_interval", "binary_alpha")  # fmt: skip
    assert {name: loaded.config[name] for name in names} == {name: made.config[name] for name in names}
    assert loaded.config.vae_fingerprint == autoencoder_fingerprint(loaded.vae) == autoencoder_fingerprint(made.vae)
    images = torch.rand(2, 4, 8, 8, generator=torch.Generator().manual_seed(0)) * 2 - 1
    with torch.no_grad():
        torch.testing.assert_close(loaded.encode(images), made.encode(images), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_passes_the_check(dtype, tmp_path):
    folder = hub.export(pipeline("vector"), tmp_path)
    half = SpriteLDMPipeline.from_pretrained(folder, dtype=dtype)
    assert half.vae.dtype == half.unet.dtype == dtype
    assert draw(half).shape == (1, 8, 8, 3)


def test_another_autoencoder_in_the_folder_is_refused(tmp_path):
    made = pipeline("vector")
    folder, other = hub.export(made, tmp_path), autoencoder("vector", seed=1)
    other.save_pretrained(folder / "vae")
    with pytest.raises(ValueError, match="was trained on the latents of the autoencoder") as error:
        hub.load_pipeline(folder)
    for vae in (made.vae, other):
        assert autoencoder_fingerprint(vae)[:16] in str(error.value)
    with pytest.raises(ValueError, match="give it its own"):
        SpriteLDMPipeline.from_pretrained(folder, vae=other)
    assert draw(SpriteLDMPipeline.from_pretrained(folder, vae=made.vae)).shape == (1, 8, 8, 3)


def test_without_trust_the_folder_does_not_run_code(tmp_path):
    folder = hub.export(pipeline("vector"), tmp_path)
    with pytest.raises(ValueError, match="trust_remote_code"):
        DiffusionPipeline.from_pretrained(folder)
    with pytest.raises(ValueError, match="trust_remote_code"):
        AutoModel.from_pretrained(str(folder / "vae"))
