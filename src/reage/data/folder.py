"""Own face photos: folders named by age, or a CSV file with one photo a line."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from reage.ages import MAX_AGE, MIN_AGE
from reage.data.tfrecords import UNKNOWN, FaceRecord
from reage.data.utkface import ETHNICITIES, SEXES, Skipped, is_image_name
from reage.errors import DataError, ImageReadError

IMAGE_SIZE: Final = 200
JPEG_QUALITY: Final = 95
# A face crop further from square than this is a whole photo, and squeezing it would distort faces.
MAX_ASPECT: Final = 1.25
# What Pillow raises for files that are no image, damaged, truncated or far too large.
DECODE_ERRORS: Final = (OSError, SyntaxError, ValueError, Image.DecompressionBombError)


def read_age_folders(path: Path) -> Iterator[FaceRecord | Skipped]:
    """Reads the images of `path/AGE/...`, where AGE is a whole number of years, sorted by path."""
    for folder in age_folders(path):
        for file in sorted(folder.rglob("*")):
            if is_image_name(file.name) and file.is_file():
                name = file.relative_to(path).as_posix()
                yield _labelled(name, file, {"age": folder.name})


def age_folders(path: Path) -> list[Path]:
    """The subfolders whose name is a whole number, by rising age."""
    found = [child for child in path.iterdir() if child.is_dir() and _is_number(child.name)]
    return sorted(found, key=lambda folder: (int(folder.name), folder.name))


def read_csv(path: Path) -> Iterator[FaceRecord | Skipped]:
    """Reads the images that a CSV file lists under the columns file, age, sex and ethnicity.

    Paths are relative to the CSV file. Sex (0 or male, 1 or female) and ethnicity (0..4 or its
    name) may be absent or empty.

    Raises:
        DataError: If the file is no UTF-8 text, or lacks the column `file` or `age`, or lists a
            file twice.
    """
    try:
        rows = list(csv.DictReader(io.StringIO(path.read_text("utf-8-sig"), newline="")))
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(path, "is not a CSV file in UTF-8", "save it as CSV, UTF-8") from error
    columns = [column.strip().lower() for column in rows[0] if column] if rows else []
    for column in ("file", "age"):
        if rows and column not in columns:
            raise DataError(
                path, f"has no column `{column}`",
                "give it the header file,age or file,age,sex,ethnicity",
            )
    seen: set[str] = set()
    for row in rows:
        cells = {key.strip().lower(): (value or "").strip() for key, value in row.items() if key}
        name = cells["file"].replace("\\", "/")
        if name in seen:
            raise DataError(path, f"lists {name} more than once", "keep one line a photo")
        seen.add(name)
        yield _labelled(name, path.parent / name, cells)


def _labelled(name: str, path: Path, cells: Mapping[str, str]) -> FaceRecord | Skipped:
    try:
        age = _age(cells["age"])
        sex = _choice(cells.get("sex", ""), SEXES)
        ethnicity = _choice(cells.get("ethnicity", ""), ETHNICITIES)
    except ValueError as error:
        return Skipped(name, "unlabelled", str(error))
    try:
        return FaceRecord(name, path.read_bytes(), age, sex, ethnicity)
    except OSError as error:
        return Skipped(name, "unreadable", error.strerror or "the file cannot be read")


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit()


def _age(text: str) -> int:
    if not _is_number(text):
        raise ValueError(f"the age {text!r} is not a whole number of years")
    if not MIN_AGE <= int(text) <= MAX_AGE:
        raise ValueError(f"the age {text} lies outside {MIN_AGE} to {MAX_AGE}")
    return int(text)


def _choice(text: str, names: tuple[str, ...]) -> int:
    """Reads a number below `len(names)` or one of the names; an empty text is unknown."""
    if text in ("", str(UNKNOWN)):
        return UNKNOWN
    lowered = [name.lower() for name in names]
    if text.lower() in lowered:
        return lowered.index(text.lower())
    if _is_number(text) and int(text) < len(names):
        return int(text)
    raise ValueError(f"{text!r} is neither a number below {len(names)} nor one of {names}")


def align_face(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Brings an own photo to the framing of UTKFace before it is resized to 200x200.

    The hook for face alignment. For now the photo must already be a face crop, close to square.

    Args:
        image: RGB, shape (height, width, 3), uint8.

    Returns:
        The face crop: RGB, shape (height, width, 3), uint8.

    Raises:
        ImageReadError: If the image is too far from square to be a face crop.
    """
    height, width = image.shape[:2]
    if max(height, width) > MAX_ASPECT * min(height, width):
        raise ImageReadError(
            "image", f"its {width}x{height} pixels are too far from square for a face crop",
            "crop it to the face",
        )
    return image


def normalize_image(encoded: bytes) -> bytes:
    """Returns a 200x200 upright RGB or grey JPEG; one that is that already is returned untouched.

    Raises:
        ImageReadError: If it cannot be decoded to the end, or is no square-ish face crop.
    """
    try:
        with Image.open(io.BytesIO(encoded)) as image:
            if _is_normal(image):
                return encoded
            upright = ImageOps.exif_transpose(image).convert("RGB")
    except DECODE_ERRORS as error:
        raise undecodable() from error
    face = Image.fromarray(align_face(np.asarray(upright)))
    out = io.BytesIO()
    resized = face.resize((IMAGE_SIZE, IMAGE_SIZE), Image.Resampling.LANCZOS)
    resized.save(out, "JPEG", quality=JPEG_QUALITY)
    return out.getvalue()


def _is_normal(image: Image.Image) -> bool:
    upright = image.getexif().get(0x0112, 1) == 1
    return (
        image.format == "JPEG"
        and image.mode in ("RGB", "L")
        and image.size == (IMAGE_SIZE, IMAGE_SIZE)
        and upright
    )


def undecodable() -> ImageReadError:
    """The error for image bytes that no decoder reads to the end."""
    return ImageReadError("image", "it is no image or is damaged", "replace it")
