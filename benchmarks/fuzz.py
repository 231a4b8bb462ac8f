"""Reads and ages damaged photos: every one gives the right result or one typed error.

Usage: python benchmarks/fuzz.py [--files 20000] [--seed 0] [--photos FOLDER] [--keep FOLDER]

Small photos in every format, and those of `--photos`, are changed at random places, always in the
same way for the same seed. A process of its own reads them, ages every tenth of those that it can
read, writes the result and reads that again. A file fails that takes more than 5 s of processor
time (or 60 s in all, when the process is ended) or brings the process above 1.5 GB. Files that
break anything are kept in `--keep`.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import resource
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
from fuzz_files import Seed, made_seeds, mutated, photo_seeds, seed_of

from reage.errors import NoFaceError, ReageError
from reage.images import encode_photo, read_photo
from reage.inference.ager import FaceAger

MAX_SECONDS = 5.0
MAX_WAIT = 60.0
MAX_BYTES = 1_500_000_000
AGED_SHARE = 10
FAILURES = ("wrong", "crash", "hang", "memory")


def main() -> None:
    options = parse_arguments()
    seeds = [*made_seeds(), *photo_seeds(options.photos)]
    started = time.perf_counter()
    counts: dict[str, Counter[str]] = {}
    slowest, peak = 0.0, 0
    for index, outcome, seconds, used in run_all(seeds, options.seed, options.files):
        seed = seed_of(seeds, index)
        counts.setdefault(seed.format, Counter())[outcome.split(":")[0]] += 1
        slowest, peak = max(slowest, seconds), max(peak, used)
        if outcome.startswith(FAILURES):
            print(f"file {index} ({seed.format}): {outcome}", flush=True)
            options.keep.mkdir(parents=True, exist_ok=True)
            kept = options.keep / f"{index}.{seed.format.lower()}"
            kept.write_bytes(mutated(seeds, options.seed, index))
    print_table(counts)
    print(
        f"{options.files} files from {len(seeds)} photos, seed {options.seed}: slowest "
        f"{slowest:.2f} s, peak memory {peak / 1e6:.0f} MB, "
        f"{time.perf_counter() - started:.0f} s in all"
    )
    sys.exit(any(count[name] for count in counts.values() for name in FAILURES))


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Reads and ages damaged photos.")
    parser.add_argument("--files", type=int, default=20_000, help="how many damaged files")
    parser.add_argument("--seed", type=int, default=0, help="of the random changes")
    parser.add_argument("--photos", type=Path, help="a folder of more photos to damage")
    parser.add_argument("--keep", type=Path, default=Path("runs/fuzz"), help="for what fails")
    return parser.parse_args()


def print_table(counts: dict[str, Counter[str]]) -> None:
    from rich.console import Console
    from rich.table import Table

    columns = ("refused", "read", "aged", "no face", *FAILURES)
    table = Table("format", "files", *columns)
    for name, count in sorted(counts.items()):
        table.add_row(name, str(count.total()), *(str(count[column]) for column in columns))
    total: Counter[str] = sum(counts.values(), Counter())
    table.add_row("all", str(total.total()), *(str(total[column]) for column in columns))
    Console(width=110).print(table)


def run_all(seeds: Sequence[Seed], seed: int, files: int) -> Iterator[tuple[int, str, float, int]]:
    """Number, outcome, seconds and peak memory in bytes of each file."""
    done = 0
    while done < files:
        for index, outcome, seconds, used in run_until_failure(seeds, seed, range(done, files)):
            done = index + 1
            yield index, outcome, seconds, used


def run_until_failure(
    seeds: Sequence[Seed], seed: int, numbers: range
) -> Iterator[tuple[int, str, float, int]]:
    """Runs files in one process until one of them breaks it."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    worker = context.Process(target=work, args=(theirs, seeds, seed, numbers), daemon=True)
    worker.start()
    theirs.close()
    try:
        ours.recv()  # the models are open
        for index in numbers:
            try:
                outcome, seconds, used = receive(ours)
            except (TimeoutError, EOFError) as error:
                failure = "hang" if isinstance(error, TimeoutError) else "crash"
                worker.kill()
                worker.join()
                yield index, f"{failure}: exit code {worker.exitcode}", MAX_WAIT, 0
                return
            if seconds > MAX_SECONDS:
                outcome = f"hang: {seconds:.1f} s"
            if used > MAX_BYTES:
                outcome = f"memory: {used / 1e6:.0f} MB"
            yield index, outcome, seconds, used
            if used > MAX_BYTES:
                return
    finally:
        worker.kill()
        worker.join()


def receive(connection: Connection) -> tuple[str, float, int]:
    if not connection.poll(MAX_WAIT):
        raise TimeoutError
    outcome: tuple[str, float, int] = connection.recv()
    return outcome


def work(connection: Connection, seeds: Sequence[Seed], seed: int, numbers: range) -> None:
    """Reports on each file: outcome, seconds, and the peak memory of the process so far."""
    # Decoders write their complaints to the error stream from C.
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    ager = FaceAger(threads=1)
    connection.send("ready")
    for index in numbers:
        data = mutated(seeds, seed, index)
        started = time.process_time()
        try:
            outcome = outcome_of(data, ager if index // len(seeds) % AGED_SHARE == 0 else None)
        except Exception as error:  # whatever it is, it is a finding
            outcome = f"wrong: {type(error).__name__}: {error}"
        seconds = time.process_time() - started
        peak = 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        connection.send((outcome, seconds, peak))


def outcome_of(data: bytes, ager: FaceAger | None) -> str:
    """Reads a file and, with an ager, ages it, writes the result and reads that."""
    try:
        photo = read_photo(data)
    except ReageError as error:
        return f"refused: {error}"
    height, width = photo.pixels.shape[:2]
    if photo.pixels.dtype != np.uint8 or photo.pixels.shape != (height, width, 3):
        return f"wrong: pixels {photo.pixels.shape} {photo.pixels.dtype}"
    if ager is None:
        return "read"
    try:
        result = ager.age(data, 70)
    except NoFaceError:
        return "no face"
    again = read_photo(encode_photo(result.marked(), result.pixels))
    return "aged" if again.pixels.shape == photo.pixels.shape else "wrong: another size"


if __name__ == "__main__":
    main()
