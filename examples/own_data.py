"""A data set to try fine-tuning on: UTKFace faces as sepia prints, in folders named by age.

python examples/own_data.py UTKFace.tar.gz sepia

Takes every sixth face of the archive, blurs it a little, flattens its contrast, adds grain and
tones it, and writes it as sepia/AGE/NAME.jpg: 3,952 files that look like no training face.
"""

from __future__ import annotations

import io
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

EVERY = 6
GRAIN = 8.0
# Light and dark of a print on warm paper: red, green, blue.
TONE, PAPER = np.array([1.0, 0.87, 0.67]), np.array([16, 8, 0])


def main(archive: Path, folder: Path) -> None:
    """Writes the data set made of `archive` to `folder`."""
    for number, (name, face) in enumerate(every_sixth(archive)):
        age = name.split("_")[0]
        path = folder / age / name.replace(".jpg.chip", "")
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(sepia(face, np.random.default_rng(number))).save(path, quality=90)
    print(f"{folder}: {number + 1:,} faces")


def every_sixth(archive: Path) -> Iterator[tuple[str, Image.Image]]:
    """File names, which begin with the age, and faces."""
    with tarfile.open(archive) as tar:
        files = [member for member in tar if member.name.endswith(".jpg")]
        for member in files[::EVERY]:
            content = tar.extractfile(member)
            assert content is not None
            yield Path(member.name).name, Image.open(io.BytesIO(content.read()))


def sepia(face: Image.Image, rng: np.random.Generator) -> NDArray[np.uint8]:
    """The face as a print, RGB uint8 of the same size."""
    blurred = np.asarray(face.convert("L").filter(ImageFilter.GaussianBlur(1)), np.float64)
    grey = 0.8 * blurred + 30 + rng.normal(0, GRAIN, blurred.shape)
    return np.clip(grey[..., None] * TONE + PAPER, 0, 255).astype(np.uint8)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
