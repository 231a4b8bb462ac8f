"""Ages the photos of a zip archive, all in memory."""

from __future__ import annotations

import io
import lzma
import time
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final

from reage.errors import ReageError, UsageError
from reage.images import read_photo
from reage.inference.ager import FaceAger
from reage.web.answers import about_photo
from reage.web.limits import Limits, RefusalError
from reage.web.work import Wish, encode

FAILURES_FILE: Final = "failures.txt"
# As many as on the command line. Nothing of a photo is kept here after it was aged, so there may be
# more of them than on the page.
_MAX_FACES: Final = 500
# How many times its own size an archive may unpack to, and its answer may have.
_MAX_GROWTH: Final = 20
_UNPACKING_ERRORS: Final = (
    *(zipfile.BadZipFile, zlib.error, lzma.LZMAError, OSError),
    *(RuntimeError, NotImplementedError, EOFError),
    # A name inside that is not what the list of contents says.
    UnicodeDecodeError,
)


@dataclass(frozen=True)
class AgedArchive:
    """A zip archive of aged photos.

    Attributes:
        data: The archive.
        aged: How many photos are in it.
        failed: How many are not; `failures.txt` in the archive says why.
    """

    data: bytes
    aged: int
    failed: int


def age_archive(
    ager: FaceAger,
    data: bytes,
    wish: Wish,
    limits: Limits,
    seconds: float,
    clock: Callable[[], float] = time.monotonic,
) -> AgedArchive:
    """Ages every photo of a zip archive.

    Args:
        ager: The models to use.
        data: The archive.
        wish: Age, strength and mask.
        limits: What an archive may hold.
        seconds: Photos not begun by then are left out.
        clock: Gives the time in seconds.

    Raises:
        RefusalError: If it is no zip archive, or holds no photos or too much.
        UsageError: If the age, the strength or the mask cannot be meant.
    """
    end = clock() + seconds
    room = _MAX_GROWTH * limits.upload_bytes
    source, entries = _open(data, limits, room)
    buffer, failures = io.BytesIO(), list[str]()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as target:
        for number, entry in enumerate(entries):
            name = _safe_name(entry, number)
            if clock() > end or buffer.tell() > room:
                failures.append(f"{name}: was not reached in time; send fewer photos at a time.\n")
                continue
            try:
                aged, suffix = _age_entry(ager, source, entry, wish, limits.pixels)
            except UsageError:
                raise
            except ReageError as error:
                failures.append(f"{name}: {about_photo(error)}\n")
            except _UNPACKING_ERRORS:
                failures.append(f"{name}: cannot be unpacked; send it again without a password.\n")
            else:
                stem = PurePosixPath(name).stem
                target.writestr(f"{number + 1:03d}_{stem}_{wish.to:g}{suffix}", aged)
        if failures:
            target.writestr(FAILURES_FILE, "".join(failures))
    return AgedArchive(buffer.getvalue(), len(entries) - len(failures), len(failures))


def _open(data: bytes, limits: Limits, room: int) -> tuple[zipfile.ZipFile, list[zipfile.ZipInfo]]:
    """Opens an archive and lists what is worth a look, without unpacking anything."""
    try:
        source = zipfile.ZipFile(io.BytesIO(data))
    except (*_UNPACKING_ERRORS, ValueError) as error:
        raise RefusalError(422, "This is no zip file. Please send a .zip file.") from error
    entries = [entry for entry in source.infolist() if not _is_clutter(entry)]
    if not entries:
        raise RefusalError(422, "This zip file is empty. Please put photos into it.")
    if len(entries) > limits.archive_photos:
        most = limits.archive_photos
        raise RefusalError(422, f"That is too many. Please send at most {most} photos at a time.")
    if sum(entry.file_size for entry in entries) > room:
        raise RefusalError(422, "This zip file unpacks to too much. Please send fewer photos.")
    return source, entries


def _is_clutter(entry: zipfile.ZipInfo) -> bool:
    """Whether it is a folder, or a hidden file such as archivers of some systems add."""
    parts = _parts(entry)
    return entry.is_dir() or not parts or parts[-1].startswith(".") or parts[0] == "__MACOSX"


def _parts(entry: zipfile.ZipInfo) -> tuple[str, ...]:
    return PurePosixPath(entry.filename.replace("\\", "/")).parts


def _safe_name(entry: zipfile.ZipInfo, number: int) -> str:
    # Names in an archive can lead anywhere: only the last part is used, and only plain letters.
    name = "".join(letter for letter in _parts(entry)[-1] if letter.isprintable())
    return name[-80:].strip(". ") or f"photo{number + 1}"


def _age_entry(
    ager: FaceAger, source: zipfile.ZipFile, entry: zipfile.ZipInfo, wish: Wish, max_pixels: int
) -> tuple[bytes, str]:
    photo = read_photo(source.read(entry), max_pixels=max_pixels)
    return encode(
        ager.age(photo, wish.to, faces=_MAX_FACES, strength=wish.strength, mask=wish.mask)
    )
