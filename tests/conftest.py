from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

_ERROR_PRIVILEGE_NOT_HELD = 1314


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
def symlink() -> Callable[[Path, Path], None]:
    """`symlink(link, target)`; skips the test where the user may not make links, as on Windows."""

    def make(link: Path, target: Path) -> None:
        try:
            link.symlink_to(target, target_is_directory=target.is_dir())
        except OSError as error:
            if getattr(error, "winerror", None) != _ERROR_PRIVILEGE_NOT_HELD:
                raise
            pytest.skip("this user may not make symbolic links")

    return make


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a small generator whose delta is known: see `tiny_model.write_tiny_model`."""
    from tiny_model import write_tiny_model

    return write_tiny_model(tmp_path_factory.mktemp("tiny_model"))
