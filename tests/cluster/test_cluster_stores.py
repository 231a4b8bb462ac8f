from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("ray")
pytest.importorskip("fsspec")

import pyarrow.parquet as pq

from reage.cli.app import main
from reage.cluster.batch import Batch, ModelFiles, Settings
from reage.cluster.plan import Job, Plan, make_plan
from reage.cluster.starts import MAX_STARTS, Starts
from reage.cluster.store import Store, open_store
from reage.cluster.table import FACES_FILE, write_faces
from reage.cluster.worker import PhotoWorker
from reage.errors import ImageReadError, ImageWriteError, ReageError, UsageError
from reage.images import Photo, encode_photo
from reage.images.provenance import mark_photo
from reage.inference.results import software_name

MODEL = ModelFiles(b"encoder", b"decoder")


@pytest.fixture(params=["{}/a store", "file://{}/a%20store/", "fsspec+file://{}/a store"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    return open_store(request.param.format(tmp_path))


@pytest.fixture
def batch(tmp_path: Path) -> Batch:
    source, target = open_store(str(tmp_path / "in")), open_store(str(tmp_path / "out"))
    for name in ("b.jpg", "a/c.PNG", "notes.txt"):
        source.write(name, b"x")
    return Batch(source, target, Settings(70.0), MODEL)


def finish(batch: Batch, job: Job) -> None:
    """What a worker leaves."""
    batch.target.write(job.path, b"result")
    batch.target.write(job.record, b"[]")


def begin(batch: Batch) -> Plan:
    """What a run does before workers start."""
    plan = make_plan(batch)
    for record in plan.superseded:
        batch.target.delete(record)
    return plan


def test_what_is_put_is_there(store: Store) -> None:
    assert list(store.files()) == []
    store.write("a/é b.txt", b"old")
    store.write("a/é b.txt", b"new")
    assert store.has("a/é b.txt")
    assert not store.has("a/b.txt")
    assert store.read("a/é b.txt") == b"new"
    (file,) = store.files()
    assert (file.path, file.size) == ("a/é b.txt", 3)
    store.delete("a/é b.txt")
    store.delete("a/é b.txt")
    assert list(store.files()) == []
    with pytest.raises(ReageError, match="does not exist"):
        store.read("a/é b.txt")


def test_what_a_dead_worker_began_is_swept_away(store: Store) -> None:
    store.sweep()
    store.write("a.txt", b"x")
    store.write("_reage/tmp/half", b"x")
    store.sweep()
    assert [file.path for file in store.files()] == ["a.txt"]


def test_names_hold_no_secret() -> None:
    store = open_store("s3://key:secret@bucket/some/photos/?region=eu-central-1")
    assert store.name_of("a.jpg") == "s3://bucket/some/photos/a.jpg"
    assert store.root == "bucket/some/photos"


@pytest.mark.parametrize("uri", ["nowhere://x", "file://relative/x", "s3://"])
def test_places_that_cannot_be_opened(uri: str) -> None:
    with pytest.raises(UsageError, match=r"can be opened|no folder"):
        open_store(uri)


def test_links_to_folders_are_not_followed(
    tmp_path: Path, symlink: Callable[[Path, Path], None]
) -> None:
    store = open_store(str(tmp_path))
    store.write("a/x.jpg", b"x")
    symlink(tmp_path / "a" / "loop", tmp_path)
    assert [file.path for file in store.files()] == ["a/x.jpg"]


def test_what_is_finished_is_not_planned_again(batch: Batch) -> None:
    plan = begin(batch)
    assert [job.path for job in plan.jobs] == ["a/c.PNG", "b.jpg"]
    assert plan.pending == plan.jobs
    assert plan.other_files == 1
    finish(batch, plan.jobs[0])
    batch.target.write(plan.jobs[1].path, b"a result whose worker died before the record")
    assert [job.path for job in begin(batch).pending] == ["b.jpg"]
    finish(batch, plan.jobs[1])
    assert begin(batch).pending == []
    batch.target.delete("b.jpg")
    assert [job.path for job in begin(batch).pending] == ["b.jpg"]


def test_another_version_of_a_photo_is_another_job(batch: Batch, tmp_path: Path) -> None:
    photo = tmp_path / "in" / "b.jpg"
    old = photo.stat().st_mtime_ns
    for job in begin(batch).jobs:
        finish(batch, job)
    for mtime in (old + 1, old):  # Changed, and put back as it was.
        os.utime(photo, ns=(mtime, mtime))
        (job,) = begin(batch).pending
        assert job.path == "b.jpg"
        finish(batch, job)
    records = [file.path for file in batch.target.files() if file.path.endswith(".json")]
    assert sorted(records) == sorted(job.record for job in make_plan(batch).jobs)


@pytest.mark.parametrize(
    ("settings", "model"),
    [(Settings(30.0), MODEL), (Settings(70.0), ModelFiles(b"encoder", b"another"))],
)
def test_another_question_gets_another_answer(
    batch: Batch, settings: Settings, model: ModelFiles
) -> None:
    for job in begin(batch).jobs:
        finish(batch, job)
    other = Batch(batch.source, batch.target, settings, model)
    plan = begin(other)
    assert plan.pending == plan.jobs
    for job in plan.jobs:
        finish(other, job)
    assert begin(other).pending == []
    assert len(begin(batch).pending) == 2


def test_results_among_the_photos_are_no_photos(tmp_path: Path) -> None:
    source, target = open_store(str(tmp_path)), open_store(str(tmp_path / "out"))
    source.write("a.jpg", b"x")
    target.write("a.jpg", b"x")
    plan = make_plan(Batch(source, target, Settings(70.0), MODEL))
    assert [job.path for job in plan.jobs] == ["a.jpg"]


@pytest.mark.skipif(sys.platform != "linux", reason="names that only Linux allows")
def test_a_name_that_is_no_text_stops_no_other(batch: Batch, tmp_path: Path) -> None:
    Path(os.fsdecode(os.fsencode(tmp_path / "in") + b"/\xff.jpg")).touch()
    plan = make_plan(batch)
    assert plan.misnamed == ["\\udcff.jpg"]
    assert len(plan.jobs) == 2


@pytest.mark.parametrize("same", ["{}/in", "file://{}/in/", "{}/in/../in", "{}/link"])
def test_photos_are_never_replaced(
    batch: Batch, tmp_path: Path, symlink: Callable[[Path, Path], None], same: str
) -> None:
    if same == "{}/link":
        symlink(tmp_path / "link", tmp_path / "in")
    with pytest.raises(UsageError, match="folder of the photos"):
        make_plan(Batch(batch.source, open_store(same.format(tmp_path)), batch.settings, MODEL))


def test_a_store_without_photos(batch: Batch, tmp_path: Path) -> None:
    nothing = open_store(str(tmp_path / "nothing"))
    with pytest.raises(ImageReadError, match="no photos"):
        make_plan(Batch(nothing, batch.target, batch.settings, MODEL))


def test_a_damaged_table_is_written_anew_and_a_good_one_left_alone(
    batch: Batch, tmp_path: Path
) -> None:
    plan = begin(batch)
    batch.target.write(FACES_FILE, b"damaged")
    failures = {"b.jpg": ReageError("b.jpg", "is broken", "mend it")}
    batch.target.write(plan.jobs[0].record, b'[{"face": 0}, {"face": 1}]')
    table = tmp_path / "out" / FACES_FILE
    write_faces(batch, plan.jobs, failures)
    rows = pq.read_table(table).to_pylist()
    assert [(row["face"], row["error"]) for row in rows] == [
        (0, None),
        (1, None),
        (None, "is broken"),
    ]
    written = table.stat().st_mtime_ns
    write_faces(batch, plan.jobs, failures)
    assert table.stat().st_mtime_ns == written
    batch.target.write(plan.jobs[1].record, b'[{"face": 0}]')
    write_faces(batch, plan.jobs, {})
    assert [row["face"] for row in pq.read_table(table).to_pylist()] == [0, 1, 0]


def test_a_photo_is_given_up_only_if_it_never_ends() -> None:
    starts = Starts()
    for _ in range(2 * MAX_STARTS):
        assert starts.begin("harmless")
        starts.end("harmless")
    assert [starts.begin("deadly") for _ in range(MAX_STARTS + 1)] == [True] * MAX_STARTS + [False]
    starts.end("deadly")
    assert starts.begin("deadly")


def test_without_ray_it_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in [name for name in sys.modules if name.startswith("reage.cluster.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "ray", None)
    assert main(["batch", str(tmp_path), str(tmp_path / "out"), "--to", "70"]) == 1
    assert "reage[cluster]" in capsys.readouterr().err


def test_photos_below_the_results_are_never_replaced(tmp_path: Path) -> None:
    source, target = open_store(str(tmp_path / "trip")), open_store(str(tmp_path))
    source.write("a.jpg", b"x")
    assert len(make_plan(Batch(source, target, Settings(70.0), MODEL)).jobs) == 1
    source.write("trip/a.jpg", b"x")
    with pytest.raises(UsageError, match="one of which a result would replace"):
        make_plan(Batch(source, target, Settings(70.0), MODEL))


def test_somebodys_picture_in_the_place_of_a_result_is_left_alone(batch: Batch) -> None:
    worker = PhotoWorker.__new__(PhotoWorker)
    worker._batch = batch
    worker._check_place("b.jpg")
    batch.target.write("b.jpg", b"x")
    with pytest.raises(ImageWriteError, match="is another picture, and not replaced"):
        worker._check_place("b.jpg")
    pixels = np.zeros((8, 8, 3), np.uint8)
    result = mark_photo(Photo(pixels, None, "JPEG", "b.jpg"), software_name(), [70.0])
    batch.target.write("b.jpg", encode_photo(result, pixels))
    worker._check_place("b.jpg")
