"""All scorers on squares of four colours: the rewards load what was saved, and score as it did."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from sprite_diffusers.data.degradations import degrade
from sprite_diffusers.errors import SpriteError
from sprite_diffusers.models.autoencoders import FACTS_FILE
from sprite_diffusers.models.clip import build_clip, load_clip, save_clip
from sprite_diffusers.models.text_training import train_wordpiece
from sprite_diffusers.rewards import AestheticReward, HPSReward, PickScoreReward, load_head
from sprite_diffusers.trainers.clip_data import ClipDataConfig, clip_splits, load_clip_data
from sprite_diffusers.trainers.reward_models.aesthetic import AestheticTrainer
from sprite_diffusers.trainers.reward_models.preference import HPSTrainer, PickScoreTrainer
from sprite_diffusers.trainers.reward_models.run import fit_rewards
from sprite_diffusers.trainers.reward_models.settings import KINDS, RewardModelConfig, RewardModelSettings

from ...captioned import save_squares
from ..tiny import loop

SMALL: dict[str, Any] = {"hps_width": 32, "hps_vision_layers": 1, "hps_text_layers": 1, "hps_context_length": 12,
                         "aesthetic_widths": [32, 16], "min_strength": 0.5,
                         **{f"{kind}_degradations": ["orphans"] for kind in KINDS},
                         **{f"{kind}_learning_rate": 3e-3 for kind in KINDS},
                         **{f"{kind}_batch_size": 16 for kind in KINDS}}  # fmt: skip


@pytest.fixture(scope="module")
def squares(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_squares(tmp_path_factory.mktemp("data") / "squares", 160)


@pytest.fixture(scope="module")
def clip_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A `CLIPModel` that has learnt nothing."""
    torch.manual_seed(0)
    tokenizer = train_wordpiece(["red green blue grey square on the left right number"] * 9, 200, 12)
    clip = build_clip(tokenizer, architecture="clip", image_size=16, block_out_channels=[32], text_hidden_size=32,
                      max_length=12, projection_dim=32, dropout=0.0)  # fmt: skip
    folder = tmp_path_factory.mktemp("clip")
    save_clip(clip, folder)
    return folder


def settings(dataset: Path, clip: Path | str, output_dir: Path, trainer: dict | None = None, **options: Any):
    reward = RewardModelConfig(clip=str(clip), **{**SMALL, **options})
    plain = {"max_train_steps": 50, "train_batch_size": 128, "learning_rate": 2e-4}
    return RewardModelSettings(
        loop(output_dir, **plain | (trainer or {})), ClipDataConfig(dataset=str(dataset)), reward
    )


def test_the_rewards_load_what_was_trained(squares, clip_folder, in_tmp_path, capsys):
    pytest.importorskip("open_clip", reason="open_clip is not installed: pip install 'sprite-diffusers[rewards]'")
    chosen = settings(squares, clip_folder, in_tmp_path / "out")
    dataset = load_clip_data(chosen.data, 0)
    results = fit_rewards(chosen, dataset)
    assert {kind: result.status for kind, result in results.items()} == dict.fromkeys(
        ("aesthetic", "pickscore", "hps"), "finished"
    )
    assert capsys.readouterr().out.count("| off_palette |") == 3
    folder = in_tmp_path / "out"
    rewards = [
        AestheticReward(folder / "aesthetic", clip_folder),
        PickScoreReward(folder / "pickscore"),
        HPSReward(folder / "hps"),
    ]
    held_out = clip_splits(dataset, 16, "white")["validation"]
    spoilt = degrade(held_out.pixels, "orphans", 1.0, torch.Generator().manual_seed(0))
    for reward in rewards:
        facts = json.loads((folder / reward.name / FACTS_FILE).read_text())
        assert facts["data_fingerprint"] == dataset.report.fingerprint
        assert facts["held_out"]["accuracy_orphans"] > 0.8
        values = [
            torch.tensor(reward(images=pixels.permute(0, 3, 1, 2).float() / 255, prompts=held_out.texts))
            for pixels in (held_out.pixels, spoilt)
        ]
        assert (values[0] > values[1]).float().mean() > 0.8
    assert len({reward.version for reward in rewards}) == 3
    seeds = [json.loads((folder / kind / FACTS_FILE).read_text())["seed"] for kind in results]
    assert seeds == [1, 2, 3]


def test_a_step_depends_on_its_number_alone_and_scores_are_the_rewards(squares, clip_folder, in_tmp_path):
    from sprite_diffusers.models.clip import load_clip

    pytest.importorskip("open_clip")
    chosen = settings(squares, clip_folder, in_tmp_path / "out")
    splits = clip_splits(load_clip_data(chosen.data, 0), 16, "white")
    pixels, texts = splits["validation"].pixels[:6], splits["validation"].texts[:6]
    images = pixels.permute(0, 3, 1, 2).float() / 255
    trainers = [
        AestheticTrainer(chosen.trainer, chosen, load_clip(clip_folder), splits, "f"),
        PickScoreTrainer(chosen.trainer, chosen, load_clip(clip_folder), splits, "f"),
        HPSTrainer(chosen.trainer, chosen, splits, "f"),
    ]
    for trainer in trainers:
        assert torch.equal(trainer.training_step(3), trainer.training_step(3))
        assert not torch.equal(trainer.training_step(3), trainer.training_step(4))
        trainer.raw_model.eval()
        trainer.save(in_tmp_path / trainer.name)
    rewards = [
        AestheticReward(in_tmp_path / "aesthetic", clip_folder),
        PickScoreReward(in_tmp_path / "pickscore"),
        HPSReward(in_tmp_path / "hps"),
    ]
    tolerances = (1e-4, 1e-4, 5e-3)  # HPS is saved in half precision
    for trainer, reward, tolerance in zip(trainers, rewards, tolerances, strict=True):
        expected = trainer.scores(pixels, texts).detach()
        torch.testing.assert_close(
            torch.tensor(reward(images=images, prompts=texts)), expected, rtol=0, atol=tolerance
        )


