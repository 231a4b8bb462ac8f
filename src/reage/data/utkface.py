"""UTKFace: labels from file names, images from the official archive or an extracted folder."""

from __future__ import annotations

import lzma
import tarfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

from reage.ages import MAX_AGE, MIN_AGE
from reage.data.tfrecords import FaceRecord
from reage.errors import DataError

IMAGE_SUFFIXES: Final = frozenset(
    {".jpg", ".jpeg", ".png", ".webp", ".avif", ".heic", ".heif", ".bmp", ".tif", ".tiff"}
)
SEXES: Final = ("male", "female")
ETHNICITIES: Final = ("White", "Black", "Asian", "Indian", "other")


@dataclass(frozen=True, slots=True)
class Skipped:
    """A file that does not enter the data set.

    Attributes:
        file: Its name, as in `FaceRecord.file`.
        split: What the manifest lists it under: `unlabelled` or `unreadable`.
        reason: Why, a clause without a full stop.
    """

    file: str
    split: str
    reason: str


def parse_name(name: str) -> tuple[int, int, int]:
    """Reads age in years, sex 0..1 and ethnicity 0..4 from `age_sex_ethnicity_time.jpg.chip.jpg`.

    Raises:
        ValueError: If a field is missing or out of range; the message is the reason as a clause.
    """
    fields = PurePosixPath(name).name.split(".")[0].split("_")
    if len(fields) > 4:
        raise ValueError("the name is not of the form age_sex_ethnicity_time")
    if len(fields) < 4:
        raise ValueError(f"the name has {len(fields)} of the 4 fields age_sex_ethnicity_time")
    if not all(field.isascii() and field.isdigit() for field in fields[:3]):
        raise ValueError("the age, sex or ethnicity in the name is not a number")
    age, sex, ethnicity = (int(field) for field in fields[:3])
    if not MIN_AGE <= age <= MAX_AGE:
        raise ValueError(f"the age {age} lies outside {MIN_AGE} to {MAX_AGE}")
    if sex >= len(SEXES) or ethnicity >= len(ETHNICITIES):
        raise ValueError("the sex or ethnicity in the name is unknown")
    return age, sex, ethnicity


def labelled(name: str, image: bytes) -> FaceRecord | Skipped:
    """Makes a record of an image whose name carries its labels."""
    file = PurePosixPath(name).name
    try:
        age, sex, ethnicity = parse_name(file)
    except ValueError as error:
        return Skipped(file, "unlabelled", str(error))
    return FaceRecord(file, image, age, sex, ethnicity)


def is_image_name(name: str) -> bool:
    """Whether a name looks like an image; hidden files, such as macOS leaves behind, do not."""
    path = PurePosixPath(name)
    return path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith(".")


def read_archive(path: Path) -> Iterator[FaceRecord | Skipped]:
    """Reads the images of a tar archive, compressed or not, in the order they lie in it.

    Raises:
        DataError: If it is not a tar archive or ends too early.
    """
    try:
        archive = tarfile.open(path)  # noqa: SIM115 - closed below, apart from other errors
    except PermissionError as error:
        raise DataError(path, "may not be read", "check its permissions") from error
    except (tarfile.TarError, EOFError, OSError, zlib.error, lzma.LZMAError) as error:
        raise DataError(
            path, "is not a tar archive", "give UTKFace.tar.gz, a folder or a CSV file"
        ) from error
    with archive:
        try:
            yield from _read_members(archive)
        except (tarfile.TarError, EOFError, OSError, zlib.error, lzma.LZMAError) as error:
            raise DataError(
                path, "is truncated or damaged", "download the archive again"
            ) from error


def _read_members(archive: tarfile.TarFile) -> Iterator[FaceRecord | Skipped]:
    for member in archive:
        stream = archive.extractfile(member) if is_image_name(member.name) else None
        if stream is not None:
            yield labelled(member.name, stream.read())
    _check_end(archive)


def _check_end(archive: tarfile.TarFile) -> None:
    """Raises EOFError if no zero block follows the last member: `tarfile` itself lets that pass."""
    assert archive.fileobj is not None
    archive.fileobj.seek(archive.offset)
    if archive.fileobj.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
        raise EOFError("no end-of-archive block")


def read_folder(path: Path) -> Iterator[FaceRecord | Skipped]:
    """Reads the images of an extracted UTKFace folder and its subfolders, sorted by path."""
    for file in sorted(path.rglob("*")):
        if is_image_name(file.name) and file.is_file():
            image = load(file)
            if isinstance(image, str):
                yield Skipped(file.name, "unreadable", image)
            else:
                yield labelled(file.name, image)


def load(path: Path) -> bytes | str:
    """The bytes of a file, or why it cannot be read, a clause without a full stop."""
    try:
        return path.read_bytes()
    except OSError as error:
        return f"the file cannot be read ({error.strerror})"
