"""`reage video`: the people in a video at another age."""

from __future__ import annotations

import os
import re
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from reage.cli.batch import plural, printable, say
from reage.cli.options import (
    AgeOption,
    FacesOption,
    MaskOption,
    ModelOption,
    SourceAgeOption,
    StrengthOption,
    ThreadsOption,
    parse_faces,
)
from reage.errors import ImageWriteError, ReageError, UsageError

if TYPE_CHECKING:
    from reage.inference.video import AgedVideo

_UNITS = {"": 1.0, "s": 1.0, "ms": 1e-3, "m": 60.0, "min": 60.0, "h": 3600.0}
_DEFAULT_MAX_SECONDS = 3600.0


def parse_length(text: str) -> float:
    """Reads a length of time, such as `3s`, `1.5`, `500ms` or `2min`, in seconds.

    Raises:
        UsageError: If the text is no length, or none above zero.
    """
    parts = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([a-z]*)", text.strip().lower())
    if parts is None or parts[2] not in _UNITS or float(parts[1]) == 0:
        raise UsageError(f"length {text}", "is no length of time", "write it like 3s or 1.5min")
    return float(parts[1]) * _UNITS[parts[2]]


def video_command(
    video: Annotated[Path, typer.Argument(metavar="IN", help="A video.")],
    to: AgeOption,
    output: Annotated[
        str | None,
        typer.Option(
            "-o",
            "--output",
            metavar="OUT",
            help="A file (.mp4, .mov, .mkv, .webm) or a folder; default: NAME_70.EXT beside it.",
        ),
    ] = None,
    preview: Annotated[
        float | None,
        typer.Option(
            "--preview",
            metavar="LENGTH",
            parser=parse_length,
            help="Only the beginning, such as 3s, as NAME_70_preview.EXT.",
        ),
    ] = None,
    faces: FacesOption = "all",
    strength: StrengthOption = 1.0,
    source_age: SourceAgeOption = None,
    mask: MaskOption = "face",
    model: ModelOption = None,
    threads: ThreadsOption = None,
    max_duration: Annotated[
        float | None,
        typer.Option(
            "--max-duration",
            metavar="LENGTH",
            parser=parse_length,
            help="Refuse longer videos; default: 1h.",
            rich_help_panel="Limits",
        ),
    ] = None,
) -> None:
    """Show the people in a video at another age, steady over time.

    Sound, timestamps, rotation and colours stay as they are. Ctrl-C keeps what is done so far as a
    video that plays.
    """
    choice = parse_faces(faces)
    tag = f"{to:g}" if preview is None else f"{to:g}_preview"
    from reage.inference.video import VideoInterrupted, age_video
    from reage.inference.video.reader import require_pyav

    require_pyav()
    # SVT-AV1 reports on itself otherwise.
    os.environ.setdefault("SVT_LOG", "1")
    target = video_target(video, output, tag)
    if target.exists() and (output is None or target != Path(output)):
        check_is_result(target)
    note = " (replaced)" if target.exists() else ""
    from reage.inference.ager import FaceAger
    from reage.inference.patches import check_mask

    ager = FaceAger(model, threads=threads)
    longest = max_duration or _DEFAULT_MAX_SECONDS
    started = time.perf_counter()
    try:
        with (
            folder_made(target.parent, output),
            interruptions() as stop_if_asked,
            progress_bar(video.name) as show,
        ):

            def after_frame(done: float, total: float | None) -> None:
                check_duration(video, max(done, total or 0.0), longest)
                show(done, total)
                stop_if_asked()

            result = age_video(
                video,
                target,
                to,
                ager=ager,
                faces=choice,
                strength=strength,
                source_age=source_age,
                mask=check_mask(mask),
                seconds=preview,
                progress=after_frame,
            )
    except VideoInterrupted as stop:
        say(summary(video, stop.video, f"{note} (stopped)", started))
        raise
    say(summary(video, result, note, started))


