"""Kills commands at random moments and checks that a restart gives the uninterrupted result.

Usage: python benchmarks/chaos.py [--kills 30] [--seed 0] [prepare] [folder] [video] [train]

Each command first runs to its end, then `--kills` times into a fresh folder: it is killed (SIGKILL)
at a random moment of the time that it took, and started again with the same arguments (`train` with
--resume). What it has made then must be what it made without a kill: the same bytes. Trained
weights may differ by 1e-4, and the frames of a video by one level on average, for its encoder is
not exact. Hidden unfinished files may be left; they are counted.
"""

from __future__ import annotations

import argparse
import operator
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

ASTRONAUT = Path(__file__).parents[1] / "examples" / "astronaut.png"
REAGE = (sys.executable, "-c", "import sys; from reage.cli.app import main; sys.exit(main())")
WEIGHT_TOLERANCE = 1e-4
LEVEL_TOLERANCE = 1.0
TINY = """
width = 0.1
precision = "float32"
log_every = 4
checkpoint_minutes = 0
[critic]
image_size = 32
batch_size = 4
steps = 40
[[stages]]
image_size = 32
batch_size = 4
steps = 40
"""

Results = dict[str, Any]


@dataclass(frozen=True)
class Command:
    """A command that can be killed.

    Attributes:
        arguments: What follows `reage`, given the folder or file to make.
        results: What it has made there, by name.
        agree: Whether two results of one name are the same.
        restart: Further arguments of the second start.
        output: Name of what is made.
    """

    arguments: Callable[[Path], list[str]]
    results: Callable[[Path], Results]
    agree: Callable[[Any, Any], bool] = operator.eq
    restart: tuple[str, ...] = ()
    output: str = "out"


def main() -> None:
    options = parse_arguments()
    with tempfile.TemporaryDirectory(prefix="reage-chaos-") as name:
        folder = Path(name)
        print("command    seconds  kills  while running  same result  unfinished files left")
        wrong = sum(
            torment(command, make(folder / command), options.kills, options.seed, folder / command)
            for command, make in COMMANDS.items()
            if command in (options.commands or COMMANDS)
        )
    sys.exit(wrong > 0)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Kills commands at random moments.")
    parser.add_argument("commands", nargs="*", metavar="COMMAND", help=", ".join(COMMANDS))
    parser.add_argument("--kills", type=int, default=30, help="of each command")
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    return parser.parse_args()


def torment(name: str, command: Command, kills: int, seed: int, folder: Path) -> int:
    """Kills a command again and again; returns how often the result was another."""
    chance = random.Random(f"{seed} {name}")
    whole = folder / "whole" / command.output
    whole.parent.mkdir()
    started = time.perf_counter()
    run(command.arguments(whole))
    seconds = time.perf_counter() - started
    expected = command.results(whole)
    killed = same = left = 0
    for number in range(kills):
        output = folder / f"kill_{number}" / command.output
        output.parent.mkdir()
        moment = chance.uniform(0.0, seconds)
        killed += kill_at(moment, command.arguments(output))
        run([*command.arguments(output), *command.restart])
        is_same = all_agree(command, expected, command.results(output))
        same += is_same
        left += sum(path.name.startswith(".") for path in output.parent.rglob("*"))
        if not is_same:
            print(f"{name}, killed after {moment:.3f} s: the result is another", flush=True)
    print(f"{name:9}  {seconds:7.1f}  {kills:5}  {killed:13}  {same:11}  {left:21}", flush=True)
    return kills - same


def run(arguments: list[str]) -> None:
    done = subprocess.run([*REAGE, *arguments], capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"reage {' '.join(arguments)}: {done.stderr}")


