"""The options that the commands share, and how their text is understood."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from reage.errors import AgeRangeError, ImageReadError, UsageError

if TYPE_CHECKING:
    from reage.images import Photo
    from reage.images.c2pa import C2paSigner
    from reage.inference.ager import FaceChoice

DEFAULT_MAX_FACES = 500
FROM_NAME = "from-name"


def parse_age(text: str) -> float:
    """Reads an age in years.

    Raises:
        AgeRangeError: If the text is no age that the model knows.
    """
    # Loads NumPy, which help and version can do without.
    from reage.ages import MAX_AGE, MIN_AGE, check_age

    try:
        age = float(text)
    except ValueError as error:
        raise AgeRangeError(
            f"age {text}", "is not a number", f"give years from {MIN_AGE} to {MAX_AGE}"
        ) from error
    return check_age(age)


def parse_source_age(text: str | None) -> Callable[[Path], float | None]:
    """What tells the age in a photo: the years that `text` is, or the photo's name for `from-name`.

    Raises:
        AgeRangeError: If the text is no age that the model knows.
    """
    if text == FROM_NAME:
        return _age_in_name
    years = None if text is None else parse_age(text)
    return lambda _: years


def _age_in_name(photo: Path) -> float:
    from reage.data.utkface import parse_name

    try:
        return float(parse_name(photo.name)[0])
    except ValueError as error:
        raise ImageReadError(photo, str(error), "give the years with --source-age") from error


def parse_ages(text: str) -> tuple[float, ...]:
    """Reads ages in years: `5,15,30`, or `10:91:10` which means 10, 20, ... below 91.

    Raises:
        AgeRangeError: If one of them is no age that the model knows.
        UsageError: If the text has another form, or names no age.
    """
    from reage.ages import check_age

    try:
        years: Iterable[float] = (
            range(*(int(part) for part in text.split(":")))
            if ":" in text
            else [float(part) for part in text.split(",")]
        )
    except (ValueError, TypeError):
        years = ()
    ages = tuple(check_age(year) for year in years)
    if not ages:
        raise UsageError(
            f"--ages {text}", "is not a list of years", "write it like 5,15,30 or 10:91:10"
        )
    return ages


def parse_faces(text: str, at_most: int | None = None) -> FaceChoice:
    """Reads `all`, `largest` or a number of faces.

    Args:
        text: The choice.
        at_most: How many faces `all` may be; None means any number.

    Raises:
        UsageError: If the text is none of these.
    """
    names: dict[str, FaceChoice] = {"all": at_most or "all", "largest": "largest"}
    if text in names:
        return names[text]
    if text.isdecimal() and int(text) >= 1:
        return int(text)
    raise UsageError(
        f"--faces {text}", "names no faces", "give all, largest, or how many of the largest"
    )


def reader_within(max_pixels: int | None, max_bytes: int | None) -> Callable[[Path], Photo]:
    """What reads photos within the limits that the user set; None takes the default."""
    from reage.images import DEFAULT_MAX_BYTES, DEFAULT_MAX_PIXELS, read_photo

    return partial(
        read_photo,
        max_pixels=max_pixels or DEFAULT_MAX_PIXELS,
        max_bytes=max_bytes or DEFAULT_MAX_BYTES,
    )


def parse_signer(certificate: Path | None, key: Path | None) -> C2paSigner | None:
    """The signer of `--c2pa-cert` and `--c2pa-key`; None without them.

    Raises:
        UsageError: If one of them is missing, or they cannot be used to sign.
        MissingExtraError: If c2pa-python is not installed.
    """
    if certificate is None and key is None:
        return None
    if certificate is None or key is None:
        given, missing = ("--c2pa-key", "--c2pa-cert") if key else ("--c2pa-cert", "--c2pa-key")
        raise UsageError(given, f"signs nothing without {missing}", "give both")
    from reage.images.c2pa import load_signer

    return load_signer(certificate, key)


AgeOption = Annotated[
    float,
    typer.Option("--to", metavar="YEARS", parser=parse_age, help="The age to show, 0 to 116."),
]
FacesOption = Annotated[
    str, typer.Option("--faces", metavar="all|largest|N", help="Which faces; N: the N largest.")
]
StrengthOption = Annotated[
    float, typer.Option("--strength", metavar="0..1", help="How much of the change to apply.")
]
SourceAgeOption = Annotated[
    float | None,
    typer.Option(
        "--source-age",
        metavar="YEARS",
        parser=parse_age,
        help="The age in the photo, where you know it.",
    ),
]
NamedSourceAgeOption = Annotated[
    str | None,
    typer.Option(
        "--source-age",
        metavar=f"YEARS|{FROM_NAME}",
        help=f"The age in the photo, where you know it; {FROM_NAME}: from names as UTKFace's.",
    ),
]
MaskOption = Annotated[
    str,
    typer.Option(
        "--mask",
        metavar="face|skin|shape",
        help="What may change; skin: hair and glasses stay; shape: the face's shape, too.",
    ),
]
CertificateOption = Annotated[
    Path | None,
    typer.Option(
        "--c2pa-cert", metavar="PEM", help="Sign what is written: your certificate, and its chain."
    ),
]
KeyOption = Annotated[
    Path | None, typer.Option("--c2pa-key", metavar="PEM", help="The key of that certificate.")
]
ModelOption = Annotated[
    Path | None,
    typer.Option("--model", metavar="DIR", help="An exported model instead of the packaged one."),
]
ThreadsOption = Annotated[
    int | None, typer.Option("--threads", metavar="N", help="CPU threads; default: all cores.")
]
MaxPixelsOption = Annotated[
    int | None,
    typer.Option(
        "--max-pixels",
        metavar="N",
        min=1,
        # Pillow opens nothing larger.
        max=178_956_970,
        help="Refuse photos of more pixels; default: 100 million.",
        rich_help_panel="Limits",
    ),
]
MaxBytesOption = Annotated[
    int | None,
    typer.Option(
        "--max-bytes",
        metavar="N",
        min=1,
        help="Refuse files of more bytes; default: 1,000 million.",
        rich_help_panel="Limits",
    ),
]
MaxFacesOption = Annotated[
    int,
    typer.Option(
        "--max-faces",
        metavar="N",
        min=1,
        help="Of all faces of a photo, take at most so many, the largest.",
        rich_help_panel="Limits",
    ),
]