def check_duration(video: Path, seconds: float, longest: float) -> None:
    """Refuses a video that is too long, by what its file says or by what was decoded so far.

    Raises:
        UsageError: If it is.
    """
    if seconds > longest:
        raise UsageError(
            video,
            f"lasts {seconds:.2f} s, over the limit of {longest:g} s",
            "raise it with --max-duration, or take the beginning with --preview",
        )


def video_target(source: Path, output: str | None, tag: str) -> Path:
    """Names the new file: beside the input, in a folder, or as `output` says.

    Args:
        source: The input.
        output: The text of `-o`.
        tag: Ends a name that is made from the input's.
    """
    from reage.inference.video.writer import CONTAINERS

    suffix = source.suffix if source.suffix.lower() in CONTAINERS else ".mp4"
    name = f"{source.stem}_{tag}{suffix}"
    if output is None:
        return source.parent / name
    path = Path(output)
    return path / name if path.is_dir() or output.endswith("/") else path


def check_is_result(path: Path) -> None:
    """Checks that a video in the way of one under a name that nobody gave is an earlier result.

    Raises:
        ImageWriteError: If it is not marked as one, and so may be somebody's.
    """
    from reage.images.provenance import read_words
    from reage.inference.folder import refuse_foreign
    from reage.inference.video.reader import video_comment

    try:
        mark = read_words(video_comment(path))
    except ReageError:
        mark = None
    refuse_foreign(path, mark, "video")


@contextmanager
def folder_made(path: Path, output: str | None) -> Iterator[None]:
    """A folder that `output` names is there inside, and is not left behind empty by an error.

    Raises:
        ImageWriteError: If it cannot be made.
    """
    if output is None or path.is_dir() or not output.endswith("/"):
        yield
        return
    try:
        path.mkdir(parents=True)
    except OSError as error:
        raise ImageWriteError(path, "cannot be made a folder", "name another with -o") from error
    try:
        yield
    finally:
        with suppress(OSError):  # it holds the video
            path.rmdir()


def summary(source: Path, video: AgedVideo, note: str, started: float) -> str:
    """The line that says what was done."""
    elapsed = time.perf_counter() - started
    parts = [
        plural(video.faces, "face"),
        plural(video.frames, "frame"),
        f"{video.seconds:.1f} s of video in {elapsed:.1f} s",
        f"{1e3 * elapsed / max(video.frames, 1):.0f} ms per frame",
    ]
    if video.damaged:
        parts.append(f"{plural(video.damaged, 'damaged packet')} left out")
    if video.dropped:
        parts.append(f"without {', '.join(video.dropped)}")
    return f"{source} -> {video.path}{note}: {', '.join(parts)}"


@contextmanager
def interruptions() -> Iterator[Callable[[], None]]:
    """Lets Ctrl-C wait for the end of a frame; a second one stops at once.

    Yields:
        Raises `KeyboardInterrupt` if Ctrl-C was pressed.
    """
    pressed = threading.Event()

    def remember(number: int, frame: Any) -> None:
        if pressed.is_set():
            signal.default_int_handler(number, frame)
        pressed.set()

    def stop_if_asked() -> None:
        if pressed.is_set():
            raise KeyboardInterrupt

    # Only the main thread may set handlers, and only it receives Ctrl-C.
    if threading.current_thread() is not threading.main_thread():
        yield stop_if_asked
        return
    before = signal.signal(signal.SIGINT, remember)
    try:
        yield stop_if_asked
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def progress_bar(name: str) -> Iterator[Callable[[float, float | None], None]]:
    """A bar with the time that remains, on the error stream; nothing where that is no terminal.

    Yields:
        Takes the seconds that are done, and those that there are.
    """
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        Progress,
        TaskProgressColumn,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.completed:.1f} s"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    console = Console(stderr=True)
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task(printable(name), total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)
