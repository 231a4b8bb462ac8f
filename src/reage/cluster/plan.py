"""What is to be done: the photos of one store that have no result in the other yet."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Final

from reage.cluster.batch import Batch
from reage.cluster.store import PRIVATE_FOLDER, Store, StoredFile
from reage.errors import ImageReadError, ImageWriteError, UsageError
from reage.images import format_for_path

_RECORDS: Final = f"{PRIVATE_FOLDER}/records"


@dataclass(frozen=True)
class Job:
    """A photo that is to be aged.

    Attributes:
        path: Of the photo below the input, and of its result below the output.
        key: Stands for the path, and for this version of the photo and what is asked for: two
            runs of hex digits with a dash between them.
    """

    path: str
    key: str

    @property
    def record(self) -> str:
        """The path of its record below the output."""
        return f"{_RECORDS}/{self.key[:2]}/{self.key}.json"


@dataclass(frozen=True)
class Plan:
    """The photos of a store.

    Attributes:
        jobs: All of them, ordered by path.
        pending: Those without a result, in the same order.
        superseded: Records of photos that have changed since, or of which something else was asked;
            they have to go before the results that they speak of are replaced.
        misnamed: Photos that cannot be handled, for their names are no text.
        other_files: How many files are no photos.
    """

    jobs: list[Job]
    pending: list[Job]
    superseded: list[str]
    misnamed: list[str]
    other_files: int


def make_plan(batch: Batch) -> Plan:
    """Lists both stores of a batch; the results are left out where they lie inside the photos.

    Raises:
        UsageError: If both are the same folder, or a result would replace a photo.
        ImageReadError: If there are no photos.
        ReageError: If a store does not answer.
    """
    source, target = batch.source, batch.target
    inside, fingerprint = _below(source, target), batch.fingerprint()
    photos, misnamed, others = [], [], 0
    for file in source.files():
        if inside and file.path.startswith(inside):
            continue
        if not _is_photo(file.path):
            others += 1
        elif not _is_text(file.path):
            misnamed.append(file.path.encode("utf-8", "backslashreplace").decode())
        else:
            photos.append(file)
    if not photos and not misnamed:
        raise ImageReadError(source.name, "holds no photos", "name another folder")
    _check_results_apart(source, target, {file.path for file in photos})
    jobs = sorted(
        (Job(file.path, _key(file, fingerprint)) for file in photos), key=lambda job: job.path
    )
    there = {file.path for file in target.files()}
    pending = [job for job in jobs if job.path not in there or job.record not in there]
    return Plan(jobs, pending, _superseded(jobs, there), sorted(misnamed), others)


def _superseded(jobs: list[Job], there: set[str]) -> list[str]:
    current = {job.record.rpartition("-")[0]: job.record for job in jobs}
    records = (path for path in there if path.startswith(_RECORDS))
    return [path for path in records if current.get(path.rpartition("-")[0], path) != path]


def _below(source: Store, target: Store) -> str | None:
    """Where `target` lies below `source`, with a slash at its end; None if it lies elsewhere."""
    if source.filesystem != target.filesystem:
        return None
    if source.root == target.root:
        raise UsageError(target.name, "is the folder of the photos", "name another one")
    prefix = f"{source.root}/"
    return f"{target.root[len(prefix) :]}/" if target.root.startswith(prefix) else None


def _check_results_apart(source: Store, target: Store, photos: set[str]) -> None:
    """Refuses results whose place is that of a photo, as where the photos lie below the results."""
    inside = f"{target.root}/"
    if source.filesystem != target.filesystem or not source.root.startswith(inside):
        return
    prefix = f"{source.root[len(inside) :]}/"
    if any(path.removeprefix(prefix) in photos for path in photos if path.startswith(prefix)):
        raise UsageError(
            target.name, "holds the photos, one of which a result would replace", "name another one"
        )


def _key(file: StoredFile, fingerprint: str) -> str:
    version = "\0".join((fingerprint, str(file.size), str(file.mtime_ns)))
    return f"{_digest(file.path)}-{_digest(version)}"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _is_photo(path: str) -> bool:
    try:
        return format_for_path(path) is not None
    except ImageWriteError:
        return False


def _is_text(path: str) -> bool:
    """Whether a path is no more than bytes that some old program left on a disk."""
    try:
        path.encode()
    except UnicodeEncodeError:
        return False
    return True
