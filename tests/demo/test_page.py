"""The page as it is served: what it offers, and that nothing else can be read through it."""

from __future__ import annotations

import importlib.util
import json
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

import pytest

from sprite_diffusers.demo.files import Workspace
from sprite_diffusers.demo.models import Shelf
from sprite_diffusers.demo.training import Training

pytest.importorskip("gradio")


@pytest.fixture
def serve(monkeypatch):
    """Serves a page on a free port; everything is closed at the end."""
    from sprite_diffusers.demo.page import app
    from sprite_diffusers.demo.page.events import Demo

    monkeypatch.setenv("GRADIO_TEMP_DIR", "")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    opened = []

    def serve(shelf: Shelf, training: Training | None = None):
        workspace = Workspace()
        opened.append((app.serve(Demo(shelf, workspace, training), "127.0.0.1", None, wait=False), workspace))
        return opened[-1]

    yield serve
    for page, workspace in opened:
        page.close(verbose=False)
        workspace.close()


def get(address: str, content: object = None) -> tuple[int, str]:
    """Status and text; with `content`, JSON is posted."""
    data = None if content is None else json.dumps(content).encode()
    request = urllib.request.Request(address, data, {"Content-Type": "application/json"})
    try:
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=30) as answer:
            return answer.status, answer.read().decode(errors="replace")
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode(errors="replace")


def tabs(page) -> list[str]:
    return [block["props"]["label"] for block in page.config["components"] if block["type"] == "tabitem"]


def send(page, target: str, values: dict[str, object]) -> str:
    """What the server answers to the event of the button `target`, with values by the ids of components."""
    ids = {block["props"].get("elem_id"): block["id"] for block in page.config["components"]}
    event = next(
        event for event in page.config["dependencies"] if any(source == ids[target] for source, _ in event["targets"])
    )
    by_id = {ids[name]: value for name, value in values.items()}
    defaults = {block["id"]: block["props"].get("value") for block in page.config["components"]}
    data = [by_id.get(number, defaults.get(number)) for number in event["inputs"]]
    join = {"data": data, "fn_index": event["id"], "session_hash": "test"}
    status, answer = get(f"{page.local_url}gradio_api/queue/join", join)
    return get(f"{page.local_url}gradio_api/queue/data?session_hash=test")[1] if status == 200 else answer


def test_what_the_page_offers(serve, folder):
    page, _ = serve(Shelf([folder], "cpu"))
    assert tabs(page) == ["Draw", "Change", "Animate", "Sheet", "Before / after", "Previews"]
    assert page.share is False
    assert page.local_url.startswith("http://127.0.0.1:")
    assert all(event["api_visibility"] == "private" for event in page.config["dependencies"])
    assert get(page.local_url)[0] == 200


def test_without_a_model_it_offers_to_train_one(serve, tmp_path):
    page, _ = serve(Shelf(), Training("synthetic", tmp_path))
    assert tabs(page)[0] == "Train"


def test_drawing_and_a_mistake(serve, folder):
    page, _ = serve(Shelf([folder], "cpu"))
    answer = send(page, "draw", {"count": 2, "kind": "food"})
    assert "food-seed-0.png" in answer
    assert "food-seed-1.png" in answer
    answer = send(page, "draw", {"palette": "colours typed below", "own-colours": "#12 <b>"})
    assert "#12" in answer
    assert '"level":"warning"' in answer.replace(" ", "")
    assert "process_completed" in answer


def test_no_file_but_the_demos_own_is_served(serve, folder):
    page, workspace = serve(Shelf([folder], "cpu"))
    (workspace.folder / "served").mkdir(exist_ok=True)
    for path in (
        "/etc/passwd",
        folder / "model_index.json",
        Path.cwd() / "setup.cfg",
        f"{workspace.folder}/served/../../x",
    ):
        assert get(f"{page.local_url}gradio_api/file={urllib.parse.quote(str(path))}")[0] == 403, path
    drawn = send(page, "draw", {"count": 1, "kind": "food"})
    served = next((workspace.folder / "served").rglob("food-seed-0.png"))
    assert served.name in drawn
    assert get(f"{page.local_url}gradio_api/file={served}")[0] == 200


@pytest.mark.parametrize("values", [{"kind": "/etc/passwd"}, {"model": "/etc"}, {"palette": "/etc/passwd"}])
def test_a_list_takes_nothing_else(serve, folder, values):
    page, _ = serve(Shelf([folder], "cpu"))
    answer = send(page, "draw", values)
    assert "seed-0.png" not in answer
    assert "not in the list of choices" in answer


def test_a_path_is_no_upload(serve, folder, tmp_path):
    secret = tmp_path / "secret.hex"
    secret.write_text("c0ffee\n00ff00\n")
    page, _ = serve(Shelf([folder], "cpu"))
    upload = {"path": str(secret), "meta": {"_type": "gradio.FileData"}}
    answer = send(page, "draw", {"palette": "the uploaded file", "palette-file": upload})
    assert "seed-0.png" not in answer
    assert "c0ffee" not in answer
    assert '"success":false' in answer.replace(" ", "")


def test_the_command_without_gradio(run, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert run("demo") == (
        2,
        "",
        'error: the demo needs Gradio, which is not installed: pip install "sprite-diffusers[demo]".\n',
    )


def test_the_command_with_bad_input(run, tmp_path):
    code, _, said = run("demo", tmp_path / "missing")
    assert (code, said.count("\n")) == (2, 1)
    assert "missing is no model" in said
    code, _, said = run("demo", "--port", 99999)
    assert (code, said) == (2, "error: --port 99999 is none; allowed is 1 to 65535.\n")
