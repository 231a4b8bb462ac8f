"""Times `reage age` on one photo: each step warm, the whole command cold, and its peak memory.

Usage: python benchmarks/inference.py [--photo FILE] [--model DIR] [--to 70] [--repeats 20]

Without `--photo` it takes examples/astronaut.png enlarged to 1280 pixels and padded to 1280x1920.
Times are medians in milliseconds; the range in brackets runs from the fastest to the 90th
percentile. "Cold" starts a new Python process each time, with the files in the disk cache.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from reage.faces.align import crop_face, estimate_similarity
from reage.faces.blend import face_mask, paste_delta
from reage.images import read_photo, write_photo
from reage.inference.ager import FaceAger
from reage.onnx_session import default_threads

ASTRONAUT = Path(__file__).parents[1] / "examples" / "astronaut.png"
STEPS = ("read", "detect", "align", "encode", "decode", "paste", "write")
COLD_RUNS = 5
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


def main() -> None:
    options = parse_arguments()
    print(describe_machine(options.threads))
    with tempfile.TemporaryDirectory() as folder:
        photo = options.photo or enlarged_astronaut(Path(folder))
        output = Path(folder) / f"aged{photo.suffix}"
        with Image.open(photo) as image:
            print(f"photo: {photo.name}, {image.width}x{image.height}, {image.format}")
        ager = FaceAger(options.model, threads=options.threads)
        print_steps(time_steps(ager, photo, output, options.to, options.repeats))
        print_command("reage --help", ["--help"])
        model = ["--model", str(options.model)] if options.model else []
        threads = ["--threads", str(options.threads)] if options.threads else []
        arguments = ["age", str(photo), "--to", str(options.to), "-o", str(output)]
        print_command("reage age", [*arguments, *model, *threads])


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Times `reage age` on one photo.")
    parser.add_argument("--photo", type=Path)
    parser.add_argument("--model", type=Path)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--to", type=float, default=70.0)
    parser.add_argument("--repeats", type=int, default=20)
    return parser.parse_args()


def describe_machine(threads: int | None) -> str:
    names = ("numpy", "pillow", "opencv-python-headless", "onnxruntime", "reage")
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


def enlarged_astronaut(folder: Path) -> Path:
    with Image.open(ASTRONAUT) as image:
        square = image.convert("RGB").resize((1280, 1280), Image.Resampling.LANCZOS)
    padded = cv2.copyMakeBorder(np.asarray(square), 320, 320, 0, 0, cv2.BORDER_REPLICATE)
    path = folder / "astronaut_1280x1920.jpg"
    Image.fromarray(padded).save(path, quality=92)
    return path


def time_steps(
    ager: FaceAger, photo: Path, output: Path, age: float, repeats: int
) -> list[dict[str, float]]:
    """Milliseconds of each step, once per repeat; two repeats before that warm everything up."""
    return [run_steps(ager, photo, output, age) for _ in range(repeats + 2)][2:]


def run_steps(ager: FaceAger, path: Path, output: Path, age: float) -> dict[str, float]:
    """The steps of `FaceAger.age` and `AgedPhoto.save`, each with its time."""
    times: dict[str, float] = {}
    size = ager.model.image_size
    with clock(times, "read"):
        photo = read_photo(path)
    with clock(times, "detect"):
        faces = ager.finder.find(photo.pixels)
    with clock(times, "align"):
        matrices = [estimate_similarity(face.landmarks, size) for face in faces]
        pairs = list(zip(faces, matrices, strict=True))
        masks = [face_mask(face, matrix, size) for face, matrix in pairs]
        crops = np.stack([crop_face(photo.pixels, matrix, size) for matrix in matrices])
        crops = crops.astype(np.float32) / 127.5 - 1
    with clock(times, "encode"):
        features = ager.model.encode(crops)
    with clock(times, "decode"):
        deltas = ager.model.decode(features, age)
    with clock(times, "paste"):
        pixels = photo.pixels
        for delta, mask, matrix in zip(deltas, masks, matrices, strict=True):
            pixels = paste_delta(pixels, delta, mask, matrix)
    with clock(times, "write"):
        write_photo(output, photo, pixels)
    return times


@contextmanager
def clock(times: dict[str, float], name: str) -> Iterator[None]:
    start = time.perf_counter()
    yield
    times[name] = 1e3 * (time.perf_counter() - start)


def print_steps(runs: list[dict[str, float]]) -> None:
    print(f"warm, {len(runs)} repeats, ms:")
    for step in STEPS:
        print(f"  {step:<8}{summary([run[step] for run in runs])}")
    print(f"  {'total':<8}{summary([sum(run.values()) for run in runs])}")


def summary(values: list[float]) -> str:
    slow = float(np.quantile(values, 0.9))
    return f"{statistics.median(values):7.1f}  ({min(values):.1f} to {slow:.1f})"


def print_command(title: str, arguments: list[str]) -> None:
    runs = [run_command(arguments) for _ in range(COLD_RUNS)]
    seconds, peaks = zip(*runs, strict=True)
    print(f"{title}, cold: {1e3 * statistics.median(seconds):.0f} ms, peak {max(peaks):.0f} MB")


def run_command(arguments: list[str]) -> tuple[float, float]:
    """Runs the command in a new process; returns seconds and peak resident memory in MB."""
    start = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", MEASURED_COMMAND, *arguments], capture_output=True, text=True
    )
    seconds = time.perf_counter() - start
    if done.returncode:
        raise SystemExit(done.stderr)
    return seconds, float(done.stderr.splitlines()[-1]) / 1e6


if __name__ == "__main__":
    main()
