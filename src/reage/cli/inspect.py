"""`reage inspect`: does a picture say that a model made it?"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from reage.errors import ReageError

if TYPE_CHECKING:
    from reage.images.provenance import Mark

_VIDEOS = (".mp4", ".m4v", ".mov", ".mkv", ".webm")


def inspect_command(
    inputs: Annotated[list[Path], typer.Argument(metavar="IN", help="Pictures and videos.")],
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON object per picture and line.")
    ] = False,
) -> None:
    """Tell whether pictures are marked as made with a model: by what, and at which age.

    The exit code is 0 if all of them are marked. A picture without a mark may be synthetic too:
    whoever passes it on can take a mark away.
    """
    from reage.images.provenance import is_synthetic

    all_marked = True
    for source in inputs:
        try:
            mark = _mark_of(source)
        except ReageError as error:
            typer.echo(f"reage: {error}", err=True)
            all_marked = False
            continue
        marked = is_synthetic(mark)
        all_marked &= marked
        typer.echo(_as_json(source, mark, marked) if as_json else _as_text(source, mark, marked))
    if not all_marked:
        raise typer.Exit(1)


def _mark_of(source: Path) -> Mark | None:
    from reage.images import read_photo
    from reage.images.provenance import read_mark, read_words

    if source.suffix.lower() not in _VIDEOS:
        return read_mark(read_photo(source))
    from reage.inference.video.reader import video_comment

    return read_words(video_comment(source))


def _as_text(source: Path, mark: Mark | None, marked: bool) -> str:
    if mark is None:
        return f"{source}: not marked"
    if not marked:
        return f"{source}: marked as {mark.source_type.rsplit('/', 1)[-1]}"
    ages = ", ".join(f"{age:g}" for age in mark.target_ages) or "unknown"
    return f"{source}: synthetic, by {mark.software or 'unknown software'}, target age {ages}"


def _as_json(source: Path, mark: Mark | None, marked: bool) -> str:
    return json.dumps(
        {
            "file": str(source),
            "synthetic": marked,
            "digital_source_type": mark.source_type if mark else None,
            "software": mark.software if mark else None,
            "target_ages": list(mark.target_ages) if mark else [],
        }
    )
