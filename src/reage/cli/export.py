"""`reage export`: from a training run to the files that inference reads."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from reage.cli.train import require_tensorflow


def export_command(
    run: Annotated[Path, typer.Argument(help="Folder of a training run.")],
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="Folder; RUN/export if not given.")
    ] = None,
    data: Annotated[
        Path, typer.Option(help="Prepared data, whose validation faces check the export.")
    ] = Path("prepared"),
) -> None:
    """Export the averaged generator of RUN as ONNX, and check it against Keras on real faces."""
    require_tensorflow("reage export")
    from reage.export.run import export_run

    folder = output or run / "export"
    difference = export_run(run, data, folder)
    typer.echo(f"{folder}: exported; differs from Keras by at most {difference:.1e}")
