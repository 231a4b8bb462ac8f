"""The faces of a prepared data set, read without TensorFlow."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from reage.data.tfrecords import FaceRecord
from reage.errors import DataError


def read_split(prepared: Path, split: str) -> list[FaceRecord]:
    """Reads a split of a folder made by `reage data prepare`.

    Raises:
        DataError: If the folder holds no such split, or a damaged one.
    """
    shards = sorted(prepared.glob(f"{split}-*-of-*.tfrecord"))
    if not shards:
        raise DataError(
            prepared, f"holds no {split} records", "make them with `reage data prepare`"
        )
    return [record for shard in shards for record in read_records(shard)]


def read_records(path: Path) -> Iterator[FaceRecord]:
    """Reads the records of one TFRecord file in order.

    A file of another kind or one that ends too soon is noticed; the checksums of its records are
    not computed, for `reage data prepare` compares whole files.

    Raises:
        DataError: If the file is absent, damaged or holds other features.
    """
    position = 0
    try:
        data = memoryview(path.read_bytes())
        while position < len(data):
            # Each record: its length, a checksum of that, an example, a checksum of that.
            (length,) = struct.unpack_from("<Q", data, position)
            start = position + 12
            position = start + length + 4
            if position > len(data):
                raise ValueError("the last record is cut off")
            yield _record(data[start : start + length])
    except OSError as error:
        raise DataError(path, "cannot be read", "run `reage data prepare` first") from error
    except (ValueError, KeyError, IndexError, TypeError, StopIteration, struct.error) as error:
        raise DataError(
            path, "is damaged or holds no face records", "run `reage data prepare --force` again"
        ) from error


def _record(example: memoryview) -> FaceRecord:
    """Decodes a `tf.train.Example`: features (field 1) hold a map (1) of name (1) to value (2)."""
    values: dict[str, Any] = {}
    for _, features in _fields(example):
        for _, entry in _fields(features):
            parts = dict(_fields(entry))
            values[bytes(parts[1]).decode()] = _value(parts[2])
    return FaceRecord(
        file=values["file"].decode(),
        image=values["image"],
        age=values["age"],
        sex=values["sex"],
        ethnicity=values["ethnicity"],
    )


def _value(feature: memoryview) -> Any:
    """The only value of a `tf.train.Feature`: bytes (field 1) or a packed int64 (field 3)."""
    kind, values = _first_field(feature)
    if kind == 1:
        return bytes(_first_field(values)[1])
    packed = _first_field(values)[1]
    number = packed if isinstance(packed, int) else _varint(packed, 0)[0]
    return number - (1 << 64) if number >> 63 else number


def _first_field(message: memoryview) -> tuple[int, Any]:
    """The number and content of a message's first field."""
    for field in _fields(message):
        return field
    raise ValueError("an empty message")


def _fields(message: memoryview) -> Iterator[tuple[int, Any]]:
    """Numbers and contents of a protocol buffer's fields, varints and what states its length."""
    position = 0
    while position < len(message):
        tag, position = _varint(message, position)
        value, position = _varint(message, position)
        if tag & 7 == 0:
            yield tag >> 3, value
        elif tag & 7 == 2:
            yield tag >> 3, message[position : position + value]
            position += value
        else:
            raise ValueError(f"a field of wire type {tag & 7}")


def _varint(data: memoryview, position: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[position]
        value |= (byte & 127) << shift
        shift, position = shift + 7, position + 1
        if byte < 128:
            return value, position
