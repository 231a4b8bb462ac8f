"""`reage age`: the people in photos at another age."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from reage.cli.batch import plural, run_each
from reage.cli.folder import age_folder
from reage.cli.options import (
    AgeOption,
    CertificateOption,
    FacesOption,
    KeyOption,
    MaskOption,
    ModelOption,
    SourceAgeOption,
    StrengthOption,
    ThreadsOption,
    parse_faces,
    parse_signer,
)
from reage.cli.outputs import OutputPlan

if TYPE_CHECKING:
    from reage.images.c2pa import C2paSigner
    from reage.inference.results import AgedPhoto


def age_command(
    inputs: Annotated[list[Path], typer.Argument(metavar="IN", help="Photos, or one folder.")],
    to: AgeOption,
    output: Annotated[
        str | None,
        typer.Option(
            "-o",
            "--output",
            metavar="OUT",
            help="A file, or a folder for several photos; default: NAME_70.EXT beside the input.",
        ),
    ] = None,
    faces: FacesOption = "all",
    strength: StrengthOption = 1.0,
    source_age: SourceAgeOption = None,
    mask: MaskOption = "face",
    c2pa_cert: CertificateOption = None,
    c2pa_key: KeyOption = None,
    model: ModelOption = None,
    threads: ThreadsOption = None,
) -> None:
    """Show the people in photos at another age.

    A folder is searched for photos, also below it; the folder named by -o gets the same shape, and
    results that are there already are left alone.
    """
    choice = parse_faces(faces)
    is_folder = len(inputs) == 1 and inputs[0].is_dir() and not inputs[0].is_symlink()
    signer = parse_signer(c2pa_cert, c2pa_key)
    plan = None if is_folder else OutputPlan(inputs, output, f"{to:g}")

    from reage.inference.ager import FaceAger
    from reage.inference.patches import check_mask

    # Photos of a folder are aged side by side, each on one core.
    ager = FaceAger(model, threads=1 if is_folder and threads is None else threads)
    age = partial(
        ager.age,
        to=to,
        faces=choice,
        strength=strength,
        source_age=source_age,
        mask=check_mask(mask),
    )
    if plan is None:
        age_folder(inputs[0], output, age, signer)
    else:
        run_each(inputs, partial(_age_one, plan, age, signer))


def _age_one(
    plan: OutputPlan, age: Callable[[Path], AgedPhoto], signer: C2paSigner | None, source: Path
) -> str:
    """Ages one photo, writes the result, and returns the line that says so."""
    started = time.perf_counter()
    target = plan.path(source)
    note = " (replaced)" if target.exists() else ""
    if signer is not None:
        signer.check(target)
    result = age(source)
    plan.make_folder()
    result.save(target, signer=signer)
    milliseconds = 1e3 * (time.perf_counter() - started)
    faces = plural(len(result.faces), "face")
    return f"{source} -> {target}{note}: {faces}, {milliseconds:.0f} ms"
