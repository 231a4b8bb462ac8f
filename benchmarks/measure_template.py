"""Measures where UTKFace's crops have their eyes, nose and mouth: the template of `reage.faces`.

Usage: python benchmarks/measure_template.py UTKFACE [--faces 2000] [--seed 0] [--threads 1]

UTKFACE is the folder of the aligned and cropped faces (200x200 pixels) or its tar.gz archive.
Prints the constants for `reage/faces/align.py`, and how far faces lie from the template in their
native crop and after alignment.
"""

from __future__ import annotations

import argparse
import io
import random
import tarfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from rich.progress import track

from reage.faces.align import TEMPLATE, estimate_similarity, transform_points
from reage.faces.finder import FaceFinder

CROP_SIDE = 200
NAMES = ("right eye", "left eye", "nose tip", "right mouth corner", "left mouth corner")


def main() -> None:
    arguments = parse_arguments()
    names = list_faces(arguments.utkface)
    sample = random.Random(arguments.seed).sample(names, min(arguments.faces, len(names)))
    finder = FaceFinder(threads=arguments.threads)
    found = []
    for pixels in track(
        read_faces(arguments.utkface, set(sample)), "Finding landmarks", total=len(sample)
    ):
        faces = finder.find(pixels)
        if faces:
            found.append(faces[0].landmarks)
    print(f"{len(found)} of {len(sample)} faces found")
    report(np.stack(found).astype(np.float64))


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("utkface", type=Path, help="folder or tar.gz of the aligned crops")
    parser.add_argument("--faces", type=int, default=2000, help="size of the sample")
    parser.add_argument("--seed", type=int, default=0, help="which sample")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads")
    return parser.parse_args()


def list_faces(source: Path) -> list[str]:
    """The sorted names of the JPEG files in a folder or archive."""
    if source.is_dir():
        return sorted(path.name for path in source.glob("*.jpg"))
    with tarfile.open(source) as archive:
        return sorted(Path(name).name for name in archive.getnames() if name.endswith(".jpg"))


def read_faces(source: Path, wanted: set[str]) -> Iterator[NDArray[np.uint8]]:
    """The wanted faces, uint8 (200, 200, 3), RGB."""
    if source.is_dir():
        for name in sorted(wanted):
            yield np.asarray(Image.open(source / name).convert("RGB"))
        return
    with tarfile.open(source) as archive:
        for member in archive:
            file = archive.extractfile(member) if Path(member.name).name in wanted else None
            if file is not None:
                yield np.asarray(Image.open(io.BytesIO(file.read())).convert("RGB"))


def report(landmarks: NDArray[np.float64]) -> None:
    """Prints the template and the spread around it; landmarks (N, 5, 2) in pixels of the crop."""
    template = (np.median(landmarks, axis=0) + 0.5) / CROP_SIDE
    print("TEMPLATE = (")
    for name, (x, y) in zip(NAMES, template, strict=True):
        print(f"    ({x:.4f}, {y:.4f}),  # {name}")
    print(")")
    print(f"largest difference to align.py: {np.abs(template - TEMPLATE).max():.4f} crop sides")

    target = np.asarray(TEMPLATE) * CROP_SIDE - 0.5
    aligned = np.stack(
        [transform_points(estimate_similarity(face, CROP_SIDE), face) for face in landmarks]
    )
    for title, points in (("native crop", landmarks), ("after alignment", aligned)):
        distances = np.linalg.norm(points - target, axis=2).mean(axis=1)
        quantiles = np.percentile(distances, (50, 90, 99))
        print(f"{title}: mean landmark distance to the template, pixels of {CROP_SIDE}:")
        print("  median {:.2f}, 90 % {:.2f}, 99 % {:.2f}".format(*quantiles))
    report_motion(landmarks)


def report_motion(landmarks: NDArray[np.float64]) -> None:
    """Prints how the native crops are turned, scaled and shifted against the template."""
    matrices = np.stack([estimate_similarity(face, CROP_SIDE) for face in landmarks])
    turn = np.degrees(np.arctan2(matrices[:, 1, 0], matrices[:, 0, 0]))
    scale = np.hypot(matrices[:, 1, 0], matrices[:, 0, 0])
    center = np.full((1, 2), (CROP_SIDE - 1) / 2)
    shift = np.stack([transform_points(matrix, center)[0] - center[0] for matrix in matrices])
    print("native crop to template, 5 % / 50 % / 95 %:")
    for title, values in (
        ("turn, degrees", turn),
        ("scale", scale),
        ("shift of the center in x, pixels", shift[:, 0]),
        ("shift of the center in y, pixels", shift[:, 1]),
    ):
        print("  {}: {:.2f} / {:.2f} / {:.2f}".format(title, *np.percentile(values, (5, 50, 95))))


if __name__ == "__main__":
    main()
