"""The scale of rewards as a file, and one number from several, against TRL's formulas written out."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import torch

from sprite_diffusers.errors import SpriteError
from sprite_diffusers.rewards import (
    DEFAULT_WEIGHTS,
    Calibration,
    NumColorsReward,
    PaletteFitReward,
    balanced_weights,
    composite,
    gather_rewards,
    normalize_then_sum,
    reward_weights,
    sum_then_normalize,
)

NAMES = list(DEFAULT_WEIGHTS)
GROUP = 4  # images of a prompt
PROMPTS = [prompt for prompt in ("a", "b", "c") for _ in range(GROUP)]


def values(count: int = 3 * GROUP) -> dict[str, list]:
    """Four rewards of very different sizes."""
    rng = np.random.default_rng(0)
    scales = {"aesthetic": (5, 0.5), "clip": (0.25, 0.03), "pickscore": (20, 1), "hps": (0.27, 0.01)}
    return {name: rng.normal(mean, sd, count).tolist() for name, (mean, sd) in scales.items()}


def trl_table(columns: dict[str, list]) -> torch.Tensor:
    rows = [[np.nan if value is None else value for value in column] for column in columns.values()]
    return torch.tensor(rows, dtype=torch.float64).T


def nanstd(table: torch.Tensor, dim: int | None = None, keepdim: bool = False) -> torch.Tensor:
    """With Bessel's correction, as TRL's."""
    mean = table.nanmean(dim=dim, keepdim=True)
    count = (~table.isnan()).sum(dim=dim, keepdim=True)
    deviation = (((table - mean) ** 2).nanmean(dim=dim, keepdim=True) * count / (count - 1)).sqrt()
    return deviation if keepdim else deviation.squeeze(dim) if dim is not None else deviation.squeeze()


def trl_sum_then_normalize(table: torch.Tensor, weights: torch.Tensor, scale: str) -> torch.Tensor:
    """GRPOTrainer, sum_then_normalize."""
    nothing = table.isnan().all(dim=1)
    rewards = (table * weights).nansum(dim=1)
    rewards[nothing] = torch.nan
    mean = rewards.view(-1, GROUP).nanmean(dim=1).repeat_interleave(GROUP)
    advantages = rewards - mean
    if scale == "group":
        advantages = advantages / (nanstd(rewards.view(-1, GROUP), dim=1).repeat_interleave(GROUP) + 1e-4)
    if scale == "batch":
        advantages = advantages / (nanstd(rewards) + 1e-4)
    return advantages.nan_to_num()


def trl_normalize_then_sum(table: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """GRPOTrainer, normalize_then_sum."""
    nothing = table.isnan().all(dim=1)
    grouped = table.view(-1, GROUP, table.shape[1])
    scaled = (grouped - grouped.nanmean(dim=1, keepdim=True)) / (nanstd(grouped, dim=1, keepdim=True) + 1e-4)
    rewards = (scaled.view_as(table) * weights).nansum(dim=1)
    rewards[nothing] = torch.nan
    return ((rewards - rewards.nanmean()) / (nanstd(rewards) + 1e-4)).nan_to_num()


@pytest.mark.parametrize("scale", ["group", "batch", "none"])
def test_sum_then_normalize_is_trls(scale):
    columns = values()
    columns["hps"][:GROUP] = [None] * GROUP  # applies to no image of the first prompt
    for column in columns.values():
        column[5] = None  # nothing applies to this one
    weights = torch.tensor([0.4, 0.4, 0.15, 0.05], dtype=torch.float64)
    expected = trl_sum_then_normalize(trl_table(columns), weights, scale)
    torch.testing.assert_close(sum_then_normalize(columns, groups=PROMPTS, scale=scale), expected)
    assert expected[5] == 0
    assert expected.abs().max() > 0.1


def test_balanced_weights_are_the_gradient_of_the_soft_minimum():
    weights, sharpness = [0.4, 0.4, 0.15, 0.05], 4.0
    gains = torch.tensor([0.7, -0.1, 0.2, 0.0], dtype=torch.float64, requires_grad=True)
    soft_minimum = (
        -torch.logsumexp(torch.tensor(weights, dtype=torch.float64).log() - sharpness * gains, 0) / sharpness
    )
    soft_minimum.backward()
    balanced = balanced_weights(weights, gains.tolist(), sharpness)
    assert balanced == pytest.approx(gains.grad.tolist(), abs=1e-12)
    assert balanced_weights(weights, gains.tolist(), 0.0) == pytest.approx(weights)
    # a reward that applied to no image has neither gained nor lost, and one without weight gets none
    assert balanced_weights([1.0, 1.0], [0.0, math.nan], 4.0) == pytest.approx([1.0, 1.0])
    assert balanced_weights([1.0, 1.0], [math.nan, 0.5], 0.0) == [1.0, 1.0]
    assert balanced_weights([1.0, 0.0], [2.0, -9e9], 4.0) == [1.0, 0.0]
    # a reward to be avoided that has risen has lost
    rising, falling = balanced_weights([0.5, -0.5], [0.0, 0.5], 2.0), balanced_weights([0.5, -0.5], [0.0, -0.5], 2.0)
    assert rising[1] < falling[1] < 0
    assert sum(map(abs, rising)) == pytest.approx(1.0)


def test_normalize_then_sum_is_trls():
    columns = values()
    columns["clip"][2] = columns["hps"][7] = None
    for column in columns.values():
        column[5] = None
    weights = torch.tensor([1.0, 2.0, 0.5, -1.0]).double()
    expected = trl_normalize_then_sum(trl_table(columns), weights)
    torch.testing.assert_close(normalize_then_sum(columns, weights.tolist(), PROMPTS), expected)
    order = np.random.default_rng(0).permutation(len(PROMPTS))  # images of a group need not be side by side
    mixed = {name: [column[index] for index in order] for name, column in columns.items()}
    found = normalize_then_sum(mixed, weights.tolist(), [PROMPTS[index] for index in order])
    torch.testing.assert_close(found, expected[order])


def test_a_reward_that_does_not_apply_speaks_neither_for_nor_against():
    columns = {"a": [5.0, None, 6.0, 7.0], "b": [0.0, 1.0, 0.0, -1.0]}
    advantages = sum_then_normalize(columns, scale="none")
    torch.testing.assert_close(advantages, torch.tensor([-1.0, 1.0, 0.0, 0.0]).double())
    assert composite({"a": [1.0, None, None], "b": [3.0, 3.0, None]}, [1, 3]) == [2.5, 3.0, None]


def test_groups_without_spread_teach_nothing():
    columns = {"a": [2.0, 2.0, 2.0, 1.0, 3.0], "b": [0.1] * 5}
    advantages = sum_then_normalize(columns, groups=[0, 0, 0, 1, 1])
    torch.testing.assert_close(advantages[:3], torch.zeros(3).double())
    assert advantages[3] == -advantages[4] != 0
    assert normalize_then_sum(columns, groups=[0, 0, 0, 1, 1])[:3].tolist() == pytest.approx([0, 0, 0], abs=1e-9)
    assert sum_then_normalize({"a": [1.0]}).tolist() == [0.0]


def test_calibration_is_a_file_and_brings_rewards_to_one_scale(tmp_path):
    columns = values(200)
    columns["hps"][3] = None
    calibration = Calibration.measure(columns, facts={"base": "unclip", "seed": 1})
    for name in NAMES:
        found = np.array([value for value in columns[name] if value is not None])
        scale = calibration.scale(name)
        assert (scale.mean, scale.sd, scale.count) == (
            pytest.approx(found.mean()), pytest.approx(np.std(found, ddof=1)), len(found)
        )  # fmt: skip
    calibration.save(tmp_path / "new" / "calibration.json")
    assert Calibration.load(tmp_path / "new" / "calibration.json") == calibration
    normal = calibration.normalize(columns)
    assert normal["hps"][3] is None
    table = trl_table(normal)
    torch.testing.assert_close(table.nanmean(dim=0), torch.zeros(4).double(), atol=1e-9, rtol=0)
    torch.testing.assert_close(nanstd(table, dim=0), torch.ones(4).double())
    assert np.mean(composite(normal)) == pytest.approx(0, abs=1e-3)
    better = {name: [value + calibration.scale(name).sd for value in values(50)[name]] for name in NAMES}
    paired = np.subtract(composite(calibration.normalize(better)), composite(calibration.normalize(values(50))))
    assert paired == pytest.approx(np.ones(50))


def test_uncalibrated_sums_let_the_largest_drown_the_others():
    """The reason for the scale: a change of one deviation in PickScore is 40 times that in CLIP."""
    columns = values()
    raised = {name: list(column) for name, column in columns.items()}
    raised["clip"][0] += 0.03 * 4
    calibration = Calibration.measure(values(500))

    def effect(scaled) -> float:
        return (
            sum_then_normalize(scaled(raised), groups=PROMPTS) - sum_then_normalize(scaled(columns), groups=PROMPTS)
        )[0].item()

    assert effect(calibration.normalize) > 3 * effect(lambda columns: columns)


def test_what_cannot_be_calibrated():
    with pytest.raises(SpriteError, match="'a' is 3 for every sample"):
        Calibration.measure({"a": [3.0, 3.0, None, 3.0]})
    with pytest.raises(SpriteError, match="'a' has 1 finite values"):
        Calibration.measure({"a": [3.0, None]})
    calibration = Calibration.measure({"a": [3.0, 4.0]})
    with pytest.raises(SpriteError, match="'b' is not calibrated"):
        calibration.normalize({"b": [1.0]})


def test_a_calibration_belongs_to_the_rewards_it_was_measured_with():
    rewards = [NumColorsReward(4), PaletteFitReward(["red"])]
    images = torch.rand(4, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    images[0] = 0.5
    calibration = Calibration.measure(gather_rewards(rewards, images), rewards)
    calibration.check(rewards)
    with pytest.raises(SpriteError, match="'num_colors' is of version '1 8', but was calibrated as '1 4'"):
        calibration.check([NumColorsReward(8)])


@pytest.mark.parametrize(
    "content",
    ["", "[]", "{}", '{"format": 1, "rewards": {"a": {}}, "facts": {}}', '{"format": 9, "rewards": {}, "facts": {}}'],
)
def test_files_that_are_no_calibration(tmp_path, content):
    (tmp_path / "x.json").write_text(content)
    with pytest.raises(SpriteError, match=r"x\.json is (no|a) calibration"):
        Calibration.load(tmp_path / "x.json")
    with pytest.raises(SpriteError, match="no calibration"):
        Calibration.load(tmp_path / "absent.json")


def test_calibration_file_is_readable(tmp_path):
    Calibration.measure({"a": [1.0, 3.0]}).save(tmp_path / "c.json")
    content = json.loads((tmp_path / "c.json").read_text())
    assert content["rewards"]["a"] == {"mean": 2.0, "sd": pytest.approx(2**0.5), "count": 2, "version": ""}


def test_weights():
    assert reward_weights(NAMES) == [0.4, 0.4, 0.15, 0.05]
    assert reward_weights(["hps", "clip"]) == [0.05, 0.4]
    assert reward_weights(["clip", "palette_fit"]) == [1.0, 1.0]
    assert reward_weights(["x", "y"], {"y": 2, "x": -1}) == [-1.0, 2.0]
    for weights in ([1.0], [1, 2, 3], {"x": 1, "z": 1}, []):
        with pytest.raises(SpriteError, match=r"reward weights .* for 2 rewards \(x, y\)"):
            reward_weights(["x", "y"], weights)
    for weights in ([0, 0], [1, float("nan")]):
        with pytest.raises(SpriteError, match="give finite numbers"):
            reward_weights(["x", "y"], weights)


def test_mismatches():
    with pytest.raises(SpriteError, match=r"2 reward weights .* for 4 rewards"):
        sum_then_normalize(values(), [1, 1])
    with pytest.raises(SpriteError, match="2 groups for 12 images"):
        normalize_then_sum(values(), groups=["a", "b"])
    with pytest.raises(SpriteError, match="several numbers of images"):
        sum_then_normalize({"a": [1.0], "b": [1.0, 2.0]})
    with pytest.raises(SpriteError, match="scale 'all'"):
        sum_then_normalize(values(), scale="all")