def kill_at(moment: float, arguments: list[str]) -> bool:
    """Starts a command and kills it; returns whether it was still running."""
    process = subprocess.Popen(
        [*REAGE, *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        process.wait(moment)
    except subprocess.TimeoutExpired:
        process.kill()
    return process.wait() < 0


def all_agree(command: Command, first: Results, second: Results) -> bool:
    return first.keys() == second.keys() and all(
        command.agree(value, second[name]) for name, value in first.items()
    )


def near_weights(first: np.ndarray, second: np.ndarray) -> bool:
    return np.allclose(first, second, rtol=0, atol=WEIGHT_TOLERANCE)


def near_frames(first: np.ndarray, second: np.ndarray) -> bool:
    return bool(np.abs(first - second).mean() <= LEVEL_TOLERANCE)


def files_of(output: Path) -> Results:
    """The contents of a file, or of all files below a folder that are not hidden."""
    if output.is_file():
        return {output.name: output.read_bytes()}
    return {
        str(path.relative_to(output)): path.read_bytes()
        for path in sorted(output.rglob("*"))
        if path.is_file() and not path.name.startswith(".")
    }


def weights_of(run_folder: Path) -> Results:
    """All that the networks, averages and optimizers of a run hold."""
    weights = {}
    for path in sorted(run_folder.rglob("*.npz")):
        if path.name.startswith("."):
            continue
        with np.load(path) as archive:
            for name in archive.files:
                weights[f"{path.relative_to(run_folder)}/{name}"] = archive[name]
    return weights


def frames_of(video: Path) -> Results:
    """The frames of a video by their timestamp."""
    import av

    with av.open(video) as container:
        return {
            str(frame.pts): frame.to_ndarray(format="rgb24").astype(np.int16)
            for frame in container.decode(video=0)
        }


def preparation(folder: Path) -> Command:
    faces = make_faces(folder / "faces", 208)
    return Command(lambda output: ["data", "prepare", str(faces), "-o", str(output)], files_of)


def album(folder: Path) -> Command:
    photos = folder / "album"
    photos.mkdir(parents=True)
    with Image.open(ASTRONAUT) as whole:
        for number in range(12):
            view = whole.convert("RGB").crop((90 + 2 * number, 0, 346 + 2 * number, 256))
            view.save(photos / f"{number}.png")
    return Command(lambda output: ["age", str(photos), "--to", "70", "-o", str(output)], files_of)


def clip(folder: Path) -> Command:
    import av

    folder.mkdir(parents=True)
    with Image.open(ASTRONAUT) as whole, av.open(folder / "clip.mp4", "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width = stream.height = 256
        stream.pix_fmt = "yuv420p"
        for number in range(50):
            view = whole.convert("RGB").crop((90 + number, 0, 346 + number, 256))
            container.mux(stream.encode(av.VideoFrame.from_image(view)))
        container.mux(stream.encode(None))
    arguments = ["video", str(folder / "clip.mp4"), "--to", "70", "-o"]
    return Command(
        lambda output: [*arguments, str(output)], frames_of, near_frames, output="aged.mp4"
    )


def training(folder: Path) -> Command:
    faces = make_faces(folder / "faces", 104)
    run(["data", "prepare", str(faces), "-o", str(folder / "prepared")])
    (folder / "tiny.toml").write_text(TINY)
    arguments = ["train", str(folder / "tiny.toml"), "--data", str(folder / "prepared"), "--run"]
    return Command(
        lambda output: [*arguments, str(output)], weights_of, near_weights, ("--resume",)
    )


COMMANDS = {"prepare": preparation, "folder": album, "video": clip, "train": training}


def make_faces(folder: Path, count: int) -> Path:
    """Smooth random pictures under UTKFace names, of all ages."""
    folder.mkdir(parents=True)
    for number in range(count):
        noise = np.random.default_rng(number).integers(0, 256, (8, 8, 3)).astype(np.uint8)
        picture = Image.fromarray(noise).resize((200, 200), Image.Resampling.BICUBIC)
        age = 1 + 4 * number % 104
        name = f"{age}_{number % 2}_{number % 5}_{20170101000000000 + number}.jpg.chip.jpg"
        picture.save(folder / name)
    return folder


if __name__ == "__main__":
    main()
