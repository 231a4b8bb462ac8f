"""Times `reage batch` on a local Ray cluster: photos per second and core, and memory.

Usage: python benchmarks/cluster.py [--photos 64] [--workers 1 2] [--to 70] [--estimate]

The photos are the astronaut in 1280x1920 pixels, with shadows of various depth. The clock runs from
the first finished task to the last but one, so that starting Ray and opening models is left out.
"CPU" is the processor time that the workers spent on a photo: on a machine with nothing else to do
it is the elapsed time, and on a busy one it still tells what a photo costs. Needs Linux.
"""

from __future__ import annotations

import argparse
import logging
import os
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import numpy as np
from machine import cpu_name, portrait_1280x1920
from PIL import Image

from reage.cluster.batch import Batch, Settings, read_model
from reage.cluster.plan import make_plan
from reage.cluster.run import PHOTOS_PER_TASK, ray_session, run_batch
from reage.cluster.store import open_store

CLOCK_TICK = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Usage:
    """What had been done and spent at a moment; times in seconds."""

    elapsed: float
    photos: int
    cpu: float
    peak_bytes: int


def main() -> None:
    options = parse_arguments()
    logging.disable(logging.WARNING)
    settings = Settings(options.to, estimate=options.estimate)
    print(f"machine: {cpu_name()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    versions = ("ray", "pyarrow", "onnxruntime", "reage")
    print("versions: " + ", ".join(f"{name} {metadata.version(name)}" for name in versions))
    with tempfile.TemporaryDirectory() as temporary:
        source = Path(temporary) / "in"
        make_photos(source, options.photos)
        for workers in options.workers:
            target = Path(temporary) / f"out{workers}"
            print(describe(*measure(source, target, workers, settings), workers))


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Times `reage batch` on a local Ray cluster.")
    parser.add_argument("--photos", type=int, default=64)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--to", type=float, default=70.0)
    parser.add_argument("--estimate", action="store_true")
    return parser.parse_args()


def make_photos(folder: Path, count: int) -> None:
    folder.mkdir()
    pixels = portrait_1280x1920()
    for index in range(count):
        photo = Image.fromarray(np.maximum(pixels, index % 32))
        photo.save(folder / f"{index:04}.jpg", quality=92)


def measure(source: Path, target: Path, workers: int, settings: Settings) -> tuple[Usage, Usage]:
    """What had been spent when the first task was done, and when the last but one was."""
    batch = Batch(open_store(str(source)), open_store(str(target)), settings, read_model(None))
    plan = make_plan(batch)
    last = len(plan.pending) - PHOTOS_PER_TASK
    usages = []
    with ray_session(None, workers):
        for count, outcome in enumerate(run_batch(batch, plan, workers=workers), start=1):
            assert outcome.error is None, outcome.error
            if count in (1, last):
                usages.append(usage(target))
    first, second = usages
    return first, second


def usage(target: Path) -> Usage:
    photos = sum(1 for _ in target.rglob("*.json"))
    processes = list(workers_of_ray())
    cpu = sum(seconds for seconds, _ in processes)
    return Usage(time.perf_counter(), photos, cpu, max(peak for _, peak in processes))


def workers_of_ray() -> Iterator[tuple[float, int]]:
    """Processor time in seconds and peak resident memory in bytes of each actor of the pool."""
    for process in Path("/proc").glob("[0-9]*"):
        if not (process / "cmdline").read_bytes().startswith(b"ray::MapWorker"):
            continue
        fields = (process / "stat").read_text().rpartition(")")[2].split()
        status = (process / "status").read_text().splitlines()
        peak = next(line for line in status if line.startswith("VmHWM"))
        yield (int(fields[11]) + int(fields[12])) / CLOCK_TICK, 1024 * int(peak.split()[1])


def describe(first: Usage, last: Usage, workers: int) -> str:
    photos = last.photos - first.photos
    rate = photos / (last.elapsed - first.elapsed)
    cpu = (last.cpu - first.cpu) / photos
    return (
        f"{workers} workers, {photos} photos: {rate:.2f} photos/s, {rate / workers:.2f} per core; "
        f"CPU {1e3 * cpu:.0f} ms per photo, {1 / cpu:.2f} photos per core second; "
        f"peak {last.peak_bytes / 1e6:.0f} MB per worker"
    )


if __name__ == "__main__":
    main()
