"""The published folder: three ways to load it, saving it again, cards, upload."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import DiffusionPipeline, DPMSolverMultistepScheduler, UNet2DModel
from huggingface_hub import ModelCard
from PIL import Image

from sprite_diffusers import hub
from sprite_diffusers.errors import SpriteError
from sprite_diffusers.pipelines import ClassCondPipeline, SpriteDDPMPipeline

WITHOUT_THE_PACKAGE = """
import sys
sys.modules["sprite_diffusers"] = None  # importing it fails, as where it is not installed
import numpy as np, torch
from diffusers import DiffusionPipeline
source, out, again = sys.argv[1:]
pipe = DiffusionPipeline.from_pretrained(source, trust_remote_code=True)
np.save(out, pipe("food", generator=torch.Generator().manual_seed(0), output_type="np").images)
options = {"palette": ["#000000", (255, 0, 77), "#29adff"], "num_colors": 2, "palette_guidance": 0.5}
pipe("food", generator=torch.Generator().manual_seed(0), **options).images[0].save(again + ".png")
pipe.save_pretrained(again)
"""


def draw(pipeline, what="food"):
    pipeline.set_progress_bar_config(disable=True)
    return pipeline(what, generator=torch.Generator().manual_seed(0), output_type="np").images


def test_three_ways_give_the_same_pixels_and_save_again(class_cond, tmp_path):
    folder = hub.export(class_cond, tmp_path / "model")
    expected = draw(ClassCondPipeline.from_pretrained(folder))
    # weights from a file lie in memory otherwise than fresh ones, which changes the last bits of a convolution
    np.testing.assert_allclose(expected, draw(class_cond), atol=1e-5)

    command = [sys.executable, "-c", WITHOUT_THE_PACKAGE, folder, tmp_path / "remote.npy", tmp_path / "again"]
    subprocess.run(command, check=True, capture_output=True)
    np.testing.assert_array_equal(np.load(tmp_path / "remote.npy"), expected)
    with Image.open(tmp_path / "again.png") as image:  # palettes travel along
        colors = {color for _, color in image.getcolors() if color[3]}
    assert len(colors) == 2
    assert colors < {(0, 0, 0, 255), (255, 0, 77, 255), (41, 173, 255, 255)}

    index = json.loads((folder / "model_index.json").read_text())
    assert index["unet"] == ["diffusers", "UNet2DModel"]
    unet = UNet2DModel.from_pretrained(folder, subfolder="unet")
    scheduler = DPMSolverMultistepScheduler.from_pretrained(folder, subfolder="scheduler")
    parts = ClassCondPipeline(unet, scheduler, index["id2label"], index["default_num_inference_steps"])
    np.testing.assert_array_equal(draw(parts), expected)

    # what was loaded remotely and saved again loads in the same ways
    np.testing.assert_array_equal(draw(ClassCondPipeline.from_pretrained(tmp_path / "again")), expected)
    remote = DiffusionPipeline.from_pretrained(tmp_path / "again", trust_remote_code=True)
    np.testing.assert_array_equal(draw(remote), expected)
    assert type(remote) is not ClassCondPipeline


def test_two_remote_models_in_one_process_keep_their_own_code(class_cond, unconditional, tmp_path):
    hub.export(class_cond, tmp_path / "a")
    hub.export(unconditional, tmp_path / "b")
    first = DiffusionPipeline.from_pretrained(tmp_path / "a", trust_remote_code=True)
    DiffusionPipeline.from_pretrained(tmp_path / "b", trust_remote_code=True)
    first.save_pretrained(tmp_path / "a2")
    assert "class ClassCondPipeline" in (tmp_path / "a2" / "pipeline.py").read_text()
    np.testing.assert_array_equal(draw(ClassCondPipeline.from_pretrained(tmp_path / "a2")), draw(first))


def test_a_subclass_from_a_notebook_is_published_as_its_base(class_cond, tmp_path):
    namespace = {"ClassCondPipeline": ClassCondPipeline, "__name__": "__main__"}
    exec("class Mine(ClassCondPipeline):\n    pass", namespace)
    mine = namespace["Mine"](class_cond.unet, class_cond.scheduler, class_cond.config.id2label)
    mine.save_pretrained(tmp_path)
    assert json.loads((tmp_path / "model_index.json").read_text())["_class_name"] == ["pipeline", "ClassCondPipeline"]
    assert type(namespace["Mine"].from_pretrained(tmp_path)) is namespace["Mine"]


def test_without_trust_the_folder_does_not_run_code(class_cond, tmp_path):
    hub.export(class_cond, tmp_path)
    with pytest.raises(ValueError, match="trust_remote_code"):
        DiffusionPipeline.from_pretrained(tmp_path)


def test_a_hub_id_loads_without_a_flag(class_cond, tmp_path):
    """From the Hub's local cache, as after a download; the layout is huggingface_hub's own."""
    repository = tmp_path / "models--user--sprites"
    hub.export(class_cond, repository / "snapshots" / "abc")
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("abc")
    options = {"cache_dir": tmp_path, "local_files_only": True}
    loaded = ClassCondPipeline.from_pretrained("user/sprites", **options)
    np.testing.assert_allclose(draw(loaded), draw(class_cond), atol=1e-5)


def test_the_wrong_class_says_which_is_right(class_cond, tmp_path):
    hub.export(class_cond, tmp_path)
    with pytest.raises(ValueError, match=r"holds a ClassCondPipeline, not a SpriteDDPMPipeline"):
        SpriteDDPMPipeline.from_pretrained(tmp_path)


def test_load_pipeline_takes_the_class_from_the_folder(class_cond, unconditional, tmp_path):
    hub.export(class_cond, tmp_path / "a")
    hub.export(unconditional, tmp_path / "b")
    assert type(hub.load_pipeline(tmp_path / "a")) is ClassCondPipeline
    assert type(hub.load_pipeline(tmp_path / "b")) is SpriteDDPMPipeline
    with pytest.raises(SpriteError, match="holds no pipeline"):
        hub.load_pipeline(tmp_path)
    (tmp_path / "model_index.json").write_text('{"_class_name": "StableDiffusionPipeline"}')
    with pytest.raises(SpriteError, match="holds a StableDiffusionPipeline"):
        hub.load_pipeline(tmp_path)


def test_no_path_of_the_author_is_published(class_cond, tmp_path):
    hub.export(class_cond, tmp_path / "secret-place")
    again = ClassCondPipeline.from_pretrained(tmp_path / "secret-place")
    hub.export(again, tmp_path / "public")
    for file in (tmp_path / "public").rglob("*.json"):
        assert "secret-place" not in file.read_text(), file


def test_export_keeps_other_files_and_survives_a_failure(class_cond, tmp_path, monkeypatch):
    (tmp_path / "checkpoint-1").mkdir()
    (tmp_path / "checkpoint-1" / "state").touch()
    hub.export(class_cond, tmp_path)
    published = {path.relative_to(tmp_path).as_posix() for path in hub.published_files(tmp_path)}
    assert published == {
        "model_index.json",
        "pipeline.py",
        "sprite_io.py",
        "sprite_lora.py",
        "sprite_modes.py",
        "sprite_palette.py",
        "scheduler/scheduler_config.json",
        "unet/config.json",
        "unet/diffusion_pytorch_model.safetensors",
    }
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    monkeypatch.setattr(class_cond.scheduler, "save_pretrained", lambda *args, **kwargs: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        hub.export(class_cond, tmp_path)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before
    assert (tmp_path / "checkpoint-1").is_dir()


def test_cards_have_valid_metadata(tmp_path):
    card = hub.model_card(
        "class_cond",
        model_name="tiles",
        dataset="rltiles",
        results={"validation_loss": 0.25},
        tags=["rgb"],
        repo_id="user/tiles",
        image_size=16,
        image_mode="RGB",
        classes="monster, item",
        example_class="'monster'",
        parameters="2.7 million",
        training_facts="## Training\n\n- Data: `rltiles`",
    )
    card.save(tmp_path / "README.md")
    data = ModelCard.load(tmp_path / "README.md").data
    assert data.library_name == "diffusers"
    assert data.eval_results[0].metric_value == 0.25
    assert data.eval_results[0].dataset_name == "rltiles"
    text = (tmp_path / "README.md").read_text()
    assert 'from_pretrained("user/tiles")' in text
    assert "{{" not in text


def test_push_uploads_the_model_and_not_the_checkpoints(class_cond, tmp_path, monkeypatch):
    calls = {}

    class Api:
        def create_repo(self, repo_id, exist_ok, private):
            calls["private"] = private
            return type("Url", (), {"repo_id": repo_id})

        def upload_folder(self, **options):
            calls.update(options)
            return type("Commit", (), {"commit_url": f"hub:{options['repo_id']}"})

    monkeypatch.setattr(hub, "HfApi", Api)
    with pytest.raises(SpriteError, match="no pipeline to upload"):
        hub.push(tmp_path, "user/sprites")
    hub.export(class_cond, tmp_path)
    assert hub.push(tmp_path, "user/sprites", private=True) == "hub:user/sprites"
    assert calls["private"]
    assert Path(calls["folder_path"]) == tmp_path
    assert "checkpoint-*" in calls["ignore_patterns"]


def test_results_go_into_the_card(class_cond, tmp_path):
    card = hub.model_card(
        "class_cond", "m", "sprites", {"validation_loss": 0.5}, [], repo_id="m", image_size=8, image_mode="RGBA",
        classes="a", example_class="'a'", parameters="1", training_facts="## Training\n\n- long",
    )  # fmt: skip
    hub.export(class_cond, tmp_path / "m", card)
    hub.add_results(tmp_path / "m", "sprites", {"fd_pca20": 9.0, "accuracy": float("nan")}, "| first |")
    hub.add_results(tmp_path / "m", "sprites", {"fd_pca20": 3.0}, "| second |")
    changed = ModelCard.load(tmp_path / "m" / "README.md")
    figures = {entry.metric_type: entry.metric_value for entry in changed.data.eval_results}
    assert figures == {"validation_loss": 0.5, "fd_pca20": 3.0}
    assert changed.text.count("## Evaluation") == 1
    assert "| second |" in changed.text
    assert "| first |" not in changed.text
    assert "- long" in changed.text
    assert changed.data.tags == card.data.tags


def test_results_without_a_card(tmp_path):
    with pytest.raises(SpriteError, match=r"README.md cannot be read as a model card"):
        hub.add_results(tmp_path, "sprites", {"fd_pca20": 9.0}, "| table |")
