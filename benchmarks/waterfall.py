"""Where the time of `reage age` goes, from the start of Python to the written file.

Usage: python benchmarks/waterfall.py [--photo FILE] [--model DIR] [--repeats 15] [--json FILE]

"Cold" is the first photo of a new process, with the files in the disk cache; "warm" is a later
photo of the same process. Times are medians in milliseconds; "least" is the fastest repeat, "CPU"
the median of what all cores spent, which other programs on the machine change little. Without
`--photo` it takes the astronaut in 1280x1920 pixels.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from reage.inference.ager import FaceAger

AGE = 70.0
BAR = 40
WARM_UP = 2
FILE_STEPS = ("decode file", "encode file")
Steps = dict[str, tuple[float, float]]


def main() -> None:
    options = parse_arguments()
    if options.started is not None:
        print(json.dumps(run_once(options)))
        return
    from machine import describe_machine, portrait_1280x1920
    from PIL import Image

    print(describe_machine(options.threads))
    with tempfile.TemporaryDirectory() as folder:
        if options.photo is None:
            options.photo = Path(folder) / "portrait.jpg"
            Image.fromarray(portrait_1280x1920()).save(options.photo, quality=92)
        runs = [run_process(options) for _ in range(options.processes)]
    cold = summarize([run["cold"] for run in runs])
    warm = summarize([steps for run in runs for steps in run["warm"]])
    print_waterfall(f"cold, {len(runs)} processes", cold)
    print_waterfall(f"warm, {len(runs) * options.repeats} repeats", warm)
    print(f"warm, all but the file: {sum_of(warm):.1f} ms ({sum_of(warm, 'least'):.1f} at best)")
    if options.json:
        options.json.write_text(json.dumps({"cold": cold, "warm": warm}, indent=2) + "\n")


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Shows where the time of `reage age` goes.")
    parser.add_argument("--photo", type=Path)
    parser.add_argument("--model", type=Path)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--processes", type=int, default=5)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--started", type=float, help=argparse.SUPPRESS)
    return parser.parse_args()


def run_process(options: argparse.Namespace) -> Any:
    """Runs this file in a new process: its cold steps, and the warm ones after them."""
    command = [sys.executable, __file__, "--photo", str(options.photo)]
    command += ["--repeats", str(options.repeats)]
    command += ["--model", str(options.model)] if options.model else []
    command += ["--threads", str(options.threads)] if options.threads else []
    command += ["--started", str(time.monotonic())]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(done.stderr)
    return json.loads(done.stdout)


def run_once(options: argparse.Namespace) -> dict[str, Any]:
    # The clock of the machine, so that this process can go on from its parent's reading.
    cold: Steps = {
        "start Python": (1e3 * (time.monotonic() - options.started), 1e3 * time.process_time())
    }
    with step(cold, "import"):
        import onnxruntime  # noqa: F401

        import reage.cli.app  # noqa: F401
        from reage.inference.ager import FaceAger
    with step(cold, "open models"):
        ager = FaceAger(options.model, threads=options.threads)
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / options.photo.name
        age_photo(ager, options.photo, output, cold)
        warm: list[Steps] = [{} for _ in range(options.repeats + WARM_UP)]
        for steps in warm:
            age_photo(ager, options.photo, output, steps)
    return {"cold": cold, "warm": warm[WARM_UP:]}


def age_photo(ager: FaceAger, photo_path: Path, output: Path, steps: Steps) -> None:
    """What `FaceAger.age` and `AgedPhoto.save` do, step by step."""
    from reage.images import read_photo, write_photo
    from reage.inference.ager import crop_faces
    from reage.inference.patches import make_patch
    from reage.inference.results import paste_faces

    size = ager.model.image_size
    with step(steps, "decode file"):
        photo = read_photo(photo_path)
    steps["detect"] = 0.0, 0.0
    with step(steps, "detect"), landmarks_timed(steps):
        faces = ager.finder.find(photo.pixels)
    both, mesh = steps["detect"], steps["landmarks"]
    steps["detect"] = both[0] - mesh[0], both[1] - mesh[1]
    with step(steps, "align"):
        patches = [make_patch(face, size) for face in faces]
        crops = crop_faces(photo.pixels, [patch.matrix for patch in patches], size)
    with step(steps, "encode face"):
        features = ager.model.encode(crops)
    with step(steps, "decode age"):
        deltas = ager.model.decode(features, AGE)
    with step(steps, "paste"):
        pixels = paste_faces(photo.pixels, patches, deltas)
    with step(steps, "encode file"):
        write_photo(output, photo, pixels)


@contextmanager
def step(steps: Steps, name: str) -> Iterator[None]:
    """Adds the milliseconds that a block takes, and those of CPU time, to a step."""
    before = steps.get(name, (0.0, 0.0))
    wall, cpu = time.perf_counter(), time.process_time()
    yield
    spent = time.perf_counter() - wall, time.process_time() - cpu
    steps[name] = before[0] + 1e3 * spent[0], before[1] + 1e3 * spent[1]


@contextmanager
def landmarks_timed(steps: Steps) -> Iterator[None]:
    """Times the mesh inside the face finder; right for photos of one face, fitted one by one."""
    from reage.faces.mesh import FaceMesh, Mesh

    locate = FaceMesh.locate

    def timed(*arguments: Any, **options: Any) -> Mesh:
        with step(steps, "landmarks"):
            return locate(*arguments, **options)

    FaceMesh.locate = timed
    try:
        yield
    finally:
        FaceMesh.locate = locate


def summarize(runs: list[Steps]) -> dict[str, dict[str, float]]:
    return {
        name: {
            "median": statistics.median(run[name][0] for run in runs),
            "least": min(run[name][0] for run in runs),
            "CPU": statistics.median(run[name][1] for run in runs),
        }
        for name in runs[0]
    }


def sum_of(steps: dict[str, dict[str, float]], kind: str = "median") -> float:
    """All steps but reading and writing the file, in milliseconds."""
    return sum(times[kind] for name, times in steps.items() if name not in FILE_STEPS)


def print_waterfall(title: str, steps: dict[str, dict[str, float]]) -> None:
    total = {kind: sum(times[kind] for times in steps.values()) for kind in steps["detect"]}
    print(f"\n{title:<{BAR + 13}}" + "".join(f"{kind:>9}" for kind in total))
    elapsed = 0.0
    for name, times in steps.items():
        start = round(BAR * elapsed / total["median"])
        elapsed += times["median"]
        end = max(round(BAR * elapsed / total["median"]), start + 1)
        bar = (" " * start + "#" * (end - start))[: BAR + 1]
        print(f"{name:<12}{bar:<{BAR + 1}}" + "".join(f"{value:9.1f}" for value in times.values()))
    print(f"{'total':<{BAR + 13}}" + "".join(f"{value:9.1f}" for value in total.values()))


if __name__ == "__main__":
    main()
