"""What the speed benchmarks share: the machine in words, photos of known faces, repeated timing."""

from __future__ import annotations

import os
import platform
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from reage.onnx_session import default_threads

ASTRONAUT = Path(__file__).parents[1] / "examples" / "astronaut.png"
# Her head and shoulders in the picture: left, top, right, bottom.
PORTRAIT = (120, 0, 330, 280)

# Linux hands `ru_maxrss` of the starting process on to the started one; its VmHWM starts afresh.
MEASURED_COMMAND = """
import resource, sys
from pathlib import Path
from reage.cli.app import main

code = main()
status = Path("/proc/self/status")
if status.exists():
    line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
    peak = 1024 * int(line.split()[1])
else:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(peak, file=sys.stderr)
sys.exit(code)
"""


def describe_machine(threads: int | None = None, *more: str) -> str:
    """Processor and versions, of the packages `more` as well."""
    names = ("numpy", "pillow", "opencv-python-headless", "onnxruntime", "reage", *more)
    versions = ", ".join(f"{name} {metadata.version(name)}" for name in names)
    return (
        f"machine: {cpu_name()}, {os.cpu_count()} cores, {threads or default_threads()} threads, "
        f"{platform.system()} {platform.machine()}\n"
        f"versions: Python {platform.python_version()}, {versions}"
    )


def cpu_name() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or "unknown CPU"


def astronaut() -> Image.Image:
    with Image.open(ASTRONAUT) as image:
        return image.convert("RGB")


def portrait_1280x1920() -> NDArray[np.uint8]:
    """The astronaut, 1280 pixels wide, between stretched borders: one face of 235 x 269 pixels."""
    square = np.asarray(astronaut().resize((1280, 1280), Image.Resampling.LANCZOS))
    return np.asarray(cv2.copyMakeBorder(square, 320, 320, 0, 0, cv2.BORDER_REPLICATE), np.uint8)


def group(count: int, columns: int, rows: int, cell: tuple[int, int]) -> NDArray[np.uint8]:
    """`count` portraits of the astronaut on a grey wall, spread over a grid of cells."""
    width, height = cell
    portrait = np.asarray(astronaut().crop(PORTRAIT).resize(cell, Image.Resampling.LANCZOS))
    wall = np.full((rows * height, columns * width, 3), 128, np.uint8)
    for index in np.linspace(0, columns * rows - 1, count).round().astype(int).tolist():
        row, column = divmod(index, columns)
        wall[row * height : (row + 1) * height, column * width : (column + 1) * width] = portrait
    return wall


class Times(NamedTuple):
    """Milliseconds of some repeats of one thing, float64 (N,) each."""

    wall: NDArray[np.float64]
    cpu: NDArray[np.float64]

    def __str__(self) -> str:
        return (
            f"{np.median(self.wall):8.1f} ({self.wall.min():.1f} at best,"
            f" CPU {np.median(self.cpu):.1f})"
        )


def measure(runs: Mapping[str, Callable[[], object]], repeats: int) -> dict[str, Times]:
    """Times several things in turn, so that whatever else the machine does meets all of them.

    The CPU time is that of all threads of this process. One round before warms everything up.
    """
    rows: dict[str, list[tuple[float, float]]] = {name: [] for name in runs}
    for _ in range(repeats + 1):
        for name, run in runs.items():
            wall, cpu = time.perf_counter(), time.process_time()
            run()
            rows[name].append((time.perf_counter() - wall, time.process_time() - cpu))
    return {name: Times(*(1e3 * np.array(row[1:]).T)) for name, row in rows.items()}


class Run(NamedTuple):
    """What one run of the command took: seconds, seconds of CPU time, megabytes at the peak.

    And what it said.
    """

    seconds: float
    cpu: float
    peak: float
    said: str


def run_reage(arguments: list[str]) -> Run:
    """Runs the command in a new process."""
    start, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [sys.executable, "-c", MEASURED_COMMAND, *arguments], capture_output=True, text=True
    )
    seconds, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        raise SystemExit(done.stderr)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Run(seconds, cpu, float(done.stderr.splitlines()[-1]) / 1e6, done.stdout)
