"""`reage evaluate`: scores by judges that took no part in training."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from reage.cli.train import require_tensorflow
from reage.errors import UsageError

if TYPE_CHECKING:
    from reage.evaluation.protocol import Progress


def evaluate_command(
    model: Annotated[
        Path | None,
        typer.Argument(
            metavar="[MODEL]",
            help="An exported model, a training run, or a folder of another system's results; "
            "default: the packaged weights.",
        ),
    ] = None,
    judges: Annotated[
        Path, typer.Option(metavar="DIR", help="Folder with the judges' ONNX files.")
    ] = Path("judges"),
    data: Annotated[Path, typer.Option(help="Folder made by `reage data prepare`.")] = Path(
        "prepared"
    ),
    output: Annotated[
        Path, typer.Option("-o", "--output", help="Folder for report.json, report.png, grid.jpg.")
    ] = Path("evaluation"),
    split: Annotated[str, typer.Option(help="test, or validation while developing.")] = "test",
    faces: Annotated[int, typer.Option(help="How many faces are aged, at most.")] = 1000,
    size: Annotated[int, typer.Option(help="Side at which images are judged, pixels.")] = 128,
    seed: Annotated[int, typer.Option(help="Seed of the draw of faces.")] = 0,
    baselines: Annotated[
        bool, typer.Option(help="Score identity copy and nearest real face beside.")
    ] = True,
    inception: Annotated[
        Path | None, typer.Option(help="The FID's Inception network as ONNX, if you have it.")
    ] = None,
    cache: Annotated[
        Path | None, typer.Option(help="Folder for verdicts on real faces; default: OUTPUT/cache.")
    ] = None,
    reproduce_seed_table: Annotated[
        bool, typer.Option("--reproduce-seed-table", help="Print the predecessor's table too.")
    ] = False,
    threads: Annotated[int | None, typer.Option(metavar="N", help="CPU threads.")] = None,
) -> None:
    """Score a model on held-out faces: realism, age, identity, cycle, by group, sex, ethnicity.

    No judge is ever downloaded, and none took part in training.
    """
    if split not in ("test", "validation"):
        raise UsageError(f"--split {split}", "is no held-out split", "give test or validation")
    if faces < 14:
        raise UsageError(f"--faces {faces}", "is fewer than the age groups", "give 14 or more")
    require_tensorflow("reage evaluate")

    from rich.console import Console

    from reage.evaluation.judges import Judges
    from reage.evaluation.report import (
        breakdown_table,
        overall_table,
        published_table,
        target_table,
        write_report,
    )
    from reage.evaluation.run import Protocol, evaluate

    opened = Judges(judges, inception=inception, threads=threads)
    protocol = Protocol(split, faces, size, seed, baselines)
    with _progress() as progress:
        report, picture = evaluate(
            model, data, opened, protocol, cache=cache or output / "cache", progress=progress
        )
    paths = write_report(report, picture, output)
    console = Console()
    console.print(target_table(report, report["systems"][0]))
    console.print(breakdown_table(report["systems"][0]))
    console.print(overall_table(report))
    if reproduce_seed_table:
        console.print(published_table(report))
    typer.echo(f"{output}: {', '.join(path.name for path in paths)}")


@contextmanager
def _progress() -> Iterator[Progress]:
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    with Bars(*columns, console=Console(stderr=True), transient=True) as bars:
        task = bars.add_task("", total=None)

        def show(what: str, done: int, total: int) -> None:
            bars.update(task, description=what, completed=done, total=total)

        yield show
