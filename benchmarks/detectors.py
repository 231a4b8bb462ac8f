"""Recall against time of the ways to search a photo for faces; the package has the last of them.

Usage: python benchmarks/detectors.py PHOTOS [--crops UTKFace.tar.gz] [--count 200]

PHOTOS is a folder of pictures whose faces were counted by eye, COUNTS below; `reage` reads them.
Each search is followed by the same check with the face mesh. "found" is the share of the counted
faces, at most all of a photo's, "false" what was found beyond. CROPS are 200 px pictures of one
face each, grey around to 300 px; every n-th of the archive is taken. Times are milliseconds of CPU
on one thread: the median of the photos, and the sum.
"""

from __future__ import annotations

import argparse
import io
import tarfile
import time
from collections.abc import Iterator
from operator import attrgetter
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from reage.faces.detector import Detections, join
from reage.faces.finder import FaceFinder
from reage.faces.views import Pyramid
from reage.images import read_photo

# By the number that begins a file's name; the crowd of hundreds has no count and is left out.
COUNTS = {
    **dict.fromkeys(("01", "02", "04", "07", "12", "14", "15", "17", "18", "20", "21"), 1),
    **dict.fromkeys(("26", "54", "55", "57", "59", "60", "62", "63", "65", "67", "68"), 1),
    **dict.fromkeys(("70", "72", "73", "75", "78", "79", "81", "82", "89", "91", "92", "94"), 1),
    **{"43": 3, "45": 7, "50": 6, "51": 2, "52": 24, "76": 4},
    **dict.fromkeys(("06", "09", "10", "11", "23", "28", "29", "31", "42", "84", "85", "87"), 0),
}
# As the finder has them.
SIDES = (208, 400, 784, 1552, 3088)
SCORE = 0.4


class Search(FaceFinder):
    """Another search before the same check.

    Args:
        near: Whether the 128 px network looks at the whole photo.
        sides: To which long sides the photo is scaled for the 256 px network; the first is seen as
            a whole, the others tile by tile, as far as the photo has the pixels.
    """

    def __init__(self, *, near: bool, sides: tuple[int, ...]) -> None:
        super().__init__(threads=1)
        self._looks_near = near
        self._sides = sides

    def _candidates(self, pyramid: Pyramid, turns: int, *, deep: bool) -> Detections:  # noqa: ARG002
        long_side = max(pyramid.width, pyramid.height)
        found = [self._detect_near(pyramid, turns)] if self._looks_near else []
        for side in self._sides:
            if side <= long_side or side == self._sides[0]:
                found.append(self._start_in_tiles(pyramid, side / long_side, turns)())
        candidates = join(found)
        return candidates.select(np.argsort(-candidates.scores, kind="stable"))


def searches() -> dict[str, FaceFinder]:
    return {
        "128 px, whole photo": Search(near=True, sides=()),
        "256 px, whole photo": Search(near=False, sides=SIDES[:1]),
        "both, whole photo": Search(near=True, sides=SIDES[:1]),
        "both, always tiles": Search(near=True, sides=SIDES),
        "both, tiles when needed": FaceFinder(threads=1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description="Recall against time of face searches.")
    parser.add_argument("photos", type=Path)
    parser.add_argument("--crops", type=Path)
    parser.add_argument("--count", type=int, default=100)
    options = parser.parse_args()
    photos = list(read_photos(options.photos))
    crops = list(read_crops(options.crops, options.count)) if options.crops else []
    print(f"{len(photos)} photos, {sum(count for _, count in photos)} faces; {len(crops)} crops")
    print(f"{'search':<26}{'found':>7}{'false':>7}{'median':>8}{'sum':>8}{'crops':>8}{'median':>8}")
    for name, finder in searches().items():
        counts, times = zip(*(search(finder, pixels) for pixels, _ in photos), strict=True)
        pairs = list(zip(counts, (count for _, count in photos), strict=True))
        found = sum(min(pair) for pair in pairs)
        false = sum(max(seen - count, 0) for seen, count in pairs)
        line = f"{name:<26}{found:7}{false:7}{np.median(times):8.1f}{sum(times):8.0f}"
        if crops:
            counts, times = zip(*(search(finder, pixels) for pixels in crops), strict=True)
            line += f"{sum(count > 0 for count in counts):8}{np.median(times):8.1f}"
        print(line, flush=True)


def search(finder: FaceFinder, pixels: NDArray[np.uint8]) -> tuple[int, float]:
    """The number of faces, and milliseconds of CPU time."""
    start = time.process_time()
    faces = finder.find(pixels)
    return len(faces), 1e3 * (time.process_time() - start)


def read_photos(folder: Path) -> Iterator[tuple[NDArray[np.uint8], int]]:
    for path in sorted(folder.iterdir()):
        count = COUNTS.get(path.name[:2])
        if count is not None:
            yield read_photo(path).pixels, count


def read_crops(archive: Path, count: int) -> Iterator[NDArray[np.uint8]]:
    with tarfile.open(archive) as tar:
        members = sorted((entry for entry in tar if entry.isfile()), key=attrgetter("name"))
        # In the order of the archive, for it cannot be read backwards fast.
        chosen = sorted(members[:: max(len(members) // count, 1)][:count], key=attrgetter("offset"))
        for member in chosen:
            stream = tar.extractfile(member)
            if stream is not None:
                pixels = np.asarray(Image.open(io.BytesIO(stream.read())).convert("RGB"))
                grey = (128, 128, 128)
                yield cv2.copyMakeBorder(pixels, *(50,) * 4, cv2.BORDER_CONSTANT, value=grey)


if __name__ == "__main__":
    main()
