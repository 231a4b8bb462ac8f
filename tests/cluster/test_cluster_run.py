from __future__ import annotations

import hashlib
import os
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("ray")

import pyarrow.parquet as pq
import ray

from reage.cli.app import main

pytestmark = pytest.mark.skipif(os.name != "posix", reason="workers send themselves SIGKILL")

GOOD = 10
DEATHS = ("before the result", "before the record", "after the record")


def mortal(deaths: Path) -> Callable[[], None]:
    """What every worker process runs first: files in `deaths` say where it dies, once.

    It is shipped by value, so it may use modules but no other function of this one.
    """

    def set_up() -> None:
        from reage.cluster.store import Store
        from reage.cluster.worker import PhotoWorker

        put, commit = Store.write, PhotoWorker._commit

        def die_if_told(name: str, point: str) -> None:
            marker = deaths / f"{name} {point}"
            if marker.exists():
                if not (deaths / "again and again").exists():
                    marker.unlink()
                os.kill(os.getpid(), signal.SIGKILL)

        def write(self, path: str, content: bytes) -> None:
            die_if_told(path, "before the result")
            put(self, path, content)
            die_if_told(path, "before the record")

        def commit_and_die(self, job) -> None:
            commit(self, job)
            die_if_told(job.path, "after the record")

        Store.write, PhotoWorker._commit = write, commit_and_die

    return set_up


@pytest.fixture(scope="module")
def deaths(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("deaths")


@pytest.fixture(scope="module", autouse=True)
def cluster(deaths: Path) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        ray.init(
            "local",
            num_cpus=2,
            object_store_memory=200_000_000,
            include_dashboard=False,
            log_to_driver=False,
            runtime_env={"worker_process_setup_hook": mortal(deaths)},
        )
        yield
        ray.shutdown()


@pytest.fixture(scope="module")
def album(tmp_path_factory: pytest.TempPathFactory, astronaut_path: Path) -> Path:
    """Ten different photos, one of them of two faces, one without, one broken, and a text."""
    root = tmp_path_factory.mktemp("album")
    (root / "a year").mkdir()
    with Image.open(astronaut_path) as image:
        face = np.asarray(image.convert("RGB").crop((100, 0, 356, 256)))
    for index in range(GOOD):
        pixels = np.clip(face.astype(int) + 4 * index, 0, 255).astype(np.uint8)
        if index == 5:
            pixels = np.hstack([pixels, pixels])
        Image.fromarray(pixels).save(root / ("a year" if index % 2 else "") / f"photo {index}.png")
    Image.new("RGB", (64, 64)).save(root / "sky.jpg")
    (root / "a year" / "broken.jpg").write_bytes(b"\xff\xd8 no more")
    (root / "notes.txt").write_text("x")
    return root


@pytest.fixture(scope="module")
def run(tiny_model: Path) -> Callable[..., int]:
    def run_batch(source: Path, target: Path, to: int = 70) -> int:
        options = ["--to", str(to), "--model", str(tiny_model)]
        return main(["batch", str(source), str(target), *options])

    return run_batch


@pytest.fixture(scope="module")
def uninterrupted(
    run: Callable[..., int], album: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    target = tmp_path_factory.mktemp("uninterrupted") / "out"
    assert run(album, target) == 1
    return target


def tree(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(p.relative_to(folder)): p.read_bytes() for p in files if p.suffix != ".json"}


def results(folder: Path) -> dict[str, bytes]:
    return {name: content for name, content in tree(folder).items() if name.endswith(".png")}


def rows(target: Path) -> list[dict[str, Any]]:
    """The table of faces, with the results named as in every other run."""
    table = pq.read_table(target / "faces.parquet").to_pylist()
    prefix = f"{target}/"
    return [row | {"output": (row["output"] or "").removeprefix(prefix)} for row in table]


def test_results_are_those_of_the_age_command(
    uninterrupted: Path, album: Path, tiny_model: Path, tmp_path: Path
) -> None:
    output = tmp_path / "out"
    assert main(["age", str(album), "-o", str(output), "--to", "70", "--model", str(tiny_model)])
    assert results(uninterrupted) == results(output)
    assert tree(uninterrupted)["failures.csv"] == tree(output)["failures.csv"]


def test_there_is_a_row_for_each_face(uninterrupted: Path, album: Path) -> None:
    table = rows(uninterrupted)
    aged = [row for row in table if row["status"] == "aged"]
    assert [row["input"] for row in aged] == sorted(row["input"] for row in aged)
    faces = [(row["output"], row["face"]) for row in aged]
    twice = "a year/photo 5.png"
    assert sorted(faces) == sorted([(name, 0) for name in results(uninterrupted)] + [(twice, 1)])
    for row in aged:
        assert row["sha256"] == hashlib.sha256(results(uninterrupted)[row["output"]]).hexdigest()
        assert row["target_age"] == 70
        x0, y0, x1, y1 = row["box"]
        assert all(x0 < x < x1 and y0 < y < y1 for x, y in row["landmarks"])
    failed = [(row["input"], row["face"]) for row in table if row["status"] == "failed"]
    assert failed == [(str(album / "a year/broken.jpg"), None), (str(album / "sky.jpg"), None)]


def test_workers_that_die_change_nothing(
    run: Callable[..., int], album: Path, uninterrupted: Path, deaths: Path, tmp_path: Path
) -> None:
    for index, point in enumerate(DEATHS):
        name = f"photo {4 * index}.png {point}"
        (deaths / name).touch()
    target = tmp_path / "out"
    assert run(album, target) == 1
    assert not list(deaths.iterdir()), "nobody died"
    assert results(target) == results(uninterrupted)
    assert rows(target) == rows(uninterrupted)
    assert tree(target).keys() == tree(uninterrupted).keys()


def test_a_photo_that_kills_every_worker_is_given_up(
    run: Callable[..., int], album: Path, deaths: Path, tmp_path: Path
) -> None:
    source, target = tmp_path / "in", tmp_path / "out"
    source.mkdir()
    for index in (0, 2, 4):
        shutil.copy(album / f"photo {index}.png", source)
    markers = [deaths / "again and again", deaths / "photo 2.png before the result"]
    for marker in markers:
        marker.touch()
    try:
        assert run(source, target) == 1
    finally:
        for marker in markers:
            marker.unlink()
    assert results(target).keys() == {"photo 0.png", "photo 4.png"}
    assert "ended its worker 3 times" in (target / "failures.csv").read_text()
    assert [row["status"] for row in rows(target)] == ["aged", "aged", "failed"]


def test_a_rerun_does_nothing(
    run: Callable[..., int],
    album: Path,
    uninterrupted: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ray.data, "from_items", None)
    source = shutil.copytree(album, tmp_path / "in", ignore=shutil.ignore_patterns("*.jpg"))
    target = shutil.copytree(uninterrupted, tmp_path / "out")
    assert run(source, target) == 0
    assert [row["status"] for row in rows(target)] == ["aged"] * (GOOD + 1)
    before = {path: path.stat().st_mtime_ns for path in target.rglob("*")}
    capsys.readouterr()
    assert run(source, target) == 0
    assert f"0 aged, {GOOD} there already, 0 failed" in capsys.readouterr().out
    assert {path: path.stat().st_mtime_ns for path in target.rglob("*")} == before
