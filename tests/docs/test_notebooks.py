"""The notebooks of docs/, executed with few and small steps, all in one Python: importing the libraries is most of the time."""

from __future__ import annotations

import base64
import io
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sprite_diffusers import load_sprites
from sprite_diffusers.pixels import load_palette

nbformat = pytest.importorskip("nbformat")
nbclient = pytest.importorskip("nbclient", reason="the notebooks need nbclient and ipykernel")
pytest.importorskip("ipykernel")

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "docs" / "notebooks"
NAMES = sorted(path.stem for path in FOLDER.glob("*.ipynb"))

NETWORK = "--block_out_channels 8 16 --norm_num_groups 4 --num_cpu_threads 1"
MODEL = {"NUM_SPRITES": 300, "FLAGS": f"{NETWORK} --train_batch_size 8 --max_train_steps 4 --num_inference_steps 2"}
CLASSIFIER = {"CLASSIFIER_FLAGS": f"{NETWORK} --feature_dim 8 --train_batch_size 8 --max_train_steps 4"}
TINY = {
    "train_and_sample": MODEL,
    "pixel_perfect": MODEL,
    "text_to_sprite": {
        "NUM_SPRITES": 60,
        "CLIP_FLAGS": "--max_train_steps 2 --vision_channels 32 --text_hidden_size 32 --projection_dim 32 --vision_layers_per_block 1 "
        "--validation_split 0.4 --num_cpu_threads 1",
        "FLAGS": "--max_train_steps 2 --prior_num_layers 1 --prior_num_heads 2 --decoder_block_out_channels 16 16 "
        "--decoder_attention_levels 1 --num_inference_steps 2 --prior_num_inference_steps 2 --validation_split 0.4 "
        "--num_cpu_threads 1",
    },
    "evaluate": MODEL
    | CLASSIFIER
    | {"NUM_SAMPLES": 30, "DISTILL_FLAGS": "--num_trajectories 32 --teacher_steps 2 --max_train_steps 2 --num_cpu_threads 1"},
    "tune_by_rewards": MODEL
    | CLASSIFIER
    | {
        "STEPS": 2,
        "TUNING_FLAGS": "--prompts_per_rollout 2 --num_images_per_prompt 2 --sampling_steps 2 --eval_images_per_prompt 2 "
        "--validation_steps 1 --lora_rank 2 --num_cpu_threads 1",
    },
}  # fmt: skip


def read(name: str):
    return nbformat.read(FOLDER / f"{name}.ipynb", as_version=4)


def test_every_notebook_is_executed_here():
    assert set(TINY) == set(NAMES)


