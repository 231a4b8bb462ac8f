"""Faces without TensorFlow are the faces with it."""

from __future__ import annotations

import importlib.util
import struct
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from reage.data.pipeline import Sampling, load_faces, training_batch
from reage.data.pydataset import FaceBatches, read_faces, read_shard
from reage.data.tfrecords import FaceRecord, read_records, write_split
from reage.errors import DataError


def record(number: int) -> FaceRecord:
    pixels = np.random.default_rng(number).integers(0, 256, (40, 40, 3), np.uint8)
    image = cv2.imencode(".jpg", pixels)[1].tobytes()
    return FaceRecord(f"größe {number}.jpg", image, 10 * number, number % 3 - 1, number % 6 - 1)


@pytest.fixture
def prepared(tmp_path: Path) -> Path:
    write_split(tmp_path, "train", map(record, range(7)), shards=2)
    return tmp_path


def test_shards_are_read_as_tensorflow_reads_them(prepared: Path) -> None:
    for shard in sorted(prepared.glob("*.tfrecord")):
        assert list(read_shard(shard)) == list(read_records(shard))
    expected, found = load_faces(prepared, "train", 32), read_faces(prepared, "train", 32)
    assert found.files == expected.files
    for name in ("images", "ages", "sexes", "ethnicities"):
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))


def test_arrays_come_back(prepared: Path) -> None:
    faces = read_faces(prepared, "train", 32)
    path = prepared / "faces.npz"
    np.savez(path, **vars(faces))
    again = read_faces(path, "train", 16)
    assert again.images.shape == (7, 16, 16, 3)
    blocks = faces.images.reshape(7, 16, 2, 16, 2, 3).mean(axis=(2, 4))
    assert np.abs(again.images - blocks).max() <= 0.5
    assert again.files == faces.files


def test_batches_are_those_of_the_steps(prepared: Path) -> None:
    faces = read_faces(prepared, "train", 32)
    settings = {"batch_size": 4, "seed": 3, "sampling": Sampling()}
    batches = FaceBatches(faces, 10, **settings)
    assert batches.num_batches is None
    expected = training_batch(faces, 12, **settings)
    for name, value in batches[2].items():
        np.testing.assert_array_equal(value, expected[name])


@pytest.mark.parametrize(
    "content",
    [b"no record", struct.pack("<Q", 1 << 40), struct.pack("<QI", 2, 0) + b"\xff\xff    "],
)
def test_damaged_shards_are_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "train-00000-of-00001.tfrecord"
    path.write_bytes(content)
    with pytest.raises(DataError, match="is damaged or holds no face records"):
        list(read_shard(path))


def test_a_cut_shard_is_refused(prepared: Path) -> None:
    shard = prepared / "train-00000-of-00002.tfrecord"
    shard.write_bytes(shard.read_bytes()[:-9])
    with pytest.raises(DataError, match="is damaged"):
        read_faces(prepared, "train", 32)


def test_what_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds no train faces"):
        read_faces(tmp_path, "train", 32)
    with pytest.raises(DataError, match="does not hold images, ages"):
        read_faces(tmp_path / "faces.npz", "train", 32)


@pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="needs the extra `torch`")
def test_tensorflow_is_not_needed(prepared: Path) -> None:
    code = (
        "import sys; sys.modules['tensorflow'] = None\n"
        "from pathlib import Path; import os; os.environ['KERAS_BACKEND'] = 'torch'\n"
        "from reage.data.pydataset import read_faces\n"
        "print(len(read_faces(Path(sys.argv[1]), 'train', 32).ages))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(prepared)], capture_output=True, text=True, check=False
    )
    assert done.stdout == "7\n", done.stderr
