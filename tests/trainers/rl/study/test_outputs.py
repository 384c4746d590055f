"""Files and tables of a study: values as they were, pictures with what they should show."""

from __future__ import annotations

import csv

import numpy as np
import pytest
import torch
from PIL import Image

from sprite_diffusers.errors import SpriteError
from sprite_diffusers.rewards import Calibration, Scale
from sprite_diffusers.trainers.rl.study.figures import before_after_sheet, plot_curves, plot_pareto
from sprite_diffusers.trainers.rl.study.outputs import folds_table, read_history, results_table, write_fold_csv
from sprite_diffusers.trainers.rl.study.statistics import Gain, paired_gain

CALIBRATION = Calibration({"clip": Scale(0.2, 0.1, 100), "hps": Scale(5.0, 2.0, 100)})


def cells(table: str, name: str) -> list[str]:
    line = next(line for line in table.splitlines() if line.startswith(f"| {name} "))
    return [cell.strip() for cell in line.split("|")[1:-1]]


def test_csv_of_images(tmp_path):
    rows = [
        {"prompt": 'a "red", cat', "image": 0, "clip_base": 0.1, "clip_tuned": 1 / 3, "hps_base": None},
        {"prompt": "ein Bär", "image": 1, "clip_base": -2.0, "clip_tuned": 0.2, "hps_base": 5.0},
    ]
    write_fold_csv(tmp_path / "folds" / "fold.csv", rows)
    with (tmp_path / "folds" / "fold.csv").open(newline="", encoding="utf-8") as file:
        read = list(csv.DictReader(file))
    assert list(read[0]) == list(rows[0])
    assert read[0]["prompt"] == 'a "red", cat'
    assert float(read[0]["clip_tuned"]) == 1 / 3
    assert read[0]["hps_base"] == ""
    assert [path.name for path in (tmp_path / "folds").iterdir()] == ["fold.csv"]
    for bad in ([], [{"a": 1}, {"b": 1}]):
        with pytest.raises(SpriteError, match=f"would have {len(bad)} rows, not all of the same columns"):
            write_fold_csv(tmp_path / "bad.csv", bad)


def test_history_comes_back(tmp_path):
    rows = [{"step": 0.0, "gain": 0.0, "untrained": 0.5}, {"step": 4.0, "gain": 0.25}]
    lines = ["step,gain,untrained", "0,0.0,0.5", "4,0.25,"]
    (tmp_path / "evaluations.csv").write_text("\n".join(lines), encoding="utf-8")
    assert read_history(tmp_path / "evaluations.csv") == rows
    (tmp_path / "words.csv").write_text("step\nfour\n", encoding="utf-8")
    for name in ("words.csv", "none.csv"):
        with pytest.raises(SpriteError, match="is no table of evaluations"):
            read_history(tmp_path / name)


def test_table_of_results():
    prompts = ["a", "a", "b", "b"]
    base = {"clip": [0.1, 0.2, 0.3, 0.4], "hps": [4.0, 5.0, 6.0, None]}
    tuned = {"clip": [0.2, 0.3, 0.45, 0.55], "hps": [4.0, 5.0, 6.0, 9.0]}
    weights = {"clip": 3.0, "hps": 1.0}
    table = results_table(base, tuned, prompts, CALIBRATION, weights, ("edges", [1.0] * 4, [0.5] * 4), 0.875)
    margin = paired_gain([0.0, 0.0], [0.1, 0.15], ["a", "b"]).high - 0.125
    clip = cells(table, "clip")
    assert clip[1:3] == ["0.250 ± 0.129", f"0.375 ± {np.std(tuned['clip'], ddof=1):.3f}"]
    assert clip[3] == f"+0.125 ({0.125 - margin:+.3f} to {0.125 + margin:+.3f})"
    assert clip[4] == f"+1.250 ({10 * (0.125 - margin):+.3f} to {10 * (0.125 + margin):+.3f})"
    assert cells(table, "hps")[3] == "+0.000 (+0.000 to +0.000)"
    # per image: 3/4 of 1 sd, twice; 3/4 of 1.5 sd; 1.5 sd and no more where hps does not apply to the base: it went from
    # 2 sd to (3 * 3.5 + 2) / 4 = 3.125
    assert cells(table, r"**composite**")[4].startswith(f"+{(0.75 + (1.125 + 1.125) / 2) / 2:.3f} (")
    assert cells(table, "edges (untrained)")[3:] == ["-0.500 (-0.500 to -0.500)", ""]
    assert "4 pairs of images from the same noise; Student's t intervals over 2 prompts" in table
    assert table.endswith("Diversity among images of a prompt: 0.88 of the base's.\n")


def test_table_of_one_prompt_says_so():
    values = {"clip": [0.1, 0.2, 0.3]}
    table = results_table(values, values, ["a"] * 3, Calibration({"clip": CALIBRATION.scales["clip"]}))
    assert "over 3 images of the only prompt" in table
    one = {"clip": [0.1]}
    assert "(-∞ to +∞)" in results_table(one, one, ["a"], Calibration({"clip": CALIBRATION.scales["clip"]}))