# ---- as they are committed ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_a_notebook_holds_no_outputs_and_nothing_that_changes_by_itself(name):
    text = (FOLDER / f"{name}.ipynb").read_text(encoding="utf-8")
    notebook = nbformat.reads(text, as_version=4)
    nbformat.validate(notebook)
    assert text == nbformat.writes(notebook) + "\n"
    assert notebook.metadata == {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    ids = [cell.id for cell in notebook.cells]
    assert len(set(ids)) == len(ids)
    for cell in notebook.cells:
        assert re.fullmatch(r"[a-z]+(-[a-z]+)*", cell.id), "a name, not Jupyter's random letters and digits"
        assert cell.metadata == ({"tags": ["parameters"]} if cell.id == "parameters" else {})
        if cell.cell_type == "code":
            assert (cell.outputs, cell.execution_count) == ([], None)


@pytest.mark.parametrize("name", NAMES)
def test_a_notebook_starts_with_a_picture_and_what_it_needs(name):
    title, setup, parameters = read(name).cells[:3]
    assert title.source.startswith("# ")
    with Image.open(FOLDER / re.search(r"^!\[.+\]\((.+)\)$", title.source, re.MULTILINE)[1]) as picture:
        assert picture.width > 0
    assert "%pip install" in setup.source
    assert set(TINY[name]) <= set(re.findall(r"^(\w+) = ", parameters.source, re.MULTILINE))
    assert f"({name}.ipynb)" in (FOLDER / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", NAMES)
def test_links_lead_somewhere(name):
    texts = [cell.source for cell in read(name).cells if cell.cell_type == "markdown"]
    for target in re.findall(r"\]\(([^)#]+)", "\n".join(texts)):
        assert (FOLDER / target).is_file(), target


# ---- executed -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def kernel(tmp_path_factory: pytest.TempPathFactory) -> Iterator:
    """A running Python for notebooks, without network and without a person's settings."""
    settings = str(tmp_path_factory.mktemp("ipython"))
    client = nbclient.NotebookClient(nbformat.v4.new_notebook(), timeout=300, kernel_name="python3")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", "IPYTHONDIR": settings, "JUPYTER_RUNTIME_DIR": settings}.items():  # fmt: skip
            patch.setenv(name, value)
        with client.setup_kernel():
            yield client


@pytest.fixture
def execute(kernel, tmp_path: Path, empty_store: Path) -> Callable[[str], Path]:
    """Executes a notebook with its tiny settings as if it lay in a clone at `tmp_path`; returns the folder it ran in."""

    def execute(name: str) -> Path:
        folder = tmp_path / "docs" / "notebooks"
        folder.mkdir(parents=True)
        (tmp_path / "training").symlink_to(ROOT / "training")
        shutil.copyfile(empty_store, folder / "mlflow.db")
        begin = [
            "import os",
            f"os.chdir({str(folder)!r})",
            f"os.environ['MLFLOW_TRACKING_URI'] = 'sqlite:///{folder}/mlflow.db'",
            "%reset -f",
        ]
        tiny = [f"{variable} = {value!r}" for variable, value in TINY[name].items()]
        notebook = read(name)
        position = [cell.id for cell in notebook.cells].index("parameters") + 1
        notebook.cells.insert(position, nbformat.v4.new_code_cell("\n".join(tiny)))
        notebook.cells.insert(0, nbformat.v4.new_code_cell("\n".join(begin)))
        kernel.nb = notebook
        kernel.reset_execution_trackers()
        for index, cell in enumerate(notebook.cells):
            kernel.execute_cell(cell, index)
        return folder

    return execute


def shown(kernel, cell_id: str, kind: str) -> str:
    """What a cell of the notebook that was executed last shows or prints: ``"image/png"`` in base64, or ``"stdout"``."""
    (cell,) = [cell for cell in kernel.nb.cells if cell.id == cell_id]
    if kind == "stdout":
        return "".join(output.text for output in cell.outputs if output.get("name") == kind)
    (content,) = [output.data[kind] for output in cell.outputs if kind in output.get("data", {})]
    return content


def rows(kernel, cell_id: str, scale: int) -> float:
    """How many rows of 16x16 sprites the grid of a cell has."""
    with Image.open(io.BytesIO(base64.b64decode(shown(kernel, cell_id, "image/png")))) as image:
        return (image.height / scale - 1) / 17  # a gap of one pixel round each


def test_train_and_sample(execute, kernel):
    folder = execute("train_and_sample")
    assert (folder / "outputs" / "sprites" / "model_index.json").is_file()
    assert len(list((folder / "outputs" / "sprites" / "drawn").glob("*.png"))) == 5 * 8
    assert rows(kernel, "draw", 4) == 5
    assert rows(kernel, "palette", 4) == 3


def test_pixel_perfect(execute, kernel):
    folder = execute("pixel_perfect") / "outputs" / "pixel-perfect"
    lines = shown(kernel, "count", "stdout").splitlines()
    assert not lines[0].endswith(", 0 not in the palette")
    assert all(line.endswith(", 0 not in the palette") for line in lines[1:])
    pixels = np.asarray(Image.open(folder / "hero.png").convert("RGBA"))
    assert set(np.unique(pixels[..., 3])) == {0, 255}
    assert set(map(tuple, pixels[pixels[..., 3] > 0][:, :3].tolist())) <= set(load_palette("pico-8").colors)
    assert len(load_palette(folder / "own.gpl")) == 12
    assert load_sprites(folder / "hero.json").report.class_names == ("appear", "change")
    assert (folder / "large.gif").is_file()
    assert shown(kernel, "read", "stdout") == "equal pixels: True - appear, change\n"
    assert shown(kernel, "pixelate", "stdout").startswith("enlarged by 6: ")


def test_text_to_sprite(execute, kernel):
    folder = execute("text_to_sprite") / "outputs"
    assert (folder / "clip" / "config.json").is_file()
    assert (folder / "text" / "unclip.json").is_file()
    assert rows(kernel, "draw", 4) == 4
    assert rows(kernel, "vary", 4) == 3
    assert rows(kernel, "mix", 6) == 1


def test_evaluate(execute, kernel):
    folder = execute("evaluate") / "outputs"
    assert (folder / "audit" / "audit.html").is_file()
    for model in ("sprites", "fast"):
        assert {"scores.json", "metrics.md", "grid.png"} <= {
            path.name for path in (folder / model / "evaluation").iterdir()
        }
    assert shown(kernel, "compare", "stdout").count("in two steps") == 3
    assert "FD feature" in (folder / "results.md").read_text(encoding="utf-8")


def test_tune_by_rewards(execute, kernel):
    folder = execute("tune_by_rewards") / "outputs" / "tuned"
    assert (folder / "pytorch_lora_weights.safetensors").is_file()
    assert rows(kernel, "draw", 3) == 2
    assert re.fullmatch(r"palette_fit: [01]\.\d+ before, [01]\.\d+ after\nhard_edges: [01]\.\d+ before, [01]\.\d+ after\n", shown(kernel, "measure", "stdout"))  # fmt: skip
    assert len((folder / "evaluations.csv").read_text(encoding="utf-8").splitlines()) == 1 + 3
