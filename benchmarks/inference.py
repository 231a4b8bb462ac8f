"""Checks the bars of speed and memory: one face, ten faces, a sweep, the command from a cold start.

Usage: python benchmarks/inference.py [--model DIR] [--threads N] [--repeats 20]

One face and the sweep are of the astronaut in 1280x1920 pixels, without decoding and encoding the
file; ten faces and one face are pasted on a wall of the same size. Times are medians in
milliseconds. "Cold" starts a new Python process each time, with the files in the disk cache.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np
from machine import Times, describe_machine, group, measure, portrait_1280x1920, run_reage
from PIL import Image

from reage.inference.ager import FaceAger

SWEEP = (5, 15, 25, 35, 45, 55, 65, 75, 85, 95, 105)
COLD_RUNS = 5


def main() -> None:
    parser = argparse.ArgumentParser(description="Checks the bars of speed and memory.")
    parser.add_argument("--model", type=Path)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--repeats", type=int, default=20)
    options = parser.parse_args()
    print(describe_machine(options.threads))
    times = time_photos(FaceAger(options.model, threads=options.threads), options.repeats)
    for name, measured in times.items():
        print(f"{name:<24}{measured} ms")
    print_ratios(times)
    with tempfile.TemporaryDirectory() as folder:
        photo = Path(folder) / "portrait.jpg"
        Image.fromarray(portrait_1280x1920()).save(photo, quality=92)
        arguments = ["age", str(photo), "--to", "70", "-o", str(photo.with_name("aged.jpg"))]
        arguments += ["--model", str(options.model)] if options.model else []
        arguments += ["--threads", str(options.threads)] if options.threads else []
        print_command("reage --help", ["--help"])
        print_command("reage age", arguments)


def time_photos(ager: FaceAger, repeats: int) -> dict[str, Times]:
    portrait = portrait_1280x1920()
    one, ten = (group(count, columns=5, rows=2, cell=(256, 340)) for count in (1, 10))
    found = [len(ager.finder.find(photo)) for photo in (portrait, one, ten)]
    if found != [1, 1, 10]:
        raise SystemExit(f"found {found} faces instead of 1, 1 and 10")

    def sweep() -> None:
        frames = ager.sweep(portrait, SWEEP)
        for index in range(len(SWEEP)):
            frames.pixels(index)

    runs = {
        "one face": lambda: ager.age(portrait, 70),
        f"{len(SWEEP)} ages of it": sweep,
        "one face on the wall": lambda: ager.age(one, 70),
        "ten faces on the wall": lambda: ager.age(ten, 70),
    }
    return measure(runs, repeats)


def print_ratios(times: dict[str, Times]) -> None:
    """Ratios within each round; their median is what the machine's load changes least."""
    for kind in ("wall", "cpu"):
        first, ages, one, ten = (getattr(measured, kind) for measured in times.values())
        crowd = np.median(ten / one)
        further = np.median((ages - first) / (len(SWEEP) - 1) / first)
        print(f"{kind}: ten faces / one face {crowd:.2f}, a further age / the first {further:.2f}")


def print_command(title: str, arguments: list[str]) -> None:
    runs = [run_reage(arguments) for _ in range(COLD_RUNS)]
    seconds, cpu, peaks, _ = zip(*runs, strict=True)
    print(
        f"{title}, cold: {1e3 * np.median(seconds):.0f} ms ({1e3 * min(seconds):.0f} at best,"
        f" CPU {1e3 * np.median(cpu):.0f}), peak {max(peaks):.0f} MB"
    )


if __name__ == "__main__":
    main()