def test_table_of_folds():
    folds = {
        f"fold-{number}": {"composite": Gain(mean, mean - 0.1, mean + 0.1, 0.2, 8, 32)}
        for number, mean in enumerate((0.05, 0.25, 0.45))
    }
    table = folds_table(folds)
    assert cells(table, "fold-0") == ["fold-0", "+0.050 (-0.050 to +0.150)"]
    assert cells(table, r"**mean ± sd**")[1] == "+0.250 ± 0.200"
    assert cells(table, "above zero")[1] == "2 of 3"
    with pytest.raises(SpriteError, match="2 folds with different gains"):
        folds_table({**{"x": {}}, **{"fold": folds["fold-0"]}})


def curves(start: int, count: int) -> list[dict[str, float]]:
    return [
        {
            "step": step,
            "queries": 100 * step,
            "gain": 0.1 * step,
            "rewards/clip": 0.2 + step,
            "diversity": 1 - step / 50,
        }
        for step in range(start, start + count)
    ]


def test_curves_are_drawn_for_each_figure(tmp_path):
    plot_curves({"fold-0": curves(0, 6), "fold-1": curves(1, 4)}, tmp_path / "new" / "curves.png")
    with Image.open(tmp_path / "new" / "curves.png") as picture:
        assert picture.size[0] > 1000
        colors = {color for _, color in picture.convert("RGB").getcolors(1 << 20)}
    assert {(0x24, 0x56, 0xC8), (0xC8, 0x10, 0x2E)} <= colors  # both folds
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["curves.png"]
    for histories, name in (({}, "any fold"), ({"fold-0": curves(0, 2), "fold-1": []}, "fold-1")):
        with pytest.raises(SpriteError, match=f"no evaluations of {name} to draw"):
            plot_curves(histories, tmp_path / "none.png")


def test_rewards_are_drawn_from_the_base_on(monkeypatch, tmp_path):
    from matplotlib.axes import Axes

    drawn = []
    plot = Axes.plot
    monkeypatch.setattr(Axes, "plot", lambda self, x, y, *a, **k: (drawn.append((x, y)), plot(self, x, y, *a, **k))[1])
    plot_curves({"fold-0": curves(0, 3)}, tmp_path / "curves.png")
    lines = [(x, y) for x, y in drawn if np.ndim(y)]
    np.testing.assert_allclose(lines[1], ([0, 100, 200], [0, 1, 2]))  # less their value at step 0
    np.testing.assert_allclose(lines[2], ([0, 100, 200], [1, 0.98, 0.96]))
    drawn.clear()
    plot_curves({"fold-0": curves(1, 2)}, tmp_path / "curves.png")
    lines = [(x, y) for x, y in drawn if np.ndim(y)]
    np.testing.assert_allclose(lines[0], ([0, 100, 200], [0, 0.1, 0.2]))  # the base's gain is known
    np.testing.assert_allclose(lines[1], ([100, 200], [1.2, 2.2]))


def test_pareto_picture(tmp_path):
    gains = [{"clip": 0.1, "hps": 0.5}, {"clip": 0.4, "hps": 0.1}, {"clip": 0.0, "hps": 0.0}]
    plot_pareto(gains, [0, 1], tmp_path / "search.png")
    with Image.open(tmp_path / "search.png") as picture:
        colors = {color for _, color in picture.convert("RGB").getcolors(1 << 20)}
    assert {(0x24, 0x56, 0xC8), (0xC8, 0x10, 0x2E), (0xC4, 0xC4, 0xC4)} <= colors
    with pytest.raises(SpriteError, match="no trials to draw"):
        plot_pareto([], [], tmp_path / "none.png")


def test_sheet_holds_pairs_in_their_order(tmp_path):
    shades = np.linspace(0, 1, 8)
    base = torch.from_numpy(np.repeat(shades, 3 * 16 * 16).reshape(8, 3, 16, 16)).float()
    tuned = base.clone()
    tuned[:, 0] = 1.0  # red where the base is dark
    sheet = before_after_sheet(["a cat"] * 4 + ["a dog"] * 4, base, tuned, tmp_path / "sheet.png", scale=4)
    pixels = np.asarray(Image.open(tmp_path / "sheet.png"))
    np.testing.assert_array_equal(pixels, np.asarray(sheet))
    gap, side, pair = 12, 64, 4 * (2 * 17 + 1)
    for number, shade in enumerate((shades * 255).round()):
        left = gap + number % 4 * (pair + gap) + 4
        top = gap + 18 + 18 + number // 4 * (18 + 4 * 18 + gap) + 4
        assert (pixels[top : top + side, left : left + side] == shade).all()
        assert (pixels[top : top + side, left + side + 4 : left + 2 * side + 4] == (255, shade, shade)).all()
    arrays = [np.zeros((16, 16, 4), np.uint8)] * 3
    small = before_after_sheet(["a " * 400, "b", "c"], arrays, arrays, max_prompts=1)
    assert small.width >= 360
    assert small.height < 200
    with pytest.raises(SpriteError, match="2 prompts, 3 images of the base and 3 of the tuned model make no pairs"):
        before_after_sheet(["a", "b"], arrays, arrays)
