from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from synthetic_faces import (
    CONFLICTS,
    DAMAGED,
    FILES,
    TWIN,
    UNLABELLED,
    jpeg,
    utk_files,
    utk_name,
    write_archive,
)

from reage.data.prepare import prepare


@pytest.fixture(scope="session")
def files() -> dict[str, bytes]:
    """40 faces of ages 20 to 29, a copy of one of them, a conflicting pair and two bad files."""
    found = utk_files(FILES)
    original = utk_name(25, 5, 1, 0)
    assert original in found
    found[TWIN] = found[original]
    found |= dict.fromkeys(CONFLICTS, jpeg(700))
    return found | {UNLABELLED: jpeg(800), DAMAGED: jpeg(801)[:1500]}


@pytest.fixture(scope="session")
def archive(files: dict[str, bytes], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_archive(tmp_path_factory.mktemp("archive") / "UTKFace.tar.gz", files)


@pytest.fixture(scope="session")
def finished(archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return prepare(archive, tmp_path_factory.mktemp("finished") / "prepared").folder


@pytest.fixture
def prepared(finished: Path, tmp_path: Path) -> Path:
    """A copy that a test may change."""
    return Path(shutil.copytree(finished, tmp_path / "prepared"))
