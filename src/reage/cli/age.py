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
    DEFAULT_MAX_FACES,
    AgeOption,
    CertificateOption,
    FacesOption,
    KeyOption,
    MaskOption,
    MaxBytesOption,
    MaxFacesOption,
    MaxPixelsOption,
    ModelOption,
    NamedSourceAgeOption,
    StrengthOption,
    ThreadsOption,
    parse_faces,
    parse_signer,
    parse_source_age,
    reader_within,
)
from reage.cli.outputs import OutputPlan
from reage.errors import ImageWriteError, UsageError

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
    in_place: Annotated[
        bool, typer.Option("--in-place", help="Replace the photos by the results.")
    ] = False,
    faces: FacesOption = "all",
    strength: StrengthOption = 1.0,
    source_age: NamedSourceAgeOption = None,
    mask: MaskOption = "face",
    c2pa_cert: CertificateOption = None,
    c2pa_key: KeyOption = None,
    model: ModelOption = None,
    threads: ThreadsOption = None,
    max_pixels: MaxPixelsOption = None,
    max_bytes: MaxBytesOption = None,
    max_faces: MaxFacesOption = DEFAULT_MAX_FACES,
) -> None:
    """Show the people in photos at another age.

    A folder is searched for photos, also below it; the folder named by -o gets the same shape, and
    results that are there already are left alone.
    """
    choice = parse_faces(faces, max_faces)
    age_in = parse_source_age(source_age)
    is_folder = len(inputs) == 1 and _is_folder(inputs[0])
    signer = parse_signer(c2pa_cert, c2pa_key)
    if is_folder and in_place:
        raise UsageError("--in-place", "takes photos, and no folder", "name them, or give -o")
    plan = None if is_folder else OutputPlan(inputs, output, f"{to:g}", in_place=in_place)
    read = reader_within(max_pixels, max_bytes)

    from reage.inference.ager import FaceAger
    from reage.inference.patches import check_mask, check_strength

    check_strength(strength)

    # Photos of a folder are aged side by side, each on one core.
    ager = FaceAger(model, threads=1 if is_folder and threads is None else threads)
    kind = check_mask(mask)

    def age(photo: Path) -> AgedPhoto:
        return ager.age(
            read(photo), to, faces=choice, strength=strength, source_age=age_in(photo), mask=kind
        )

    if plan is None:
        age_folder(inputs[0], output, age, signer)
    else:
        run_each(inputs, partial(_age_one, plan, age, signer))


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir() and not path.is_symlink()
    except OSError:  # the name is too long, for one
        return False


def _age_one(
    plan: OutputPlan, age: Callable[[Path], AgedPhoto], signer: C2paSigner | None, source: Path
) -> str:
    """Ages one photo, writes the result, and returns the line that says so."""
    from reage.images import format_for_path

    started = time.perf_counter()
    target = plan.path(source)
    note = " (replaced)" if target.exists() else ""
    if signer is not None:
        signer.check(target)
    result = age(source)
    if plan.in_place and result.photo.metadata.has_more:
        raise ImageWriteError(
            source,
            "holds more pictures or a film, which would be lost",
            "write to another file with -o",
        )
    if plan.in_place and format_for_path(source) not in (None, result.photo.format):
        raise ImageWriteError(
            source,
            f"is a {result.photo.format} file under another name, and would become one of its name",
            "rename it, or write to another file with -o",
        )
    plan.make_folder()
    result.save(target, signer=signer)
    milliseconds = 1e3 * (time.perf_counter() - started)
    faces = plural(len(result.faces), "face")
    return f"{source} -> {target}{note}: {faces}, {milliseconds:.0f} ms"
