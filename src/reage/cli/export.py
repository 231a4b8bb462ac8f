"""`reage export`: from a training run to files that inference, servers and phones read."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


# The package's own enums live beside TensorFlow code, which `--help` must not load.
class FormatOption(StrEnum):
    """What `--format` takes."""

    ONNX = "onnx"
    SAVEDMODEL = "savedmodel"
    LITERT = "litert"


class PrecisionOption(StrEnum):
    """What `--precision` takes."""

    FLOAT32 = "float32"
    FLOAT16 = "float16"
    INT8 = "int8"


def export_command(
    run: Annotated[Path, typer.Argument(help="Folder of a training run.")],
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="Folder; RUN/export if not given.")
    ] = None,
    data: Annotated[
        Path, typer.Option(help="Prepared data, whose validation faces check the export.")
    ] = Path("prepared"),
    file_format: Annotated[
        FormatOption,
        typer.Option("--format", help="onnx for `reage age`, servers and browsers; or others."),
    ] = FormatOption.ONNX,
    precision: Annotated[
        PrecisionOption | None,
        typer.Option(
            help="Of ONNX weights: float16 if not given; int8 is smallest, and less exact.",
        ),
    ] = None,
) -> None:
    """Export the averaged generator of RUN, and check it against Keras on real faces."""
    from reage.data.tfrecords import require_extra

    require_extra("tensorflow")
    from reage.export.quantize import Precision
    from reage.export.run import Format, export_run

    folder = output or run / "export"
    found = export_run(
        run,
        data,
        folder,
        file_format=Format(file_format),
        precision=Precision(precision) if precision else None,
    )
    typer.echo(
        f"{folder}: exported; differs from Keras by at most {found.max:.1e}, "
        f"{found.mean:.1e} on average"
    )
