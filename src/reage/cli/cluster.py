"""`reage batch`: a store of photos, on one machine or many."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from contextlib import nullcontext
from typing import TYPE_CHECKING, Annotated

import typer

from reage.cli.batch import printable, say
from reage.cli.options import (
    DEFAULT_MAX_FACES,
    AgeOption,
    FacesOption,
    MaskOption,
    ModelOption,
    parse_faces,
)
from reage.errors import MissingExtraError

if TYPE_CHECKING:
    from reage.cluster.batch import Batch
    from reage.cluster.plan import Plan
    from reage.cluster.run import Outcome
    from reage.errors import ReageError


def batch_command(
    source: Annotated[str, typer.Argument(metavar="IN", help="A folder, or a URI: s3://, gs://.")],
    target: Annotated[str, typer.Argument(metavar="OUT", help="Where the results go, the same.")],
    to: AgeOption,
    faces: FacesOption = "all",
    strength: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="How much of the change to apply.")
    ] = 1.0,
    mask: MaskOption = "face",
    estimate: Annotated[
        bool, typer.Option("--estimate", help="Note how old each face looks, too.")
    ] = False,
    address: Annotated[
        str | None, typer.Option(metavar="HOST:PORT", help="A Ray cluster; default: this machine.")
    ] = None,
    workers: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Cores to use; default: all.")
    ] = None,
    model: ModelOption = None,
) -> None:
    """Show the people in a store of photos at another age, on one machine or many.

    OUT gets the shape of IN, and faces.parquet with a row for each face. Results that are there
    already are left alone, unless the photo has changed or something else is asked for.
    """
    choice = parse_faces(faces, DEFAULT_MAX_FACES)
    try:
        from reage.cluster.batch import Batch, Settings, read_model
        from reage.cluster.plan import make_plan
        from reage.cluster.run import ray_session, run_batch
        from reage.cluster.store import open_store
    except ImportError as error:
        raise MissingExtraError(
            "reage batch", "needs Ray", "install it with `pip install 'reage[cluster]'`"
        ) from error
    from reage.inference.patches import check_mask

    settings = Settings(to, choice, strength, check_mask(mask), estimate)
    batch = Batch(open_store(source), open_store(target), settings, read_model(model))
    plan = make_plan(batch)
    with ray_session(address, workers) if plan.pending else nullcontext():
        _report(batch, plan, run_batch(batch, plan, workers=workers))


def _report(batch: Batch, plan: Plan, outcomes: Iterator[Outcome]) -> None:
    """Shows the outcomes as they come, and leaves the table of failures.

    Raises:
        typer.Exit: With code 1 if any photo failed.
    """
    from rich.console import Console
    from rich.progress import Progress

    from reage.inference.folder import FAILURES_FILE, Tally

    tally = Tally(skipped=len(plan.jobs) - len(plan.pending), other_files=plan.other_files)
    failures: list[ReageError] = []
    total = len(plan.pending) + len(plan.misnamed)
    console = Console(stderr=True)
    try:
        with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
            task = bar.add_task(printable(batch.source.name), total=total)
            for outcome in outcomes:
                bar.advance(task)
                if outcome.error is None:
                    tally.aged += 1
                    continue
                failures.append(outcome.error)
                line = printable(f"reage: {outcome.error}")
                bar.console.print(line, markup=False, soft_wrap=True)
    finally:
        tally.failed = len(failures)
        say(f"{batch.source.name} -> {batch.target.name}: {tally}")
        if failures:
            batch.target.write(FAILURES_FILE, _failures_csv(failures))
        else:
            batch.target.delete(FAILURES_FILE)
    if failures:
        raise typer.Exit(1)


def _failures_csv(failures: list[ReageError]) -> bytes:
    """The table that `reage age` leaves for a folder: file, reason, remedy."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(("file", "reason", "remedy"))
    writer.writerows(sorted((error.subject, error.reason, error.remedy) for error in failures))
    return text.getvalue().encode()
