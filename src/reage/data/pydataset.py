"""Training faces without TensorFlow: for Keras on PyTorch.

TFRecord shards are read with protobuf, which ONNX Runtime brings along, and batches come as a
`keras.utils.PyDataset`.
"""

from __future__ import annotations

import struct
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import keras
import numpy as np

from reage.data.pipeline import Batch, Faces, Sampling, decode_faces, training_batch
from reage.data.tfrecords import FaceRecord
from reage.errors import DataError

_ARRAYS = ("images", "ages", "sexes", "ethnicities", "files")
_CHECKSUM = 4


class FaceBatches(keras.utils.PyDataset):  # type: ignore[misc]
    """The batches of steps `start_step`, `start_step + 1`, ..., without end; see `training_batch`.

    Args:
        faces: The training split.
        start_step: Step of the first batch.
        batch_size: Faces in a batch.
        seed: Seed of the run.
        sampling: How faces and target ages are drawn.
    """

    def __init__(
        self, faces: Faces, start_step: int, *, batch_size: int, seed: int, sampling: Sampling
    ) -> None:
        super().__init__()
        self.faces, self.start_step = faces, start_step
        self.batch_size, self.seed, self.sampling = batch_size, seed, sampling

    @property
    def num_batches(self) -> None:
        """None: there is no end."""
        return

    def __getitem__(self, index: int) -> Batch:
        return training_batch(
            self.faces,
            self.start_step + index,
            batch_size=self.batch_size,
            seed=self.seed,
            sampling=self.sampling,
        )


def read_faces(source: Path, split: str, image_size: int) -> Faces:
    """Reads labelled faces, without TensorFlow.

    Args:
        source: A folder of the shards of `reage data prepare`; or a `.npz` file of the arrays of
            `Faces`, made by `np.savez(path, **vars(faces))`, which is one split.
        split: Which shards.
        image_size: Side of the images, pixels; they are area-averaged.

    Raises:
        DataError: If it is neither, is damaged, or holds no face.
    """
    if source.suffix == ".npz":
        return _read_arrays(source, image_size)
    shards = sorted(source.glob(f"{split}-*-of-*.tfrecord"))
    records = [record for shard in shards for record in read_shard(shard)]
    if not records:
        raise DataError(source, f"holds no {split} faces", "make them with `reage data prepare`")
    return decode_faces(records, image_size)


def read_shard(path: Path) -> Iterator[FaceRecord]:
    """Reads the records of one TFRecord file in order, as `tfrecords.read_records`.

    A file of another kind or one that ends too soon is noticed; checksums are not computed.

    Raises:
        DataError: If the file is absent, damaged or holds other features.
    """
    from google.protobuf.message import DecodeError

    example = _example_type()
    try:
        for serialized in _payloads(path.read_bytes()):
            yield _record(example.FromString(serialized))
    except OSError as error:
        raise DataError(path, "cannot be read", "check the path and its permissions") from error
    except (DecodeError, ValueError, KeyError, struct.error) as error:
        raise DataError(
            path, "is damaged or holds no face records", "run `reage data prepare --force` again"
        ) from error


def _payloads(data: bytes) -> Iterator[bytes]:
    """Splits a TFRecord file: length (8 bytes), its checksum, the payload, and its checksum."""
    offset = 0
    while offset < len(data):
        (length,) = struct.unpack_from("<Q", data, offset)
        start = offset + 8 + _CHECKSUM
        offset = start + length + _CHECKSUM
        if offset > len(data):
            raise ValueError("the last record is cut off")
        yield data[start : start + length]


def _record(example: Any) -> FaceRecord:
    """Converts an example; a feature that is missing or no single value is a `ValueError`."""
    values = {
        entry.key: [*entry.value.bytes_list.value, *entry.value.int64_list.value]
        for entry in example.features.feature
    }
    (file,), (image,) = values["file"], values["image"]
    (age,), (sex,), (ethnicity,) = values["age"], values["sex"], values["ethnicity"]
    return FaceRecord(file.decode(), image, age, sex, ethnicity)


def _example_type() -> Any:
    """The message class of `tf.train.Example`; a map is, on the wire, a list of its entries."""
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

    field = descriptor_pb2.FieldDescriptorProto
    once, many = field.LABEL_OPTIONAL, field.LABEL_REPEATED
    messages = {
        "BytesList": [("value", 1, many, field.TYPE_BYTES, "")],
        "Int64List": [("value", 1, many, field.TYPE_INT64, "")],
        "Feature": [
            ("bytes_list", 1, once, field.TYPE_MESSAGE, "BytesList"),
            ("int64_list", 3, once, field.TYPE_MESSAGE, "Int64List"),
        ],
        "Entry": [
            ("key", 1, once, field.TYPE_STRING, ""),
            ("value", 2, once, field.TYPE_MESSAGE, "Feature"),
        ],
        "Features": [("feature", 1, many, field.TYPE_MESSAGE, "Entry")],
        "Example": [("features", 1, once, field.TYPE_MESSAGE, "Features")],
    }
    file = descriptor_pb2.FileDescriptorProto(name="example.proto", syntax="proto3")
    for message, fields in messages.items():
        described = file.message_type.add(name=message)
        for name, number, label, kind, type_name in fields:
            described.field.add(
                name=name, number=number, label=label, type=kind, type_name=type_name or None
            )
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("Example"))


def _read_arrays(path: Path, image_size: int) -> Faces:
    try:
        with np.load(path, allow_pickle=False) as archive:
            images, ages, sexes, ethnicities, files = (archive[name] for name in _ARRAYS)
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise DataError(path, f"does not hold {', '.join(_ARRAYS)}", "write them anew") from error
    size = (image_size, image_size)
    resized = [cv2.resize(image, size, interpolation=cv2.INTER_AREA) for image in images]
    return Faces(np.stack(resized), ages, sexes, ethnicities, tuple(map(str, files)))
