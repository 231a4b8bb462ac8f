from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from reage.data.pipeline import load_faces
from reage.data.tfrecords import FaceRecord, write_split
from reage.errors import DataError
from reage.evaluation.records import decode, read_shard, read_split


def record(age: int, *, sex: int = 1, ethnicity: int = 3) -> FaceRecord:
    pixels = np.random.default_rng(age).integers(0, 256, (40, 40, 3), np.uint8)
    return FaceRecord(f"{age}é.jpg", cv2.imencode(".jpg", pixels)[1].tobytes(), age, sex, ethnicity)


@pytest.fixture
def prepared(tmp_path: Path) -> Path:
    # 116 fits in one byte of a varint, and -1 takes ten.
    records = [record(0), record(116, sex=-1, ethnicity=-1), record(30)]
    write_split(tmp_path, "test", records, shards=2)
    return tmp_path


def test_records_are_those_that_tensorflow_reads(prepared: Path) -> None:
    mine, theirs = decode(read_split(prepared, "test"), 16), load_faces(prepared, "test", 16)
    np.testing.assert_array_equal(mine.images, theirs.images)
    assert mine.files == theirs.files == ("0é.jpg", "30é.jpg", "116é.jpg")
    assert mine.ages.tolist() == [0, 30, 116]
    assert mine.sexes.tolist() == [1, 1, -1]
    assert mine.ethnicities.tolist() == [3, 3, -1]


@pytest.mark.parametrize("damage", [lambda b: b[:-9], lambda b: b[:13] + b"\x07" + b[14:]])
def test_damaged_records_are_refused(prepared: Path, damage) -> None:
    path = sorted(prepared.glob("test-*"))[0]
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(DataError, match="is damaged"):
        list(read_shard(path))


def test_a_missing_split_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds no validation records"):
        read_split(tmp_path, "validation")
