"""Measures what the skin mask costs, and draws the picture of docs/mask.md.

Usage: python benchmarks/skin_mask.py PHOTO [--runs 30] [--picture OUT.jpg] [--to 75]

Prints the shortest CPU time of one mask of the photo's largest face for each side, on one thread.
The picture shows the photo, what of it counts as skin, and the photo at that age with either mask.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from reage.faces.align import estimate_similarity
from reage.faces.skin import skin_mask
from reage.faces.types import Face
from reage.images import read_photo
from reage.inference.ager import FaceAger

SIDES = (128, 256, 320)


def main() -> None:
    arguments = parse_arguments()
    cv2.setNumThreads(1)
    pixels = read_photo(arguments.photo).pixels
    ager = FaceAger(threads=1)
    face = ager.finder.find(pixels)[0]
    for side in SIDES:
        print(f"{side} px: {1e3 * seconds(pixels, face, side, arguments.runs):.1f} ms")
    if arguments.picture:
        shown = [pixels, lit_skin(pixels, face)]
        shown += [
            ager.age(pixels, arguments.to, faces=1, mask="face").pixels,
            ager.age(pixels, arguments.to, faces=1, mask="skin").pixels,
        ]
        parts = [around(each, face) for each in shown]
        Image.fromarray(np.hstack(parts)).save(arguments.picture, quality=88)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photo", type=Path)
    parser.add_argument("--runs", type=int, default=30)
    parser.add_argument("--picture", type=Path, help="where to draw the picture")
    parser.add_argument("--to", type=float, default=75.0, help="age in the picture")
    return parser.parse_args()


def seconds(pixels: np.ndarray, face: Face, side: int, runs: int) -> float:
    """The shortest of some runs, in seconds of this thread."""
    times = []
    for _ in range(runs):
        started = time.thread_time()
        skin_mask(pixels, face, side)
        times.append(time.thread_time() - started)
    return min(times)


def lit_skin(pixels: np.ndarray, face: Face) -> np.ndarray:
    """The photo, dark where the skin mask is zero."""
    side = SIDES[-1]
    height, width = pixels.shape[:2]
    matrix = estimate_similarity(face.landmarks, side)
    mask = cv2.warpAffine(
        skin_mask(pixels, face, side), matrix, (width, height), flags=cv2.WARP_INVERSE_MAP
    )
    return (pixels * (0.25 + 0.75 * mask[..., None])).astype(np.uint8)


def around(pixels: np.ndarray, face: Face) -> np.ndarray:
    """The face and the hair around it, 300 by 360 pixels."""
    x0, y0, x1, y1 = face.box
    size = 0.9 * max(x1 - x0, y1 - y0)
    center = np.array([(x0 + x1) / 2, (y0 + y1) / 2 - 0.1 * size])
    left, top = np.maximum(center - size * np.array([1.0, 1.2]), 0)
    box = (left, top, left + 2 * size, top + 2.4 * size)
    return np.asarray(Image.fromarray(pixels).resize((300, 360), Image.Resampling.LANCZOS, box))


if __name__ == "__main__":
    main()
