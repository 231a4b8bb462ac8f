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
