from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder with UTKFace, real photos and judges; `REAGE_SHARED_DATA` overrides its place."""
    default = Path(__file__).parents[2] / "shared" / "data"
    path = Path(os.environ.get("REAGE_SHARED_DATA", default))
    if not path.is_dir():
        pytest.skip("the shared data folder is not beside this checkout")
    return path


@pytest.fixture(scope="session")
def astronaut_path() -> Path:
    return Path(__file__).parents[1] / "examples" / "astronaut.png"


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a small generator whose delta is known: see `tiny_model.write_tiny_model`."""
    from tiny_model import write_tiny_model

    return write_tiny_model(tmp_path_factory.mktemp("tiny_model"))
