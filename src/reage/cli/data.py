"""`reage data`: get faces with known ages, make training data of them, see what is in it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

if TYPE_CHECKING:
    from reage.data.fetch import Progress
    from reage.data.prepare import Prepared
    from reage.data.select import Track

T = TypeVar("T")

# Of files left out for their labels or pixels, these many are named; all are in the manifest.
_NAMED = 10

data_app = typer.Typer(help="Prepare face photos with known ages for training.")


@data_app.command("fetch")
def fetch_command(
    destination: Annotated[
        Path, typer.Argument(metavar="[DEST]", help="The file to make, or the folder to put it in.")
    ] = Path("UTKFace.tar.gz"),
    url: Annotated[
        str | None, typer.Option(metavar="URL", help="Another address than the published one.")
    ] = None,
    sha256: Annotated[
        str | None, typer.Option(metavar="HEX", help="The SHA-256 that the file must have.")
    ] = None,
) -> None:
    """Download the UTKFace archive (107 MB, for non-commercial research only).

    After a broken connection the same command goes on where it stopped. The file appears under its
    name only when it is whole and its SHA-256 is right.
    """
    from reage.data.fetch import ARCHIVE_FILE, URLS, fetch

    is_folder = destination.is_dir() or not destination.suffix
    path = destination / ARCHIVE_FILE if is_folder else destination
    with _download_bar() as progress:
        fetched = fetch(path, urls=[url] if url else URLS, sha256=sha256, progress=progress)
    typer.echo(f"{path}: {'downloaded and verified' if fetched else 'is there already, intact'}")


@data_app.command("prepare")
def prepare_command(
    source: Annotated[
        Path,
        typer.Argument(
            metavar="SOURCE",
            help="UTKFace.tar.gz, its extracted folder, a folder with photos as AGE/*.jpg, or a "
            "CSV file with the columns file,age[,sex,ethnicity] and paths relative to it.",
        ),
    ],
    output: Annotated[
        Path, typer.Option("-o", "--output", metavar="FOLDER", help="The folder to make.")
    ] = Path("prepared"),
    seed: Annotated[int, typer.Option(help="Seed of the split.")] = 0,
    align: Annotated[
        bool,
        typer.Option("--align", help="Find the largest face of each photo, turn and crop it."),
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Replace another prepared data set.")
    ] = False,
) -> None:
    """Drop copies, split 80/10/10 into train, validation and test, and write TFRecords.

    Own photos must be face crops, close to square, or be brought to that by --align.
    """
    from reage.data.prepare import prepare

    with _progress() as track:
        prepared = prepare(source, output, seed=seed, align=align, force=force, track=track)
    _report(prepared)


@data_app.command("stats")
def stats_command(
    prepared: Annotated[
        Path, typer.Argument(metavar="[PREPARED]", help="Folder made by `reage data prepare`.")
    ] = Path("prepared"),
    output: Annotated[
        Path | None,
        typer.Option(
            "-o", "--output", metavar="FOLDER", help="Where to put plots; default: PREPARED/plots."
        ),
    ] = None,
) -> None:
    """Count faces by split, age group, sex and ethnicity, and draw their distributions."""
    from rich.console import Console

    from reage.data.stats import count_faces, count_tables, left_out, write_plots

    counts = count_faces(prepared)
    console = Console()
    for table in count_tables(counts):
        console.print(table)
    _print_left_out(left_out(prepared))
    folder = output or prepared / "plots"
    paths = write_plots(counts, folder)
    typer.echo(f"{folder}: {', '.join(path.name for path in paths)}")


@contextmanager
def _download_bar() -> Iterator[Progress]:
    """A progress bar in bytes, on the error stream."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as bars:
        task = bars.add_task("Downloading", total=None)
        yield lambda done, total: bars.update(task, completed=done, total=total)


@contextmanager
def _progress() -> Iterator[Track]:
    """Progress bars on the error stream, where they leave the output alone."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as progress:

        def track(items: Iterable[T], description: str, total: int | None) -> Iterator[T]:
            task = progress.add_task(f"{description:18}", total=total)
            done = 0
            for item in items:
                yield item
                done += 1
                progress.update(task, completed=done)
            progress.update(task, total=done, completed=done)

        yield track


def _report(prepared: Prepared) -> None:
    counts = prepared.dataset["counts"]
    state = "is there already, identical and intact" if prepared.reused else "written"
    splits = ", ".join(f"{counts[name]:,} {name}" for name in ("train", "validation", "test"))
    typer.echo(f"{prepared.folder}: {state}: {splits}")
    _print_left_out({name: counts[name] for name in counts if name not in splits})
    unusable = [item for item in prepared.skipped if item.split in ("unlabelled", "unreadable")]
    for item in unusable[:_NAMED]:
        typer.echo(f"  {item.file}: {item.reason}")
    if len(unusable) > _NAMED:
        typer.echo(f"  and {len(unusable) - _NAMED:,} more, see {prepared.folder}/manifest.csv")


def _print_left_out(counts: dict[str, int]) -> None:
    if counts:
        listed = ", ".join(f"{count:,} {name}" for name, count in counts.items())
        typer.echo(f"left out: {listed}")