def test_one_that_is_resumed_goes_on_and_one_that_had_ended_stays(squares, clip_folder, in_tmp_path):
    def fit(folder: str, **trainer: Any) -> dict[str, torch.Tensor]:
        fit_rewards(settings(squares, clip_folder, in_tmp_path / folder, trainer, kind="aesthetic"))
        return load_head(in_tmp_path / folder / "aesthetic").state_dict()

    whole = fit("whole", max_train_steps=6)
    fit("parts", max_train_steps=3)
    with pytest.raises(SpriteError, match="already holds a model"):
        fit("parts", max_train_steps=6)
    resumed = fit("parts", max_train_steps=6, resume_from_checkpoint="latest")
    again = fit("parts", max_train_steps=6, resume_from_checkpoint="latest", validation_steps=3)
    for name, tensor in whole.items():
        assert torch.equal(tensor, resumed[name])
        assert torch.equal(tensor, again[name])
    facts = [json.loads((in_tmp_path / name / "aesthetic" / FACTS_FILE).read_text()) for name in ("whole", "parts")]
    assert facts[0]["held_out"] == facts[1]["held_out"]
    assert facts[0]["held_out"]["accuracy"] > 0


def test_the_target_of_the_aesthetic_head(squares, clip_folder, in_tmp_path, monkeypatch):
    chosen = settings(squares, clip_folder, in_tmp_path / "out", aesthetic_clean=8, aesthetic_worst=2)
    splits = clip_splits(load_clip_data(chosen.data, 0), 16, "white")
    trainer = AestheticTrainer(chosen.trainer, chosen, load_clip(clip_folder), splits, "f")
    monkeypatch.setattr(trainer, "model", lambda features: torch.full((len(features),), 8.0))
    loss = trainer.training_step(0)
    rows = trainer.sampler.indices(0)
    strengths = trainer.pool.strengths[rows]
    assert strengths.shape == (128, 3)
    assert ((strengths >= 0.5) & (strengths <= 1)).all()
    missed = (6 * strengths).square()  # it should have 8 - 6 * strength, and so much less than the clean sprite
    torch.testing.assert_close(loss, missed.sum() / (128 * 4) + missed.mean())
    first = trainer.splits["train"].pixels[trainer.rows[rows[0]]].permute(2, 0, 1)[None].float() / 255
    torch.testing.assert_close(trainer.pool.clean[rows[0]], trainer.clip.image_features(first)[0])
    trainer.save(in_tmp_path / "head")
    assert load_head(in_tmp_path / "head").layers[0].in_features == 32


def test_what_cannot_be_trained(squares, clip_folder, in_tmp_path):
    dual = build_clip(train_wordpiece(["red"] * 9, 50, 8), image_size=16, block_out_channels=[8, 16],
                      text_hidden_size=32, max_length=8, projection_dim=8)  # fmt: skip
    save_clip(dual, in_tmp_path / "dual")
    with pytest.raises(SpriteError, match="needs a CLIPModel"):
        fit_rewards(settings(squares, in_tmp_path / "dual", in_tmp_path / "out", kind="pickscore"))
    save_clip(dual, in_tmp_path / "other")
    (in_tmp_path / "other" / FACTS_FILE).write_text(json.dumps({"data_fingerprint": "0" * 64}))
    with pytest.raises(SpriteError, match="was trained on the split"):
        fit_rewards(settings(squares, in_tmp_path / "other", in_tmp_path / "out", kind="aesthetic"))
    for option, message in (
        ({"learning_rate": 0.1}, "--learning_rate 0.1: each scorer has its own; give --aesthetic_learning_rate"),
        ({"resume_from_checkpoint": "out/checkpoint-3"}, "each scorer has checkpoints of its own"),
        ({"push_to_hub": True, "hub_model_id": "me/it"}, "scorers are not uploaded"),
    ):
        with pytest.raises(SpriteError, match=message):
            fit_rewards(settings(squares, clip_folder, in_tmp_path / "out", option))
    assert not (in_tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"clip": ""}, "--clip is missing: train one with training/train_clip.py"),
        ({"hps_degradations": ["rust"]}, "--hps_degradations is ['rust'], but must be one or more of blur"),
        ({"pickscore_degradations": []}, "--pickscore_degradations is []"),
        ({"hps_minutes": 0}, "--hps_minutes is 0, but must be above 0"),
        ({"hps_pair_weight": -1.0}, "--hps_pair_weight is -1.0"),
        ({"min_strength": 1.0}, "--min_strength is 1.0"),
        ({"aesthetic_clean": 3}, "--aesthetic_worst is 3.0 and --aesthetic_clean 3"),
        ({"aesthetic_widths": []}, "--aesthetic_widths is []"),
        ({"hps_width": 40}, "--hps_width is 40, but must be a multiple of 32"),
        ({"hps_text_layers": 0}, "--hps_text_layers is 0"),
        ({"hps_context_length": 2}, "--hps_context_length is 2"),
    ],
)
def test_settings_that_cannot_be(options, message):
    with pytest.raises(SpriteError) as error:
        RewardModelConfig(**{"clip": "clip", **options})
    assert message in str(error.value)
