"""Times what the web page does: opening a photo, then one age of the slider after another.

Usage: python benchmarks/web.py [--photo FILE] [--repeats 30] [--threads N]
"""

from __future__ import annotations

import argparse
import statistics
import time
from pathlib import Path

from reage.inference.ager import FaceAger
from reage.web.work import Wish, open_visit, preview

ASTRONAUT = Path(__file__).parents[1] / "examples" / "astronaut.png"


def main() -> None:
    options = parse_arguments()
    ager = FaceAger(threads=options.threads)
    data = options.photo.read_bytes()
    open_visit(ager, data, 10**9)
    opening = [timed(open_visit, ager, data, 10**9)[0] for _ in range(options.repeats)]
    visit, answer = open_visit(ager, data, 10**9)
    preview(visit, Wish(50, 1.0, None))
    ages = [timed(preview, visit, Wish(1 + n % 99, 1.0, None))[0] for n in range(options.repeats)]
    first, further = statistics.median(opening), statistics.median(ages)
    width, height, faces = answer["width"], answer["height"], len(answer["faces"])
    print(f"{options.photo.name}, {width}x{height}, {faces} faces")
    print(f"open (read, find, encode): {first:.0f} ms")
    print(f"each age (decode, paste, JPEG): {further:.0f} ms, {further / first:.0%} of opening")


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Times the web page's work.")
    parser.add_argument("--photo", type=Path, default=ASTRONAUT)
    parser.add_argument("--repeats", type=int, default=30)
    parser.add_argument("--threads", type=int)
    return parser.parse_args()


def timed(function, *arguments):
    start = time.perf_counter()
    result = function(*arguments)
    return 1e3 * (time.perf_counter() - start), result


if __name__ == "__main__":
    main()
