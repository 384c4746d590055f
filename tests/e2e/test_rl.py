"""Tuning by rewards as a user launches it, on two processes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from sprite_diffusers.pipelines import ClassCondPipeline

TRAINING = Path(__file__).parents[2] / "training"


def test_two_processes_share_the_rollouts(in_tmp_path, class_cond):
    class_cond.save_pretrained("base")
    arguments = {"pipeline": "base", "output_dir": "out", "untrained_reward": "compressibility", "prompts_per_rollout": 3,
                 "num_images_per_prompt": 4, "updates_per_rollout": 1, "sampling_steps": 4, "eval_images_per_prompt": 2,
                 "max_train_steps": 2, "validation_steps": 1, "num_cpu_threads": 1, "num_colors": 4}  # fmt: skip
    flags = [part for name, value in arguments.items() for part in (f"--{name}", str(value))]
    command = [sys.executable, "-m", "accelerate.commands.launch", "--cpu", "--num_processes", "2",
               str(TRAINING / "train_rl.py"), *flags, "--rewards", "palette_fit", "--reward_weights", "1"]  # fmt: skip
    environment = {**os.environ, "MLFLOW_TRACKING_URI": f"sqlite:///{in_tmp_path}/mlflow.db"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    assert "after 2 steps, 48 images" in done.stdout + done.stderr  # 2 rollouts x 12 images x 2 processes
    rows = (in_tmp_path / "out" / "evaluations.csv").read_text(encoding="utf-8").splitlines()
    assert [row.split(",")[1] for row in rows] == ["queries", "0", "24", "48"]
    assert json.loads((in_tmp_path / "out" / "rl.json").read_text())["rl"]["estimator"] == "draft"
    pipeline = ClassCondPipeline.from_pretrained("base")
    pipeline.load_lora_weights("out")
    assert len(pipeline("food").images) == 1
