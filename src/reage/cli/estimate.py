"""`reage estimate`: how old the people in photos look."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from reage.cli.batch import run_each
from reage.cli.options import (
    FacesOption,
    MaxBytesOption,
    MaxPixelsOption,
    ThreadsOption,
    parse_faces,
    reader_within,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from reage.images import Photo
    from reage.inference.ager import FaceAger, FaceChoice
    from reage.inference.estimator import AgeEstimate


def estimate_command(
    inputs: Annotated[list[Path], typer.Argument(metavar="IN", help="Photos.")],
    faces: FacesOption = "all",
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON object per photo and line.")
    ] = False,
    threads: ThreadsOption = None,
    max_pixels: MaxPixelsOption = None,
    max_bytes: MaxBytesOption = None,
) -> None:
    """Tell how old the people in photos look: age and interval of each face, largest first.

    This is a guess from one picture. It is no age verification and must not decide about anybody.
    """
    choice = parse_faces(faces)

    from reage.inference.ager import FaceAger

    ager = FaceAger(threads=threads)
    read = reader_within(max_pixels, max_bytes)
    run_each(inputs, partial(_estimate_one, ager, read, choice, as_json))


def _estimate_one(
    ager: FaceAger,
    read: Callable[[Path], Photo],
    faces: FaceChoice,
    as_json: bool,
    source: Path,
) -> str:
    estimates = ager.estimate(read(source), faces=faces)
    if as_json:
        return json.dumps({"file": str(source), "faces": [_as_dict(e) for e in estimates]})
    lines = [_as_text(estimate) for estimate in estimates]
    return "\n".join(f"{source}: {line}" for line in lines)


def _as_dict(estimate: AgeEstimate) -> dict[str, Any]:
    return {
        "box": [round(float(value), 1) for value in estimate.face.box],
        "age": round(estimate.age, 1),
        "low": round(estimate.low, 1),
        "high": round(estimate.high, 1),
    }


def _as_text(estimate: AgeEstimate) -> str:
    x0, y0, x1, y1 = (round(float(value)) for value in estimate.face.box)
    return (
        f"about {estimate.age:.0f} years (80 in 100 faces like it: "
        f"{estimate.low:.0f} to {estimate.high:.0f}), face at {x0},{y0}-{x1},{y1}"
    )
