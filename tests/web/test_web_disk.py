from __future__ import annotations

import io
import os
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("starlette")

from starlette.testclient import TestClient

from reage.inference.ager import FaceAger
from reage.web.app import create_app
from reage.web.limits import Limits

WRITING: list[list[str]] = []


@pytest.fixture
def written_files() -> Iterator[list[str]]:
    """The names of files that this process opens for writing."""
    names: list[str] = []

    def watch(event: str, arguments: tuple) -> None:
        if event != "open" or not WRITING:
            return
        path, _, flags = arguments
        if isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
            WRITING[-1].append(str(path))

    WRITING.append(names)
    sys.addaudithook(watch)  # It cannot be taken away again: without a list it does nothing.
    yield names
    WRITING.clear()


def test_nothing_is_written_to_disk(
    tiny_model: Path, astronaut_path: Path, tmp_path: Path, written_files: list[str]
) -> None:
    photo = astronaut_path.read_bytes()
    client = TestClient(create_app(FaceAger(tiny_model, threads=1), Limits(upload_bytes=1_000_000)))
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("me.png", photo)
    (tmp_path / "control").write_text("")
    name = client.post("/api/photos", content=photo).json()["id"]
    for kind in ("aged", "photo", "strip", "gif"):
        assert client.get(f"/api/photos/{name}/{kind}?to=70").status_code == 200
    assert client.post("/api/archive?to=70", content=buffer.getvalue()).status_code == 200
    for refused in (photo[:9000], b"no photo", buffer.getvalue()[:9000], bytes(1_000_001)):
        assert client.post("/api/photos", content=refused).status_code in (413, 422)
        assert client.post("/api/archive?to=70", content=refused).status_code in (413, 422)
    assert written_files == [str(tmp_path / "control")]
