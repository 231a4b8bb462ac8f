"""Ages all photos below a folder into a folder of the same shape."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from itertools import islice
from operator import itemgetter
from pathlib import Path
from typing import Final

from reage.errors import ImageReadError, ImageWriteError, ReageError, UsageError, as_failure
from reage.images import format_for_path, read_marks
from reage.images.provenance import WITHOUT_MARK, Mark, made_here, mark_in

FAILURES_FILE: Final = "failures.csv"
_COLUMNS: Final = ("file", "reason", "remedy")
_AHEAD: Final = 2


@dataclass(frozen=True)
class Job:
    """A photo and where its result belongs."""

    source: Path
    target: Path


@dataclass(frozen=True)
class Outcome:
    """What became of a photo.

    Attributes:
        job: The photo.
        error: Why there is no result; None if there is one.
        skipped: Whether the result was there already.
    """

    job: Job
    error: ReageError | None = None
    skipped: bool = False


@dataclass
class Tally:
    """How many photos were aged, were there already, failed, and how many files were no photos."""

    aged: int = 0
    skipped: int = 0
    failed: int = 0
    other_files: int = 0

    def count(self, outcome: Outcome) -> None:
        """Counts one outcome."""
        if outcome.error is not None:
            self.failed += 1
        elif outcome.skipped:
            self.skipped += 1
        else:
            self.aged += 1

    def __str__(self) -> str:
        return (
            f"{self.aged} aged, {self.skipped} there already, {self.failed} failed, "
            f"{self.other_files} other files"
        )


def find_jobs(
    source: Path, output: Path, output_suffix: Callable[[Path], str]
) -> tuple[list[Job], int]:
    """The photos below a folder, in order, and how many other files there are.

    Links to folders are not followed, and `output` is left out where it lies inside.

    Args:
        source: The folder.
        output: The folder that is to have its shape.
        output_suffix: The ending of a photo's result.

    Raises:
        UsageError: If both are the same folder, or a result would replace a photo through a link.
        ImageReadError: If a folder cannot be searched.
    """
    if output.exists() and output.samefile(source):
        raise UsageError(output, "is the folder of the photos", "name another folder with -o")
    # Unlike `Path.resolve`, this ends at a loop of links without an error.
    inside = os.path.realpath(output)
    jobs, others = [], 0
    for folder, folders, files in os.walk(source, onerror=_refuse_folder):
        folders[:] = sorted(
            name for name in folders if os.path.realpath(Path(folder) / name) != inside
        )
        for name in sorted(files):
            path = Path(folder) / name
            if not _is_photo(path):
                others += 1
                continue
            relative = path.relative_to(source)
            jobs.append(Job(path, output / relative.with_suffix(output_suffix(path))))
    _refuse_links_to_photos(jobs)
    return jobs, others


def check_is_result(path: Path) -> None:
    """Checks that a picture in the way of a result is an earlier one.

    Raises:
        ImageWriteError: If it is not marked as one, and so may be somebody's photo.
    """
    if format_for_path(path) in WITHOUT_MARK:
        return
    try:
        mark = mark_in(read_marks(path))
    except ReageError:
        mark = None
    refuse_foreign(path, mark, "picture")


def refuse_foreign(path: Path, mark: Mark | None, kind: str) -> None:
    """Refuses to replace what is not marked as a result; see `check_is_result`."""
    if not made_here(mark):
        raise ImageWriteError(
            path, f"is another {kind}, and not replaced", "move it, or name another output with -o"
        )


def run_jobs(
    jobs: list[Job], work: Callable[[Path, Path], None], *, workers: int
) -> Iterator[Outcome]:
    """Runs `work(source, target)` on every photo that has no result yet, several at a time.

    A result counts as there if it is newer than its photo: results appear whole or not at all. What
    lies in a result's place and is none is left alone, and the photo fails.

    Yields:
        Outcomes in the order in which they come; a photo that fails stops no other.
    """
    waiting = iter(jobs)
    with ThreadPoolExecutor(workers) as pool:
        running: set[Future[Outcome]] = set()
        try:
            while True:
                room = _AHEAD * workers - len(running)
                running |= {pool.submit(_run_one, job, work) for job in islice(waiting, room)}
                if not running:
                    return
                done, running = wait(running, return_when=FIRST_COMPLETED)
                for future in done:
                    yield future.result()
        finally:
            for future in running:
                future.cancel()


def check_failures_file(path: Path) -> None:
    """Checks that the table of failures would replace none but an earlier one.

    Raises:
        UsageError: If another file has its name.
    """
    try:
        with path.open("rb") as file:
            head = file.readline(80).strip()
    except FileNotFoundError:
        return
    except OSError:
        head = b""
    if head != ",".join(_COLUMNS).encode():
        raise UsageError(
            path, "is not a list of failures of an earlier run", "move it, or name another -o"
        )


def failures_csv(failures: list[Outcome]) -> bytes:
    """A table of failures: file, reason, remedy."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(_COLUMNS)
    errors = {outcome.job.source: outcome.error for outcome in failures if outcome.error}
    for source, error in sorted(errors.items(), key=itemgetter(0)):
        writer.writerow((source, error.reason, error.remedy))
    return text.getvalue().encode("utf-8", "surrogateescape")


def _run_one(job: Job, work: Callable[[Path, Path], None]) -> Outcome:
    try:
        if job.target.exists():
            check_is_result(job.target)
            if _is_newer(job.target, job.source):
                return Outcome(job, skipped=True)
        job.target.parent.mkdir(parents=True, exist_ok=True)
        work(job.source, job.target)
    except Exception as error:  # one bad photo stops no other, whatever it does
        return Outcome(job, as_failure(job.source, error))
    return Outcome(job)


def _refuse_folder(error: OSError) -> None:
    raise ImageReadError(
        error.filename, f"cannot be searched ({error.strerror})", "check its permissions"
    ) from error


def _refuse_links_to_photos(jobs: list[Job]) -> None:
    photos = {_identity(job.source) for job in jobs}
    for job in jobs:
        if _identity(job.target) in photos:
            raise UsageError(
                job.target, "leads to one of the photos", "name another folder with -o"
            )


def _identity(path: Path) -> tuple[int, int] | Path:
    """What is the same for all names of one file."""
    try:
        status = path.stat()
    except OSError:
        return path
    return status.st_dev, status.st_ino


def _is_newer(target: Path, source: Path) -> bool:
    return target.is_file() and target.stat().st_mtime_ns >= source.stat().st_mtime_ns


def _is_photo(path: Path) -> bool:
    try:
        return format_for_path(path) is not None and path.is_file()
    except (ReageError, OSError):
        return False
