"""`reage evaluate`: scores by judges that took no part in training."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from reage.cli.train import require_backend
from reage.errors import MissingExtraError, UsageError

if TYPE_CHECKING:
    from reage.evaluation.judges import Progress


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
    name: Annotated[
        str | None, typer.Option(help="What to call MODEL in tables and figure, if not its folder.")
    ] = None,
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
    quick: Annotated[
        bool,
        typer.Option("--quick", help="140 faces to 8 ages: minutes; compares with no full run."),
    ] = False,
    strength_curve: Annotated[
        bool,
        typer.Option("--strength-curve", help="Score the model at strengths 0 to 1 as well."),
    ] = False,
    shape: Annotated[
        bool, typer.Option("--shape", help="Let shapes change too, as `--mask shape` does.")
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
    from reage.evaluation.judges import Judges
    from reage.evaluation.report import write_report
    from reage.evaluation.run import Protocol, evaluate
    from reage.evaluation.systems import is_run

    if is_run(model):
        require_backend(f"reage evaluate {model}")
    require_matplotlib("reage evaluate")

    opened = Judges(judges, inception=inception, threads=threads)
    protocol = Protocol(
        split, faces, size, seed, baselines, strength_curve=strength_curve, shape=shape
    )
    with _progress() as progress:
        report, picture = evaluate(
            model,
            data,
            opened,
            protocol.quick() if quick else protocol,
            name=name,
            cache=cache or output / "cache",
            progress=progress,
            announce=lambda text: typer.echo(text, err=True),
            threads=threads,
        )
    paths = write_report(report, picture, output)
    _print(report, reproduce_seed_table=reproduce_seed_table)
    typer.echo(f"{output}: {', '.join(path.name for path in paths)}")


def _print(report: dict[str, Any], *, reproduce_seed_table: bool) -> None:
    from rich.console import Console

    from reage.evaluation import tables

    console, first = Console(), report["systems"][0]
    console.print(tables.distance_table(report, first))
    console.print(tables.target_table(report, first))
    console.print(tables.judges_table(report, first))
    console.print(tables.gap_table(first))
    console.print(tables.breakdown_table(first))
    console.print(tables.overall_table(report))
    if "strength_curve" in report:
        console.print(tables.strength_table(report))
    if reproduce_seed_table:
        console.print(tables.published_table(report))
    console.print(tables.sources_sentence(report))
    console.print(tables.mirror_sentence(report))


def require_matplotlib(command: str) -> None:
    """Raises `MissingExtraError`, naming `command`, where matplotlib is not installed."""
    if importlib.util.find_spec("matplotlib") is None:
        raise MissingExtraError(
            command, "needs matplotlib", "install it with `pip install 'reage[evaluate]'`"
        )


@contextmanager
def _progress() -> Iterator[Progress]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Bars(*columns, console=Console(stderr=True), transient=True) as bars:
        task = bars.add_task("", total=None)

        def show(what: str, done: int, total: int) -> None:
            bars.update(task, description=what, completed=done, total=total)

        yield show
