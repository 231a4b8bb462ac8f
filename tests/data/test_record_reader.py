"""Records that TensorFlow wrote, read without it."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
import tensorflow as tf

from reage.data.pipeline import load_faces
from reage.data.record_reader import read_records, read_split
from reage.data.tfrecords import FaceRecord, parse_example, write_split
from reage.errors import DataError


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
    for shard in sorted(prepared.glob("*.tfrecord")):
        found = list(read_records(shard))
        for mine, serialized in zip(found, tf.data.TFRecordDataset(str(shard)), strict=True):
            theirs = {name: value.numpy() for name, value in parse_example(serialized).items()}
            assert mine.file.encode() == theirs["file"]
            assert mine.image == theirs["image"]
            assert (mine.age, mine.sex, mine.ethnicity) == (
                theirs["age"],
                theirs["sex"],
                theirs["ethnicity"],
            )


def test_a_split_is_decoded_in_the_order_of_its_shards(prepared: Path) -> None:
    faces = load_faces(prepared, "test", 16)
    assert faces.files == ("0é.jpg", "30é.jpg", "116é.jpg")
    assert faces.images.shape == (3, 16, 16, 3)
    assert faces.ages.tolist() == [0, 30, 116]
    assert faces.sexes.tolist() == [1, 1, -1]
    assert faces.ethnicities.tolist() == [3, 3, -1]


@pytest.mark.parametrize("damage", [lambda b: b[:-9], lambda b: b[:13] + b"\x07" + b[14:]])
def test_damaged_records_are_refused(prepared: Path, damage: Callable[[bytes], bytes]) -> None:
    path = sorted(prepared.glob("test-*"))[0]
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(DataError, match="is damaged or holds no face records"):
        read_split(prepared, "test")


@pytest.mark.parametrize(
    "content",
    [b"no record", struct.pack("<Q", 1 << 40), struct.pack("<QI", 2, 0) + b"\xff\xff    "],
)
def test_files_of_another_kind_are_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "train-00000-of-00001.tfrecord"
    path.write_bytes(content)
    with pytest.raises(DataError, match="is damaged or holds no face records"):
        list(read_records(path))


def test_a_missing_split_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds no validation records"):
        read_split(tmp_path, "validation")
