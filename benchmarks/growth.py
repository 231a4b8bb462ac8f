"""How time and memory of `reage age` grow with the photo, its faces, and the number of files.

Usage: python benchmarks/growth.py [--what size faces files] [--plot FILE] [--json FILE]

Every point is the command in a new process, from its start to the written file: its CPU time, all
cores together, and the peak of its resident memory. "Each" is what one more
unit costs since the point before; where that does not rise, the cost is linear or better. Photos
are the astronaut in 2:3 as JPEG, the group is her portrait up to a hundred times in 1920x2560
pixels, the files are her head and shoulders in 200x200 pixels, in one folder, 900 different
ones and their copies.
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from machine import Run, astronaut, describe_machine, group, portrait_1280x1920, run_reage
from PIL import Image

STEPS: dict[str, tuple[float, ...]] = {
    "size": (0.5, 1, 3, 6, 12, 24, 48),
    "faces": (1, 3, 10, 30, 100),
    "files": (1, 10, 100, 1000, 10_000),
}
# The small photos: where in the picture the first lies, how many places others lie at in each
# direction, pixels, and their size.
HEAD = (90, 0, 310, 220)
SHIFTS = 30
SMALL = (200, 200)
UNITS = {"size": "megapixels", "faces": "faces", "files": "files"}


def main() -> None:
    parser = argparse.ArgumentParser(description="How the cost of `reage age` grows.")
    parser.add_argument("--what", nargs="+", choices=STEPS, default=list(STEPS))
    parser.add_argument("--most", type=float, default=np.inf, help="leave out larger steps")
    parser.add_argument("--plot", type=Path)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    print(describe_machine())
    curves: dict[str, list[tuple[float, float, float]]] = {}
    if options.json and options.json.exists():
        curves = json.loads(options.json.read_text())
    for what in options.what:
        steps = [step for step in STEPS[what] if step <= options.most]
        curves[what] = grow(what, steps)
        if options.json:
            options.json.write_text(json.dumps(curves, indent=2) + "\n")
    if options.plot:
        plot({what: curves[what] for what in STEPS if what in curves}, options.plot)


def grow(what: str, steps: list[float]) -> list[tuple[float, float, float]]:
    """Measures and prints a curve: units, seconds of CPU time, megabytes."""
    write: Callable[[float, Path], Path] = {
        "size": write_size,
        "faces": write_faces,
        "files": write_files,
    }[what]
    print(f"\n{UNITS[what]:>12}{'CPU s':>9}{'wall s':>9}{'each, ms':>10}{'peak MB':>9}")
    curve: list[tuple[float, float, float]] = []
    for step in steps:
        with tempfile.TemporaryDirectory() as folder:
            seconds, cpu, peak, said = run(write(step, Path(folder)))
        if what == "faces" and f": {step:g} face" not in said:
            raise SystemExit(f"not {step:g} faces: {said}")
        each = ""
        if curve:
            each = f"{1e3 * (cpu - curve[-1][1]) / (step - curve[-1][0]):.1f}"
        curve.append((step, cpu, peak))
        print(f"{step:12g}{cpu:9.2f}{seconds:9.2f}{each:>10}{peak:9.0f}", flush=True)
    return curve


def run(source: Path) -> Run:
    output = source.with_name(f"aged{source.suffix}")
    return run_reage(["age", str(source), "--to", "70", "-o", str(output)])


def write_size(megapixels: float, folder: Path) -> Path:
    scale = (1e6 * megapixels / (1280 * 1920)) ** 0.5
    size = round(1280 * scale), round(1920 * scale)
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    return save(cv2.resize(portrait_1280x1920(), size, interpolation=method), folder)


def write_faces(count: float, folder: Path) -> Path:
    return save(group(int(count), columns=10, rows=10, cell=(192, 256)), folder)


def write_files(count: float, folder: Path) -> Path:
    photos = folder / "photos"
    photos.mkdir()
    picture = astronaut()
    for index in range(int(count)):
        path = photos / f"{index}.jpg"
        y, x = divmod(index, SHIFTS)
        if y < SHIFTS:
            box = HEAD[0] + x, HEAD[1] + y, HEAD[2] + x, HEAD[3] + y
            picture.resize(SMALL, box=box).save(path, quality=92)
        else:
            shutil.copyfile(photos / f"{index % SHIFTS**2}.jpg", path)
    return photos


def save(pixels: np.ndarray, folder: Path) -> Path:
    path = folder / "photo.jpg"
    Image.fromarray(pixels).save(path, quality=92)
    return path


def plot(curves: dict[str, list[tuple[float, float, float]]], path: Path) -> None:
    import matplotlib.pyplot as plt
    from matplotlib.ticker import LogFormatter

    figure, columns = plt.subplots(2, len(curves), figsize=(9, 4.5), sharex="col", squeeze=False)
    for (time, memory), (what, curve) in zip(columns.T, curves.items(), strict=True):
        units, seconds, megabytes = np.array(curve).T
        # Relative errors count, else the largest point alone would say where the line begins.
        line = np.poly1d(np.polyfit(units, seconds, 1, w=1 / seconds))
        along = np.geomspace(units[0], units[-1], 100)
        time.plot(along, line(along), "--", color="grey")
        time.plot(units, seconds, "o", color="tab:blue")
        time.set(xscale="log", yscale="log")
        for axis in (time.xaxis, time.yaxis):
            axis.set_major_formatter(LogFormatter())
        time.yaxis.set_minor_formatter(LogFormatter(labelOnlyBase=False))
        time.set_title(f"{1e3 * line.coeffs[0]:.0f} ms each", fontsize=10)
        memory.plot(units, megabytes, "o-", color="tab:orange")
        memory.set_ylim(0, 1.1 * megabytes.max())
        memory.set_xlabel(UNITS[what])
    columns[0][0].set_ylabel("CPU time, s")
    columns[1][0].set_ylabel("peak memory, MB")
    figure.tight_layout()
    figure.savefig(path, dpi=80)


if __name__ == "__main__":
    main()
