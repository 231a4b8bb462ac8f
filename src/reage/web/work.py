"""What the web page asks of `FaceAger`, one function for each kind of request."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, Final, Self

import cv2
import numpy as np

from reage.errors import ImageReadError, ReageError, UsageError
from reage.images import Photo, encode_photo, read_photo
from reage.inference.ager import FaceAger
from reage.inference.results import AgedPhoto
from reage.web.store import Visit

MAX_PREVIEW_SIDE: Final = 1280
MAX_FACES: Final = 12
SWEEP_AGES: Final = (2.5, 10, 20, 35, 50, 65, 80)
_MAX_UNPACKED: Final = 400_000_000
_QUALITY: Final = 88

Download = tuple[bytes, str, str]


@dataclass(frozen=True)
class Wish:
    """What a visitor asks for.

    Attributes:
        to: Target age, years.
        strength: Share of the change, 0..1.
        faces: Which faces, counted from the largest; None means all.
    """

    to: float
    strength: float
    faces: tuple[int, ...] | None

    @classmethod
    def of(cls, query: Mapping[str, str]) -> Self:
        """Reads a query.

        Raises:
            UsageError: If it cannot be meant.
        """
        try:
            faces = query.get("faces")
            return cls(
                float(query.get("to", "")),
                float(query.get("strength", "1")),
                None if faces is None else tuple(int(part) for part in faces.split(",") if part),
            )
        except ValueError as error:
            raise UsageError("request", "is not understood", "reload the page") from error


def open_visit(ager: FaceAger, data: bytes, max_pixels: int) -> tuple[Visit, dict[str, Any]]:
    """Reads a photo, finds and encodes its faces.

    Returns:
        The visit, and what the page must know: size and faces, in pixels of the original.
    """
    photo = read_photo(data, max_pixels=max_pixels)
    height, width = photo.pixels.shape[:2]
    scale = min(1.0, MAX_PREVIEW_SIDE / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    small = cv2.resize(photo.pixels, size, interpolation=cv2.INTER_AREA)
    opened = ager.open(np.asarray(small, np.uint8), faces=MAX_FACES)
    faces = [
        {"box": [round(float(value) / scale, 1) for value in patch.face.box]}
        for patch in opened.patches
    ]
    return Visit(data, opened), {"width": width, "height": height, "faces": faces}


def preview(visit: Visit, wish: Wish) -> bytes:
    """The photo at an age, as JPEG of the size of the preview; quick enough for a slider."""
    aged = visit.opened.age(wish.to, faces=wish.faces, strength=wish.strength)
    buffer = io.BytesIO()
    aged.image.save(buffer, "JPEG", quality=_QUALITY, xmp=aged.image.info["xmp"])
    return buffer.getvalue()


def full_photo(ager: FaceAger, visit: Visit, wish: Wish, max_pixels: int) -> Download:
    """The photo at an age in its own size and format."""
    photo = read_photo(visit.original, max_pixels=max_pixels)
    aged = _age_original(ager, photo, wish)
    data, suffix = _encode(aged)
    return data, f"aged_{wish.to:g}{suffix}", "application/octet-stream"


def strip(ager: FaceAger, visit: Visit, wish: Wish, max_pixels: int) -> Download:
    """The faces at several ages side by side, as JPEG."""
    del max_pixels
    sweep = ager.sweep(visit.opened.photo.pixels, SWEEP_AGES, strength=wish.strength)
    buffer = io.BytesIO()
    sweep.strip().save(buffer, "JPEG", quality=_QUALITY, xmp=sweep.frames[0].info["xmp"])
    return buffer.getvalue(), "ages.jpg", "image/jpeg"


def animation(ager: FaceAger, visit: Visit, wish: Wish, max_pixels: int) -> Download:
    """The faces through the ages and back, as GIF."""
    del max_pixels
    sweep = ager.sweep(visit.opened.photo.pixels, SWEEP_AGES, strength=wish.strength)
    return sweep.animation(), "ages.gif", "image/gif"


DOWNLOADS: Final = {"photo": full_photo, "strip": strip, "gif": animation}


def age_archive(ager: FaceAger, data: bytes, wish: Wish, max_photos: int, max_pixels: int) -> bytes:
    """Ages every photo of a zip archive; what fails is named in `failures.txt`.

    Raises:
        ImageReadError: If it is no zip archive, or holds too much.
    """
    try:
        source = zipfile.ZipFile(io.BytesIO(data))
        entries = [entry for entry in source.infolist() if not entry.is_dir()]
    except (zipfile.BadZipFile, OSError, ValueError) as error:
        raise ImageReadError("archive", "is no zip archive", "send a .zip file") from error
    if len(entries) > max_photos or sum(entry.file_size for entry in entries) > _MAX_UNPACKED:
        raise ImageReadError(
            "archive", "holds too much", f"send at most {max_photos} photos at a time"
        )
    buffer, failures = io.BytesIO(), []
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as target:
        for number, entry in enumerate(entries):
            # Names in an archive can lead anywhere: only the last part is used.
            name = PurePosixPath(entry.filename.replace("\\", "/")).name or f"photo{number}"
            try:
                photo = read_photo(source.read(entry), max_pixels=max_pixels)
                aged, suffix = _encode(_age_original(ager, photo, wish))
            except ReageError as error:
                failures.append(f"{name}: {error.reason}; {error.remedy}.\n")
                continue
            except (zipfile.BadZipFile, RuntimeError, NotImplementedError, EOFError):
                failures.append(f"{name}: cannot be unpacked; send it again without a password.\n")
                continue
            target.writestr(f"{number:03d}_{PurePosixPath(name).stem}_{wish.to:g}{suffix}", aged)
        if failures:
            target.writestr("failures.txt", "".join(failures))
    return buffer.getvalue()


def _age_original(ager: FaceAger, photo: Photo, wish: Wish) -> AgedPhoto:
    opened = ager.open(photo.pixels, faces=MAX_FACES)
    chosen = wish.faces
    if chosen is not None:
        chosen = tuple(face for face in chosen if face < len(opened.patches))
    aged = opened.age(wish.to, faces=chosen, strength=wish.strength)
    return AgedPhoto(photo, aged.pixels, aged.faces)


def _encode(aged: AgedPhoto) -> tuple[bytes, str]:
    """An aged photo as a file of its own format where browsers write such files, else as PNG."""
    suffixes = {"JPEG": ".jpg", "PNG": ".png", "WEBP": ".webp", "AVIF": ".avif", "TIFF": ".tif"}
    chosen = aged.photo.format if aged.photo.format in suffixes else "PNG"
    return encode_photo(aged.marked(), aged.pixels, format=chosen), suffixes[chosen]
