"""The ``sprite-diffusers`` command."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from PIL import Image

from sprite_diffusers import cli, hub


@pytest.fixture
def run(monkeypatch, capsys):
    """Runs the command; returns its exit code, output and error output."""

    def run(*args):
        monkeypatch.setattr(sys, "argv", ["sprite-diffusers", *map(str, args)])
        try:
            cli.main()
            code = 0
        except SystemExit as stop:
            code = stop.code
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


def test_sample_a_class(run, class_cond, tmp_path):
    hub.export(class_cond, tmp_path / "model")
    sheet = tmp_path / "new" / "grid.png"
    arguments = ["sample", tmp_path / "model", "--class", "food", "--num", 6, "--scale", 3, "--out", sheet]
    code, out, _ = run(*arguments, "--separate", tmp_path / "each", "--batch_size", 4)
    assert code == 0
    assert "6 sprites" in out
    first = np.asarray(Image.open(sheet))
    files = sorted((tmp_path / "each").iterdir())
    assert len(files) == 6
    assert Image.open(files[0]).size == (24, 24)
    run(*arguments, "--batch_size", 6)
    np.testing.assert_array_equal(np.asarray(Image.open(sheet)), first)  # whatever the batch size


def test_all_classes_and_unconditional(run, class_cond, unconditional, tmp_path):
    hub.export(class_cond, tmp_path / "a")
    hub.export(unconditional, tmp_path / "b")
    assert "6 sprites" in run("sample", tmp_path / "a", "--num", 2, "--out", tmp_path / "a.png")[1]
    assert "2 sprites" in run("sample", tmp_path / "b", "--num", 2, "--out", tmp_path / "b.png")[1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["conditional", "--class", "fod"], "Unknown class 'fod'. Did you mean 'food'?"),
        (["conditional", "--class", "9"], "Class id 9 is out of range"),
        (["unconditional", "--guidance_scale", "2"], "--guidance_scale 2.0: "),
        (["unconditional", "--class", "food"], "is an unconditional model"),
        (["conditional", "--num", "0"], "0 is not 1 or more"),
        (["conditional", "--out", "grid.jpg"], "lossless"),
        (["nowhere"], "holds no pipeline"),
    ],
)
def test_mistakes_are_one_line_and_write_nothing(
    run, class_cond, unconditional, tmp_path, monkeypatch, arguments, message
):
    hub.export(class_cond, tmp_path / "conditional")
    hub.export(unconditional, tmp_path / "unconditional")
    monkeypatch.chdir(tmp_path)
    code, _out, err = run("sample", *arguments)
    assert code == 2
    assert message in err
    errors = [line for line in err.splitlines() if line.startswith("error:")]
    assert len(errors) == 1
    assert not list(tmp_path.glob("grid*"))


@pytest.mark.parametrize("arguments", [["--help"], ["sample", "--help"]])
def test_help_explains(run, arguments):
    code, out, _ = run(*arguments)
    assert code == 0
    assert "sample" in out
