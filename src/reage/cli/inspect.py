"""`reage inspect`: does a picture say that a model made it, and is that signed?"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from reage.cli.batch import say
from reage.errors import MissingExtraError, ReageError

if TYPE_CHECKING:
    from reage.images.c2pa import Manifest
    from reage.images.provenance import Mark

    _Seal = Manifest | MissingExtraError | None

_VIDEOS = (".mp4", ".m4v", ".mov", ".mkv", ".webm")


def inspect_command(
    inputs: Annotated[list[Path], typer.Argument(metavar="IN", help="Pictures and videos.")],
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON object per picture and line.")
    ] = False,
) -> None:
    """Tell whether pictures are marked as made with a model: by what, and at which age.

    Of a picture with a C2PA manifest it tells who signed it, and whether it has been changed since.
    The exit code is 0 if all of them are marked. A picture without a mark may be synthetic too:
    whoever passes it on can take a mark away.
    """
    from reage.images.provenance import is_synthetic

    all_marked = True
    for source in inputs:
        try:
            mark, seal = _mark_of(source), _seal_of(source)
        except ReageError as error:
            typer.echo(f"reage: {error}", err=True)
            all_marked = False
            continue
        marked = is_synthetic(mark)
        all_marked &= marked
        describe = _as_json if as_json else _as_text
        say(describe(source, mark, seal, marked))
    if not all_marked:
        raise typer.Exit(1)


def _mark_of(source: Path) -> Mark | None:
    from reage.images.provenance import mark_in, read_words
    from reage.images.read import read_marks

    if source.suffix.lower() not in _VIDEOS:
        return mark_in(read_marks(source))
    from reage.inference.video.reader import video_comment

    return read_words(video_comment(source))


def _seal_of(source: Path) -> _Seal:
    """The C2PA manifest of a picture, or why it cannot be checked; None without one.

    In videos it is not looked for.
    """
    from reage.images.c2pa import read_manifest

    if source.suffix.lower() in _VIDEOS:
        return None
    try:
        return read_manifest(source.read_bytes())
    except MissingExtraError as error:
        return error


def _as_text(source: Path, mark: Mark | None, seal: _Seal, marked: bool) -> str:
    parts = [_mark_in_words(mark, marked), _seal_in_words(seal)]
    return f"{source}: {'; '.join(part for part in parts if part)}"


def _mark_in_words(mark: Mark | None, marked: bool) -> str:
    if mark is None:
        return "not marked"
    if not marked:
        return f"marked as {mark.source_type.rsplit('/', 1)[-1]}"
    ages = ", ".join(f"{age:g}" for age in mark.target_ages) or "unknown"
    return f"synthetic, by {mark.software or 'unknown software'}, target age {ages}"


def _seal_in_words(seal: _Seal) -> str:
    if seal is None:
        return ""
    if isinstance(seal, MissingExtraError):
        return f"C2PA manifest, not checked: {seal.remedy}"
    manifest = f"C2PA manifest signed by {seal.signer or 'somebody unknown'}"
    if not seal.valid:
        return f"{manifest}, NOT VALID: {seal.problem}"
    return f"{manifest}, valid, signer {'' if seal.trusted else 'not '}in a trust list"


def _as_json(source: Path, mark: Mark | None, seal: _Seal, marked: bool) -> str:
    return json.dumps(
        {
            "file": str(source),
            "synthetic": marked,
            "digital_source_type": mark.source_type if mark else None,
            "software": mark.software if mark else None,
            "target_ages": list(mark.target_ages) if mark else [],
            "c2pa": _seal_as_json(seal),
        }
    )


def _seal_as_json(seal: _Seal) -> dict[str, object] | None:
    if isinstance(seal, MissingExtraError):
        return {"checked": False}
    return None if seal is None else {"checked": True, **asdict(seal)}
