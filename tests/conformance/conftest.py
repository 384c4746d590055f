"""Makes the ``tests`` folder of a diffusers checkout importable, as the package ``diffusers_tests``.

Under its own name it would collide with this folder. Its modules import each other relatively, so another name does.
"""

import gc
import importlib.util
import os
import sys
from pathlib import Path

import pytest
import torch


def pytest_configure(config: pytest.Config) -> None:
    # diffusers registers its markers in a conftest that also puts the checkout before the installed diffusers
    config.addinivalue_line("filterwarnings", "ignore::pytest.PytestUnknownMarkWarning:diffusers_tests.testing_utils")
    source = os.environ.get("DIFFUSERS_SOURCE")
    if source:
        add_diffusers_tests(Path(source).expanduser())


def add_diffusers_tests(source: Path) -> None:
    folder = source / "tests"
    if not (folder / "pipelines" / "testing_utils" / "common.py").is_file():
        raise pytest.UsageError(
            f"DIFFUSERS_SOURCE={source} has no tests/pipelines/testing_utils/common.py: give the root of a checkout "
            "of https://github.com/huggingface/diffusers that has diffusers' pytest-style pipeline mixins."
        )
    spec = importlib.util.spec_from_file_location(
        "diffusers_tests", folder / "__init__.py", submodule_search_locations=[str(folder)]
    )
    module = importlib.util.module_from_spec(spec)
    sys.modules["diffusers_tests"] = module
    spec.loader.exec_module(module)


@pytest.fixture(autouse=True, scope="module")
def fast():
    """Threads cost up to 80 times what they save on networks this small, and the mixins collect garbage all the time."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    gc.freeze()
    yield
    gc.unfreeze()
    torch.set_num_threads(threads)
