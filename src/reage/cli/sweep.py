"""`reage sweep`: one photo at several ages, as a strip or an animation."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from reage.cli.batch import plural, say
from reage.cli.options import (
    DEFAULT_MAX_FACES,
    CertificateOption,
    FacesOption,
    KeyOption,
    MaskOption,
    MaxBytesOption,
    MaxFacesOption,
    MaxPixelsOption,
    ModelOption,
    SourceAgeOption,
    StrengthOption,
    ThreadsOption,
    parse_ages,
    parse_faces,
    parse_signer,
    reader_within,
)
from reage.cli.outputs import OutputPlan


def sweep_command(
    photo: Annotated[Path, typer.Argument(metavar="IN", help="A photo.")],
    ages: Annotated[
        str,
        typer.Option("--ages", metavar="LIST", help="Years: 5,15,30, or 10:91:10 for 10 to 90."),
    ] = "5,15,30,50,70,90",
    output: Annotated[
        str | None,
        typer.Option(
            "-o",
            "--output",
            metavar="OUT",
            help="A .gif for an animation, another image file for a strip; default: NAME_ages.jpg.",
        ),
    ] = None,
    whole: Annotated[
        bool, typer.Option("--whole", help="Show the whole photo, not only the faces.")
    ] = False,
    original: Annotated[
        bool,
        typer.Option("--original/--no-original", help="Begin the strip with the photo as it was."),
    ] = True,
    faces: FacesOption = "all",
    strength: StrengthOption = 1.0,
    source_age: SourceAgeOption = None,
    mask: MaskOption = "face",
    c2pa_cert: CertificateOption = None,
    c2pa_key: KeyOption = None,
    model: ModelOption = None,
    threads: ThreadsOption = None,
    max_pixels: MaxPixelsOption = None,
    max_bytes: MaxBytesOption = None,
    max_faces: MaxFacesOption = DEFAULT_MAX_FACES,
) -> None:
    """Show the people in a photo at several ages, side by side."""
    targets = parse_ages(ages)
    choice = parse_faces(faces, max_faces)
    plan = OutputPlan([photo], output, "ages", ".jpg")
    target = plan.path(photo)
    signer = parse_signer(c2pa_cert, c2pa_key)
    if signer is not None:
        signer.check(target)

    from reage.inference.ager import FaceAger
    from reage.inference.patches import check_mask

    ager = FaceAger(model, threads=threads)
    started = time.perf_counter()
    note = " (replaced)" if target.exists() else ""
    sweep = ager.sweep(
        reader_within(max_pixels, max_bytes)(photo),
        targets,
        faces=choice,
        strength=strength,
        source_age=source_age,
        mask=check_mask(mask),
    )
    plan.make_folder()
    sweep.save(target, whole=whole, original=original, signer=signer)
    milliseconds = 1e3 * (time.perf_counter() - started)
    counts = f"{plural(len(targets), 'age')}, {plural(len(sweep.patches), 'face')}"
    say(f"{photo} -> {target}{note}: {counts}, {milliseconds:.0f} ms")
