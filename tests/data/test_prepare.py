from __future__ import annotations

import csv
import hashlib
import json
import random
import shutil
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from synthetic_faces import encode, jpeg, pixels, utk_files, utk_name, write_archive, write_folder

import reage.data
from reage.data import prepare as prepare_module
from reage.data.prepare import prepare, read_dataset, read_manifest
from reage.data.select import select
from reage.data.tfrecords import read_records
from reage.errors import DataError, MissingExtraError, ReageError

FILES = 40
UNLABELLED = "39_1_20170116174525125.jpg.chip.jpg"
DAMAGED = utk_name(25, 901)
TWIN = utk_name(25, 905)
CONFLICTS = (utk_name(50, 910), utk_name(60, 911))


@pytest.fixture(scope="module")
def files() -> dict[str, bytes]:
    """40 faces of ages 20 to 29, a copy of one of them, a conflicting pair and two bad files."""
    found = utk_files(FILES)
    original = utk_name(25, 5, 1, 0)
    assert original in found
    found[TWIN] = found[original]
    found |= dict.fromkeys(CONFLICTS, jpeg(700))
    return found | {UNLABELLED: jpeg(800), DAMAGED: jpeg(801)[:1500]}


@pytest.fixture(scope="module")
def archive(files: dict[str, bytes], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_archive(tmp_path_factory.mktemp("archive") / "UTKFace.tar.gz", files)


@pytest.fixture(scope="module")
def finished(archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return prepare(archive, tmp_path_factory.mktemp("finished") / "prepared").folder


@pytest.fixture
def prepared(finished: Path, tmp_path: Path) -> Path:
    """A copy that a test may change."""
    return Path(shutil.copytree(finished, tmp_path / "prepared"))


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_the_files_of_a_prepared_set(finished: Path) -> None:
    assert sorted(path.name for path in finished.iterdir()) == [
        "dataset.json",
        "manifest.csv",
        "test-00000-of-00001.tfrecord",
        *(f"train-{shard:05d}-of-00008.tfrecord" for shard in range(8)),
        "validation-00000-of-00001.tfrecord",
    ]


def test_every_face_is_in_one_split_with_its_bytes_untouched(
    finished: Path, files: dict[str, bytes]
) -> None:
    records = [r for path in finished.glob("*.tfrecord") for r in read_records(path)]
    assert len({record.file for record in records}) == len(records)
    # The copy's name sorts before the original's, so it is the one that stays.
    original = utk_name(25, 5, 1, 0)
    expected = {name for name in files if name not in (*CONFLICTS, UNLABELLED, DAMAGED)}
    assert {record.file for record in records} == expected - {max(original, TWIN)}
    assert all(record.image == files[record.file] for record in records)
    labels = {record.file: (record.age, record.sex, record.ethnicity) for record in records}
    assert labels[utk_name(23, 13, 1, 3)] == (23, 1, 3)


def test_the_manifest_agrees_with_the_records(finished: Path) -> None:
    rows = read_manifest(finished)
    assert [row["file"] for row in rows] == sorted(row["file"] for row in rows)
    for split in ("train", "validation", "test"):
        listed = {row["file"] for row in rows if row["split"] == split}
        records = [r for path in finished.glob(f"{split}-*") for r in read_records(path)]
        assert {record.file for record in records} == listed
        assert all(not row["reason"] for row in rows if row["split"] == split)


def test_the_manifest_says_why_a_file_is_left_out(finished: Path) -> None:
    rows = {row["file"]: row for row in read_manifest(finished)}
    dropped, kept = max(utk_name(25, 5, 1, 0), TWIN), min(utk_name(25, 5, 1, 0), TWIN)
    assert rows[dropped]["split"] == "duplicate"
    assert rows[dropped]["reason"] == f"same photo as {kept}"
    assert {rows[name]["split"] for name in CONFLICTS} == {"conflict"}
    assert rows[CONFLICTS[0]]["age"] == "50"
    assert rows[UNLABELLED]["split"] == "unlabelled"
    assert rows[UNLABELLED]["age"] == ""
    assert rows[DAMAGED]["split"] == "unreadable"
    assert rows[DAMAGED]["reason"]


def test_the_description_counts_and_identifies_the_data(finished: Path, archive: Path) -> None:
    dataset = read_dataset(finished)
    counts = dataset["counts"]
    assert (dataset["version"], dataset["seed"], dataset["source"]) == (1, 0, archive.name)
    assert sum(counts[split] for split in ("train", "validation", "test")) == FILES
    left_out = {key: counts[key] for key in ("duplicate", "conflict", "unlabelled", "unreadable")}
    assert left_out == {"duplicate": 1, "conflict": 2, "unlabelled": 1, "unreadable": 1}
    assert np.sum([*dataset["counts_by_age_group"].values()], axis=0).tolist() == [
        *(0, 0, 0, 4, 20, 16),
        *([0] * 8),
    ]
    manifest = (finished / "manifest.csv").read_bytes()
    assert dataset["file_list_sha256"] == hashlib.sha256(manifest).hexdigest()
    for name, digest in dataset["files"].items():
        assert hashlib.sha256((finished / name).read_bytes()).hexdigest() == digest
    assert len(dataset["files"]) == 11


def test_archive_and_folder_give_the_same_bytes_in_any_order(
    files: dict[str, bytes], finished: Path, tmp_path: Path
) -> None:
    shuffled = list(files.items())
    random.Random(1).shuffle(shuffled)
    archive = write_archive(tmp_path / "UTKFace.tar.gz", dict(shuffled))
    folder = write_folder(tmp_path / "UTKFace", files)
    for number, source in enumerate((archive, folder, tmp_path)):
        again = prepare(source, tmp_path.parent / f"{tmp_path.name}-{number}").folder
        ours, theirs = contents(finished), contents(again)
        first, second = (json.loads(found.pop("dataset.json")) for found in (ours, theirs))
        assert ours == theirs
        assert {**first, "source": ""} == {**second, "source": ""}


def test_another_seed_gives_another_split(archive: Path) -> None:
    first, second = select(archive, seed=0), select(archive, seed=1)
    assert first.faces == second.faces
    assert first.splits != second.splits


def test_near_copies_share_a_split(tmp_path: Path) -> None:
    # Ten photos, each with a mirrored twin that has another hash and therefore stays.
    pictures = {}
    for n in range(10):
        pictures[f"30/{n}.jpg"] = jpeg(n)
        pictures[f"30/{n}_mirrored.jpg"] = encode(np.ascontiguousarray(pixels(n)[:, ::-1]))
    for seed in range(3):
        splits = select(write_folder(tmp_path, pictures), seed=seed).splits
        assert len(splits) == 20
        assert set(splits.values()) == {"train", "validation", "test"}
        for n in range(10):
            assert splits[f"30/{n}.jpg"] == splits[f"30/{n}_mirrored.jpg"]


def test_own_photos_in_age_folders(tmp_path: Path) -> None:
    pictures = {f"{20 + n}/a b.png": encode(pixels(n, 300), "PNG") for n in range(5)}
    source = write_folder(tmp_path / "own", pictures)
    folder = prepare(source, tmp_path / "prepared").folder
    records = [r for path in folder.glob("*.tfrecord") for r in read_records(path)]
    assert {r.file: (r.age, r.sex, r.ethnicity) for r in records} == {
        f"{20 + n}/a b.png": (20 + n, -1, -1) for n in range(5)
    }
    assert all(record.image.startswith(b"\xff\xd8") for record in records)


def test_own_photos_in_a_csv(tmp_path: Path) -> None:
    source = write_folder(tmp_path / "own", {f"{n}.jpg": jpeg(n) for n in range(4)}) / "ages.csv"
    rows = [f"{n}.jpg,{40 + n},{n % 2}" for n in range(4)]
    source.write_text("\n".join(["file,age,sex", *rows, "gone.jpg,50,0"]), "utf-8")
    result = prepare(source, tmp_path / "prepared")
    assert [(item.file, item.split) for item in result.skipped] == [("gone.jpg", "unreadable")]
    records = [r for path in result.folder.glob("*.tfrecord") for r in read_records(path)]
    assert {(r.file, r.age, r.sex) for r in records} == {
        (f"{n}.jpg", 40 + n, n % 2) for n in range(4)
    }


def test_a_second_run_finds_everything_in_place(prepared: Path, archive: Path) -> None:
    before = contents(prepared)
    result = prepare(archive, prepared)
    assert result.reused
    assert contents(prepared) == before


@pytest.mark.parametrize("damage", ["cut", "remove", "manifest"])
def test_a_damaged_result_is_not_taken_for_intact(
    damage: str, prepared: Path, archive: Path, finished: Path
) -> None:
    shard = prepared / "train-00003-of-00008.tfrecord"
    if damage == "cut":
        shard.write_bytes(shard.read_bytes()[:-1])
    elif damage == "remove":
        shard.unlink()
    else:
        (prepared / "manifest.csv").write_text("file\n", "utf-8")
    with pytest.raises(DataError, match="--force"):
        prepare(archive, prepared)
    assert not prepare(archive, prepared, force=True).reused
    assert contents(prepared) == contents(finished)


def test_another_data_set_is_replaced_only_by_force(prepared: Path, archive: Path) -> None:
    before = contents(prepared)
    with pytest.raises(DataError, match="another or a damaged data set; replace it with --force"):
        prepare(archive, prepared, seed=1)
    assert contents(prepared) == before
    prepare(archive, prepared, seed=1, force=True)
    assert read_dataset(prepared)["seed"] == 1
    assert [path.name for path in prepared.parent.iterdir()] == ["prepared"]


@pytest.mark.parametrize("force", [False, True])
def test_a_folder_of_other_things_is_never_replaced(
    force: bool, archive: Path, tmp_path: Path
) -> None:
    write_folder(tmp_path / "photos", {"holiday.txt": b"dear"})
    with pytest.raises(DataError, match="exists and is no prepared data set"):
        prepare(archive, tmp_path / "photos", force=force)
    assert contents(tmp_path / "photos") == {"holiday.txt": b"dear"}


def test_the_source_is_never_replaced(prepared: Path) -> None:
    source = write_folder(prepared / "faces", utk_files(3))
    for output in (prepared, source):
        with pytest.raises(DataError, match="holds the source itself"):
            prepare(source, output, force=True)
    assert contents(source) == utk_files(3)


def test_an_empty_output_folder_is_filled(archive: Path, finished: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    assert contents(prepare(archive, tmp_path / "out").folder) == contents(finished)


def bad_sources(folder: Path) -> dict[str, Path]:
    write_folder(folder, {"text.tar.gz": b"no archive", "cut.tar.gz": b""})
    whole = write_archive(folder / "whole.tar.gz", utk_files(5)).read_bytes()
    (folder / "cut.tar.gz").write_bytes(whole[: len(whole) // 2])
    (folder / "empty").mkdir()
    write_folder(folder / "nothing", {"notes.txt": b""})
    write_folder(folder / "names", {"holiday.jpg": jpeg(1)})
    write_archive(folder / "hollow.tar.gz", {})
    (folder / "columns.csv").write_text("file,years\na.jpg,3\n", "utf-8")
    (folder / "rows.csv").write_text("file,age\n", "utf-8")
    return {
        "there is no such file or folder": folder / "absent.tar.gz",
        "is not a tar archive": folder / "text.tar.gz",
        "is truncated or damaged": folder / "cut.tar.gz",
        "holds no images": folder / "empty",
        r"nothing: holds no images": folder / "nothing",
        r"no usable face among 1 file.*holiday.jpg: the name has 1 of the 4": folder / "names",
        r"hollow.tar.gz: holds no images": folder / "hollow.tar.gz",
        "has no column `age`": folder / "columns.csv",
        r"rows.csv: holds no images": folder / "rows.csv",
    }


def test_a_bad_source_is_refused_and_leaves_nothing_behind(tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.mkdir()
    for reason, source in bad_sources(tmp_path).items():
        with pytest.raises(DataError, match=reason) as caught:
            prepare(source, target / "prepared")
        assert str(source) in str(caught.value)
        assert list(target.iterdir()) == []


def test_two_different_files_of_one_name_are_refused(tmp_path: Path) -> None:
    name = utk_name(20, 1)
    source = write_folder(tmp_path, {f"a/{name}": jpeg(1), f"b/{name}": jpeg(1)})
    assert [face.file for face in select(source).faces] == [name]
    (source / "b" / name).write_bytes(jpeg(2))
    with pytest.raises(DataError, match="two different files"):
        select(source)


@pytest.mark.parametrize("replaces", [False, True])
@pytest.mark.parametrize("failure", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_a_failure_while_writing_leaves_what_was_there(
    replaces: bool,
    failure: BaseException,
    archive: Path,
    prepared: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    output = prepared if replaces else prepared.parent / "fresh"
    before = {path.name: contents(path) for path in prepared.parent.iterdir()}
    write_split = prepare_module.write_split

    def fail_at_test_split(folder: Path, split: str, *rest: object, **options: object) -> object:
        if split == "test":
            raise failure
        return write_split(folder, split, *rest, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(prepare_module, "write_split", fail_at_test_split)
    with pytest.raises((ReageError, KeyboardInterrupt)):
        prepare(archive, output, force=True, seed=1)
    assert {path.name: contents(path) for path in prepared.parent.iterdir()} == before


def test_a_failing_rename_brings_the_former_data_back(
    archive: Path, prepared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = contents(prepared)
    rename = Path.replace

    def fail_for_new(self: Path, target: Path) -> Path:
        if self.name == "new":
            raise PermissionError(13, "Permission denied")
        return rename(self, target)

    monkeypatch.setattr(Path, "replace", fail_for_new)
    with pytest.raises(DataError, match="cannot be written"):
        prepare(archive, prepared, force=True)
    assert contents(prepared) == before
    assert [path.name for path in prepared.parent.iterdir()] == ["prepared"]


def test_without_tensorflow_the_extra_is_named(
    archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "tensorflow", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'reage\[train\]'"):
        prepare(archive, tmp_path / "prepared")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("text", ["", "[]", '{"version": 2}', "\xff"])
def test_a_foreign_description_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "dataset.json").write_text(text, "latin-1")
    with pytest.raises(DataError, match=r"dataset\.json"):
        read_dataset(tmp_path)


@pytest.mark.shared
def test_the_committed_split_of_utkface_is_reproduced(shared_data: Path) -> None:
    selection = select(shared_data / "UTKFace.tar.gz")
    found = selection.splits | {item.file: item.split for item in selection.skipped}
    committed = Path(reage.data.__path__[0]) / "utkface_split.csv"
    with committed.open(encoding="utf-8", newline="") as file:
        header, *rows = csv.reader(file)
    assert header == ["file", "split"]
    assert rows == sorted(rows)
    assert dict(rows) == found
    assert Counter(found.values()) == {
        "train": 18168,
        "validation": 2270,
        "test": 2273,
        "conflict": 773,
        "duplicate": 220,
        "unlabelled": 3,
    }
