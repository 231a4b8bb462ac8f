"""Own face photos: folders named by age, or a CSV file with one photo a line."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from reage.ages import MAX_AGE, MIN_AGE
from reage.data.tfrecords import UNKNOWN, FaceRecord
from reage.data.utkface import ETHNICITIES, SEXES, Skipped, is_image_name, load
from reage.errors import DataError, ImageReadError
from reage.images import read_photo
from reage.images.quiet import quiet_pillow

IMAGE_SIZE: Final = 200
JPEG_QUALITY: Final = 95
# A face crop further from square than this is a whole photo, and squeezing it would distort faces.
MAX_ASPECT: Final = 1.25
_ORIENTATION: Final = 0x0112


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
        reader = csv.DictReader(io.StringIO(path.read_text("utf-8-sig"), newline=""))
        rows = list(reader)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(path, "cannot be read as CSV in UTF-8", "save it as CSV, UTF-8") from error
    columns = [column.strip().lower() for column in reader.fieldnames or () if column]
    for column in ("file", "age"):
        if column not in columns:
            raise DataError(
                path,
                f"has no column `{column}`",
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
    image = load(path)
    if isinstance(image, str):
        return Skipped(name, "unreadable", image)
    return FaceRecord(name, image, age, sex, ethnicity)


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


def normalize_image(encoded: bytes) -> bytes:
    """Returns a 200x200 upright RGB or grey JPEG; one that is that already is returned untouched.

    Raises:
        ImageReadError: If it is damaged, or no square-ish face crop.
        MissingExtraError: If it is a HEIC picture and pillow-heif is not installed.
    """
    if _is_normal(encoded):
        return encoded
    pixels = read_photo(encoded).pixels
    height, width = pixels.shape[:2]
    if max(height, width) > MAX_ASPECT * min(height, width):
        raise ImageReadError(
            "image",
            f"its {width}x{height} pixels are too far from square for a face crop",
            "crop it to the face, or add --align",
        )
    return encode_face(pixels)


def encode_face(pixels: NDArray[np.uint8]) -> bytes:
    """Resizes RGB pixels (H, W, 3) to 200x200 and encodes them as they are stored."""
    face = Image.fromarray(pixels)
    if face.size != (IMAGE_SIZE, IMAGE_SIZE):
        face = face.resize((IMAGE_SIZE, IMAGE_SIZE), Image.Resampling.LANCZOS)
    out = io.BytesIO()
    face.save(out, "JPEG", quality=JPEG_QUALITY)
    return out.getvalue()


def _is_normal(encoded: bytes) -> bool:
    """Whether the header of an image promises what `normalize_image` returns."""
    try:
        with quiet_pillow(), Image.open(io.BytesIO(encoded), formats=("JPEG",)) as image:
            return (
                image.format == "JPEG"
                and image.mode in ("RGB", "L")
                and image.size == (IMAGE_SIZE, IMAGE_SIZE)
                and image.getexif().get(_ORIENTATION, 1) == 1
            )
    except Exception:  # Pillow's parsers fail in many ways; the careful reader says which
        return False
