from __future__ import annotations

import io
import tarfile
from collections.abc import Mapping
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image


def pixels(seed: int, size: int = 200) -> NDArray[np.uint8]:
    """A smooth random picture, RGB: as unlike any other seed's as two people's photos."""
    noise = np.random.default_rng(seed).integers(0, 256, (8, 8, 3)).astype(np.uint8)
    return np.asarray(cv2.resize(noise, (size, size), interpolation=cv2.INTER_CUBIC), np.uint8)


def encode(image: NDArray[np.uint8], format: str = "JPEG", quality: int = 90) -> bytes:
    out = io.BytesIO()
    Image.fromarray(image).save(out, format, quality=quality)
    return out.getvalue()


def jpeg(seed: int, size: int = 200) -> bytes:
    return encode(pixels(seed, size))


def utk_name(age: int, number: int, sex: int = 0, ethnicity: int = 0) -> str:
    return f"{age}_{sex}_{ethnicity}_{20170101000000000 + number}.jpg.chip.jpg"


def utk_files(count: int) -> dict[str, bytes]:
    """`count` different faces of ages 20 to 29 under UTKFace names."""
    return {utk_name(20 + n % 10, n, n % 2, n % 5): jpeg(n) for n in range(count)}


def write_folder(folder: Path, files: Mapping[str, bytes]) -> Path:
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return folder


def write_archive(path: Path, files: Mapping[str, bytes], mode: str = "w:gz") -> Path:
    with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]
        for name, data in files.items():
            member = tarfile.TarInfo(f"UTKFace/{name}")
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return path


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


# What the prepared test set holds beside its different faces.
FILES = 40
UNLABELLED = "39_1_20170116174525125.jpg.chip.jpg"
DAMAGED = utk_name(25, 901)
TWIN = utk_name(25, 905)
CONFLICTS = (utk_name(50, 910), utk_name(60, 911))
