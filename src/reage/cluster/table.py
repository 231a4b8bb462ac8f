"""The table of faces: the records of all photos as one Parquet file."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from reage.cluster.batch import Batch
from reage.cluster.plan import Job
from reage.cluster.store import Store
from reage.errors import ReageError

FACES_FILE: Final = "faces.parquet"
SCHEMA: Final = pa.schema(
    {
        "input": pa.string(),
        "output": pa.string(),
        "status": pa.string(),
        "error": pa.string(),
        "face": pa.int32(),
        "box": pa.list_(pa.float32(), 4),
        "landmarks": pa.list_(pa.list_(pa.float32(), 2), 5),
        "score": pa.float32(),
        "source_age": pa.float32(),
        "target_age": pa.float32(),
        "sha256": pa.string(),
    }
)
_CONTENT: Final = b"reage.content"
_PHOTOS_AT_A_TIME: Final = 10_000
_READERS: Final = 16


def write_faces(batch: Batch, jobs: Sequence[Job], failures: Mapping[str, ReageError]) -> None:
    """Writes a row for each face, ordered by photo, and one for each photo that failed.

    The table is replaced whole, and left alone if it holds these rows already.

    Args:
        batch: Where the photos and the records are.
        jobs: The photos, ordered by path; each has a record or a failure.
        failures: Why there is no result, by path; also of photos that are no jobs.

    Raises:
        ReageError: If the store does not answer, or a record is missing.
    """
    target = batch.target
    content = _content(jobs, failures)
    if _content_of_table(target) == content:
        return
    sink = pa.BufferOutputStream()
    schema = SCHEMA.with_metadata({_CONTENT: content})
    done = [job for job in jobs if job.path not in failures]
    with (
        pq.ParquetWriter(sink, schema, compression="zstd") as writer,
        ThreadPoolExecutor(_READERS) as pool,
    ):
        for first in range(0, len(done), _PHOTOS_AT_A_TIME):
            some = done[first : first + _PHOTOS_AT_A_TIME]
            records = pool.map(lambda job: json.loads(target.read(job.record)), some)
            writer.write_table(_table([row for record in records for row in record]))
        if failures:
            writer.write_table(_table(_failed_rows(batch.source, failures)))
    target.write(FACES_FILE, sink.getvalue())


def _table(rows: list[dict[str, Any]]) -> pa.Table:
    return pa.Table.from_pylist(rows, SCHEMA)


def _failed_rows(source: Store, failures: Mapping[str, ReageError]) -> list[dict[str, Any]]:
    return [
        {"input": source.name_of(path), "status": "failed", "error": failures[path].reason}
        for path in sorted(failures)
    ]


def _content(jobs: Sequence[Job], failures: Mapping[str, ReageError]) -> bytes:
    """Stands for the rows of a table, without reading a record."""
    digest = hashlib.sha256()
    for job in jobs:
        digest.update(job.key.encode())
    for path in sorted(failures):
        digest.update(f"{path}\0{failures[path].reason}\0".encode())
    return digest.hexdigest().encode()


def _content_of_table(target: Store) -> bytes | None:
    try:
        schema = pq.read_schema(target.at(FACES_FILE), filesystem=target.filesystem)
    except (OSError, ValueError):  # There is none, or it is damaged.
        return None
    return (schema.metadata or {}).get(_CONTENT)
