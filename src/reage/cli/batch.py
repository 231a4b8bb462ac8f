"""Work on many photos: a line for each, and one bad photo does not stop the rest."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import typer

from reage.errors import UsageError, as_failure


def run_each(sources: Iterable[Path], work: Callable[[Path], str]) -> None:
    """Runs `work` on every photo and prints its line, or one sentence for a photo that fails.

    Raises:
        UsageError: At once, for it would fail every other photo too.
        typer.Exit: With code 1 at the end, if any photo failed.
    """
    failures = 0
    for source in sources:
        try:
            say(work(source))
        except UsageError:
            raise
        except Exception as error:  # one bad photo stops no other, whatever it does
            failures += 1
            typer.echo(f"reage: {as_failure(source, error)}", err=True)
    if failures:
        raise typer.Exit(1)


def say(line: str) -> None:
    """Prints a line about files."""
    typer.echo(printable(line))


def printable(text: str) -> str:
    r"""The text with `\udce9` and the like where a file's name is no text in any encoding."""
    return text.encode(errors="backslashreplace").decode()


def plural(count: int, noun: str) -> str:
    """For example `1 face`, `2 faces`."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
