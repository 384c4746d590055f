"""From captions to sprites by way of a CLIP, as a user types it."""

from __future__ import annotations

import json
import runpy
import sys
from pathlib import Path

import pytest
from PIL import Image

from sprite_diffusers import cli

TRAINING = Path(__file__).parents[2] / "training"
DATA = ["--num_samples", "60", "--validation_split", "0.4"]
LOOP = ["--max_train_steps", "2", "--num_cpu_threads", "1", "--mixed_precision", "no"]
CLIP = ["--vision_channels", "32", "--text_hidden_size", "32", "--projection_dim", "32", "--vision_layers_per_block", "1",
        "--max_length", "12", "--output_dir", "clip"]  # fmt: skip
UNCLIP = ["--prior_num_layers", "1", "--prior_num_heads", "2", "--decoder_block_out_channels", "16", "16",
          "--decoder_attention_levels", "1", "--num_inference_steps", "2", "--prior_num_inference_steps", "2",
          "--output_dir", "unclip"]  # fmt: skip


@pytest.fixture
def script(in_tmp_path, monkeypatch, capsys):
    """Runs a launch script; returns exit code and error lines."""

    def run(name: str, *args: str) -> tuple[int, list[str]]:
        monkeypatch.setattr(sys, "argv", [name, *args])
        try:
            runpy.run_path(str(TRAINING / name), run_name="__main__")
            code = 0
        except SystemExit as stop:
            code = stop.code
        return code, [line for line in capsys.readouterr().err.splitlines() if line.startswith("error:")]

    return run


def test_a_clip_then_an_unclip_then_sprites(script, in_tmp_path, monkeypatch):
    assert script("train_clip.py", *DATA, *LOOP, *CLIP) == (0, [])
    assert script("train_unclip.py", *DATA, *LOOP, *UNCLIP, "--clip", "clip") == (0, [])
    assert json.loads((in_tmp_path / "unclip" / "unclip.json").read_text())["captions"]["count"] > 16
    command = ["sprite-diffusers", "sample", "unclip", "--prompt", "a red potion", "--num", "2", "--separate", "each"]
    monkeypatch.setattr(sys, "argv", command)
    cli.main()
    assert [Image.open(file).mode for file in (in_tmp_path / "each").iterdir()] == ["RGBA", "RGBA"]


def test_mistakes_are_one_line_and_write_nothing(script, in_tmp_path):
    for arguments, message in [
        ([], "--clip is missing: train one with training/train_clip.py"),
        (["--clip", "nowhere"], "the CLIP 'nowhere' cannot be loaded"),
        (["--clip", "c", "--super_res_size", "24"], "--super_res_size is 24, but must be a multiple of --image_size"),
        (["--clip", "c", "--decoder_level", "1"], "Unknown flag --decoder_level"),
    ]:
        code, errors = script("train_unclip.py", *DATA, *arguments, "--output_dir", "out")
        assert code == 2
        assert len(errors) == 1
        assert message in errors[0]
        assert not (in_tmp_path / "out").exists()
