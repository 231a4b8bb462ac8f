"""Choose the faces of a source: read, check, drop copies, split."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Protocol, TypeVar

from reage.data.alignment import FaceAligner
from reage.data.dedupe import Fingerprint, cluster_copies, drop_duplicates, fingerprint
from reage.data.folder import (
    age_folders,
    normalize_image,
    read_age_folders,
    read_csv,
)
from reage.data.splits import assign_splits
from reage.data.tfrecords import FaceRecord
from reage.data.utkface import Skipped, is_image_name, read_archive, read_folder
from reage.errors import DataError, ImageReadError, MissingExtraError

T = TypeVar("T")


class Track(Protocol):
    """Shows progress: yields what it is given while it reports how far that has gone."""

    def __call__(self, items: Iterable[T], description: str, total: int | None) -> Iterable[T]:
        """Yields `items`, of which there are `total` if that is known."""


def silent(items: Iterable[T], description: str, total: int | None) -> Iterable[T]:  # noqa: ARG001
    """Yields `items` and shows nothing."""
    return items


@dataclass(frozen=True)
class Selection:
    """Which faces of a source are used, and for what.

    Attributes:
        faces: The faces in use, sorted by file.
        splits: The split of each face in use, by file.
        skipped: The files left out and why, sorted by file.
        labelled: Every labelled face by file, in use or not, without its image.
    """

    faces: tuple[FaceRecord, ...]
    splits: dict[str, str]
    skipped: tuple[Skipped, ...]
    labelled: dict[str, FaceRecord]


def read_source(source: Path) -> Iterator[FaceRecord | Skipped]:
    """Reads an archive, a UTKFace folder, a folder of folders named by age, or a CSV file.

    Raises:
        DataError: If the source is absent, empty, or none of these.
    """
    if source.is_dir():
        return _read_directory(source)
    if not source.is_file():
        raise DataError(
            source, "there is no such file or folder", "give UTKFace.tar.gz, a folder or a CSV file"
        )
    return read_csv(source) if source.suffix.lower() == ".csv" else read_archive(source)


def _read_directory(source: Path) -> Iterator[FaceRecord | Skipped]:
    if age_folders(source):
        return read_age_folders(source)
    if any(is_image_name(path.name) for path in source.rglob("*")):
        return read_folder(source)
    raise DataError(
        source, "holds no images", "give a folder with UTKFace files, or with folders named by age"
    )


def select(source: Path, *, seed: int = 0, align: bool = False, track: Track = silent) -> Selection:
    """Reads a source, checks each image, drops copies and splits the rest.

    The result depends on names, labels and images alone, not on the order of the files.

    Args:
        source: See `read_source`.
        seed: Seed of the split.
        align: Whether to find the face in each image and crop it; else each must be a face crop.
        track: Shows progress.

    Raises:
        DataError: If the source cannot be read or no face of it is usable.
    """
    found = _unique(source, track(read_source(source), "Reading", None))
    # Threads would be slower: for small images, more time goes to Python than to decoding.
    normalize = FaceAligner() if align else normalize_image
    checked = list(track(map(partial(_check, normalize), found), "Checking", len(found)))
    skipped = {item.file: item for item in checked if isinstance(item, Skipped)}
    pairs = [item for item in checked if not isinstance(item, Skipped)]
    pairs.sort(key=lambda pair: pair[0].file)
    if not pairs:
        raise DataError(source, _no_face(skipped), "see the layouts in `reage data prepare --help`")
    records = [record for record, _ in pairs]
    fingerprints = [print_ for _, print_ in pairs]
    dropped = drop_duplicates(records, fingerprints)
    clusters = cluster_copies([record.file for record in records], fingerprints)
    faces = tuple(record for record in records if record.file not in dropped)
    splits = assign_splits({face.file: face.group for face in faces}, clusters, seed=seed)
    left_out = sorted((skipped | dropped).values(), key=lambda item: item.file)
    labelled = {record.file: replace(record, image=b"") for record in records}
    return Selection(faces, splits, tuple(left_out), labelled)


def _unique(source: Path, items: Iterable[FaceRecord | Skipped]) -> list[FaceRecord | Skipped]:
    """Joins what a folder holds twice, as copies of UTKFace often do.

    Raises:
        DataError: If two different files have the same name.
    """
    found: dict[str, FaceRecord | Skipped] = {}
    for item in items:
        if found.setdefault(item.file, item) != item:
            raise DataError(source, f"holds two different files {item.file}", "remove one of them")
    return list(found.values())


def _check(
    normalize: Callable[[bytes], bytes], item: FaceRecord | Skipped
) -> tuple[FaceRecord, Fingerprint] | Skipped:
    """Brings an image to the form that is stored, and hashes it."""
    if isinstance(item, Skipped):
        return item
    try:
        image = normalize(item.image)
        return replace(item, image=image), fingerprint(image)
    except (ImageReadError, MissingExtraError) as error:
        return Skipped(item.file, "unreadable", error.reason)


def _no_face(skipped: dict[str, Skipped]) -> str:
    if not skipped:
        return "holds no images"
    first = min(skipped.values(), key=lambda item: item.file)
    return f"has no usable face among {len(skipped)} files ({first.file}: {first.reason})"
