"""Labelled faces on disk: TFRecord shards of untouched JPEG bytes and labels."""

from __future__ import annotations

import importlib
import importlib.util
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from reage.ages import group_index
from reage.errors import DataError, MissingExtraError

UNKNOWN: Final = -1


@dataclass(frozen=True, slots=True)
class FaceRecord:
    """One labelled face.

    Attributes:
        file: Name of the source file, unique in its data set, with forward slashes.
        image: The encoded image; in a prepared data set a JPEG.
        age: Age in whole years, 0..116.
        sex: 0 male, 1 female, -1 unknown.
        ethnicity: 0 White, 1 Black, 2 Asian, 3 Indian, 4 other, -1 unknown.
    """

    file: str
    image: bytes
    age: int
    sex: int = UNKNOWN
    ethnicity: int = UNKNOWN

    @property
    def group(self) -> int:
        """Index 0..13 of the age group."""
        return int(group_index(self.age))


def require_extra(name: str) -> None:
    """Checks, without importing it, for a module of the optional dependencies for training.

    Raises:
        MissingExtraError: If it is not installed.
    """
    if importlib.util.find_spec(name) is None:
        raise MissingExtraError(
            name,
            "is needed for this command and is not installed",
            "run `pip install 'reage[train]'`",
        )


def import_tensorflow() -> Any:
    """Returns the tensorflow module.

    Raises:
        MissingExtraError: If it is not installed.
    """
    require_extra("tensorflow")
    # Chatter of the native libraries would tear the progress bars; set only where unset.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    return importlib.import_module("tensorflow")


def shard_names(split: str, shards: int) -> list[str]:
    """The file names of a split, e.g. `train-00000-of-00008.tfrecord`."""
    return [f"{split}-{shard:05d}-of-{shards:05d}.tfrecord" for shard in range(shards)]


def write_split(
    folder: Path, split: str, records: Iterable[FaceRecord], *, shards: int = 1
) -> list[Path]:
    """Writes `records` in turn to `shards` files in `folder`, which must exist.

    The same records in the same order give the same bytes. The caller writes to a temporary folder
    and renames it: these files appear under their final name from the start.

    Returns:
        The paths written, also of shards that got no record.

    Raises:
        DataError: If a file cannot be written.
        MissingExtraError: If tensorflow is not installed.
    """
    tf = import_tensorflow()
    paths = [folder / name for name in shard_names(split, shards)]
    try:
        writers = [tf.io.TFRecordWriter(str(path)) for path in paths]
        for number, record in enumerate(records):
            writers[number % shards].write(serialize(record))
        for writer in writers:
            writer.close()
    except (OSError, tf.errors.OpError) as error:
        raise DataError(
            folder,
            f"the records of the {split} split cannot be written ({error})",
            "check the free space and the permissions of the folder",
        ) from error
    return paths


def serialize(record: FaceRecord) -> bytes:
    """Encodes a record as a `tf.train.Example` with the features of `parse_example`."""
    train = import_tensorflow().train

    def integer(value: int) -> Any:
        return train.Feature(int64_list=train.Int64List(value=[value]))

    def text(value: bytes) -> Any:
        return train.Feature(bytes_list=train.BytesList(value=[value]))

    features = {
        "image": text(record.image),
        "age": integer(record.age),
        "group": integer(record.group),
        "sex": integer(record.sex),
        "ethnicity": integer(record.ethnicity),
        "file": text(record.file.encode()),
    }
    example = train.Example(features=train.Features(feature=features))
    return bytes(example.SerializeToString(deterministic=True))


def parse_example(serialized: Any) -> dict[str, Any]:
    """Decodes one serialized example, a scalar string tensor, inside or outside a `tf.data` graph.

    Returns:
        Scalar tensors: `image` (string, JPEG bytes), `age` (int64, years), `group` (int64, 0..13),
        `sex` and `ethnicity` (int64, -1 unknown), `file` (string, UTF-8).
    """
    tf = import_tensorflow()
    text, integer = tf.io.FixedLenFeature([], tf.string), tf.io.FixedLenFeature([], tf.int64)
    features = {
        "image": text,
        "age": integer,
        "group": integer,
        "sex": integer,
        "ethnicity": integer,
        "file": text,
    }
    parsed: dict[str, Any] = tf.io.parse_single_example(serialized, features)
    return parsed
