"""`reage age DIR -o OUT`: a whole folder of photos."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

import typer

from reage.cli.batch import printable, say
from reage.cli.outputs import suffix_like
from reage.errors import ImageReadError, ImageWriteError, UsageError

if TYPE_CHECKING:
    from reage.images.c2pa import C2paSigner
    from reage.inference.budget import PixelBudget
    from reage.inference.folder import Job, Outcome
    from reage.inference.results import AgedPhoto

# Two of the largest photos that are read, of 1.3 GB each at most.
_PIXELS_AT_A_TIME: Final = 200_000_000


def age_folder(
    source: Path,
    output: str | None,
    age: Callable[[Path], AgedPhoto],
    signer: C2paSigner | None = None,
) -> None:
    """Ages the photos below `source` into `output`, which gets the same shape.

    Raises:
        UsageError: If there is no output folder.
        ImageReadError: If there are no photos.
        typer.Exit: With code 1 if any photo failed.
    """
    folder = _output_folder(source, output)
    from reage.inference.folder import (
        FAILURES_FILE,
        Tally,
        check_failures_file,
        failures_csv,
    )
    from reage.scratch import remove_abandoned

    jobs, others = _jobs(source, folder)
    check_failures_file(folder / FAILURES_FILE)
    remove_abandoned(folder, deep=True)
    tally, failures = Tally(other_files=others), []
    try:
        for outcome in _outcomes(source, jobs, age, signer):
            tally.count(outcome)
            if outcome.error is not None:
                failures.append(outcome)
    finally:
        say(f"{source} -> {folder}: {tally}")
        _write_failures(folder / FAILURES_FILE, failures_csv(failures) if failures else None)
    if failures:
        raise typer.Exit(1)


def _output_folder(source: Path, output: str | None) -> Path:
    if output is None:
        raise UsageError(source, "is a folder", "name a folder for the results with -o")
    folder = Path(output)
    if folder.exists() and not folder.is_dir():
        raise UsageError(folder, "is a file", "name a folder for the results with -o")
    return folder


def _jobs(source: Path, folder: Path) -> tuple[list[Job], int]:
    """What there is to age, and how many other files there are."""
    from reage.inference.folder import find_jobs

    jobs, others = find_jobs(source, folder, suffix_like)
    if not jobs:
        raise ImageReadError(
            source, "is a folder without photos", "name a photo, or another folder"
        )
    return jobs, others


def _outcomes(
    source: Path,
    jobs: list[Job],
    age: Callable[[Path], AgedPhoto],
    signer: C2paSigner | None,
) -> Iterator[Outcome]:
    """Ages one photo after another, showing progress and each failure as it comes."""
    from rich.console import Console
    from rich.progress import Progress

    from reage.inference.budget import PixelBudget
    from reage.inference.folder import run_jobs
    from reage.onnx_session import default_threads

    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(printable(str(source)), total=len(jobs))
        work = partial(_age_one, age, signer, PixelBudget(_PIXELS_AT_A_TIME))
        for outcome in run_jobs(jobs, work, workers=default_threads()):
            bar.advance(task)
            if outcome.error is not None:
                line = printable(f"reage: {outcome.error}")
                bar.console.print(line, markup=False, soft_wrap=True)
            yield outcome


def _age_one(
    age: Callable[[Path], AgedPhoto],
    signer: C2paSigner | None,
    budget: PixelBudget,
    photo: Path,
    target: Path,
) -> None:
    from reage.images import count_pixels

    if signer is not None:
        signer.check(target)
    with budget.holding(count_pixels(photo)):
        age(photo).save(target, signer=signer)


def _write_failures(path: Path, content: bytes | None) -> None:
    """Writes the table of failures, or takes away that of an earlier run."""
    from reage.images import replace_file

    try:
        if content is None:
            path.unlink(missing_ok=True)
            return
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ImageWriteError(
            path, f"cannot be written ({error.strerror})", "check the disk and the folder"
        ) from error
    replace_file(path, content)
