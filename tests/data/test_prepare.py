from __future__ import annotations

import csv
import hashlib
import json
import random
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from synthetic_faces import (
    CONFLICTS,
    DAMAGED,
    FILES,
    TWIN,
    UNLABELLED,
    contents,
    encode,
    jpeg,
    pixels,
    utk_name,
    write_archive,
    write_folder,
)

from reage.data.prepare import prepare, read_dataset, read_manifest
from reage.data.record_reader import read_records
from reage.data.select import select


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


@pytest.mark.shared
def test_the_committed_split_of_utkface_is_reproduced(shared_data: Path) -> None:
    selection = select(shared_data / "UTKFace.tar.gz")
    found = selection.splits | {item.file: item.split for item in selection.skipped}
    committed = Path(__file__).with_name("utkface_split.csv")
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
