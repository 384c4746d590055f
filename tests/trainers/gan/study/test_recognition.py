"""A classifier's verdict on snapshots: shares, first steps, and images of the wrong kind."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from sprite_diffusers.errors import SpriteError
from sprite_diffusers.models import SpriteClassifier
from sprite_diffusers.trainers.gan.gan_trainer import fit_gan
from sprite_diffusers.trainers.gan.study.recognition import (
    Recognition,
    RunStudy,
    class_probabilities,
    recognise,
    study_recognition,
)

from ..parts import settings


def by_brightness(channels: int) -> SpriteClassifier:
    """Class 1 for bright images, class 0 for dark ones, undecided between."""
    torch.manual_seed(0)
    model = SpriteClassifier(channels, 8, {"0": "food", "1": "side-facing"}, [8], 2, norm_num_groups=4).eval()

    def forward(sample, return_dict=True):
        level = sample.mean(dim=(1, 2, 3)) * 20
        return type("Output", (), {"logits": torch.stack([-level, level], dim=1)})

    model.forward = forward  # type: ignore[method-assign]
    return model


def levels(*values: float, channels: int = 1) -> torch.Tensor:
    return torch.tensor(values)[:, None, None, None].expand(-1, channels, 8, 8)


def test_shares_count_what_is_confident():
    found = recognise(by_brightness(1), levels(-1, -0.5, 0.9, 0.01), confidence=0.9)
    assert found.confident == pytest.approx(0.75)
    assert found.shares.tolist() == pytest.approx([0.5, 0.25])
    assert found.rarest == pytest.approx(0.25)
    entropy = -(2 / 3 * np.log(2 / 3) + 1 / 3 * np.log(1 / 3)) / np.log(2)
    assert found.balance == pytest.approx(entropy)


def test_grey_images_are_shown_as_rgb_but_not_the_other_way():
    assert torch.equal(
        class_probabilities(by_brightness(3), levels(0.3)), class_probabilities(by_brightness(1), levels(0.3))
    )
    with pytest.raises(SpriteError, match="the classifier is for 8x8 grey images, but these are 8x8 RGB"):
        class_probabilities(by_brightness(1), levels(0.3, channels=3))


def test_first_step_of_a_share():
    found = [Recognition(share, np.array([share / 2, share / 2])) for share in (0.1, 0.6, 0.4, 0.95)]
    study = RunStudy("run", [500, 1000, 1500, 2000], found, 0, [])
    assert [study.first_step(share) for share in (0.5, 0.9, 0.99)] == [1000, 2000, None]


def test_a_study_of_a_run(in_tmp_path):
    config = settings(in_tmp_path, network={"snapshot_steps": 3}, data={"image_mode": "RGB"})
    run = fit_gan(config).output_dir
    torch.manual_seed(0)
    names = {"0": "food", "1": "side-facing"}
    SpriteClassifier(3, 8, names, [8], 4, norm_num_groups=4, mode="RGB").save_pretrained(in_tmp_path / "judge")
    page = study_recognition([run], in_tmp_path / "judge", config.data.dataset, in_tmp_path / "study", num_samples=40,
                             confidence=0.1)  # fmt: skip
    text = page.read_text()
    assert "| out | 3 | 3 | 100.0% |" in text  # any of two classes has more than 0.1
    assert text.count("\n| 3 | 100.0% |") == 1
    rows = (in_tmp_path / "study" / "recognition.csv").read_text().splitlines()
    assert rows[0] == "run,step,recognised,balance,share_food,share_side-facing"
    assert [row.split(",")[:3] for row in rows[1:]] == [["out", "3", "1.0"], ["out", "6", "1.0"]]
    for name in ("recognition.png", "grids-out.png"):
        assert (in_tmp_path / "study" / name).is_file()


def test_a_run_without_snapshots(in_tmp_path):
    config = settings(in_tmp_path, data={"image_mode": "RGB"}, max_train_steps=1)
    run = fit_gan(config).output_dir
    names = {"0": "food", "1": "side-facing"}
    SpriteClassifier(3, 8, names, [8], 4, norm_num_groups=4).save_pretrained(in_tmp_path / "judge")
    with pytest.raises(SpriteError, match="has no snapshots: train with --snapshot_steps"):
        study_recognition([run], in_tmp_path / "judge", config.data.dataset, in_tmp_path / "study")
