"""The log of a run: one row of losses for each epoch, as Keras's `CSVLogger` writes it."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

from reage.errors import TrainingError
from reage.scratch import replacing

_ABSENT: Final = "NA"


class Epochs(NamedTuple):
    """Epochs of the same length.

    Attributes:
        first: Number of the first of them.
        end: Number of the one after the last.
        steps: Length of each; the end of training may cut the last one short.
    """

    first: int
    end: int
    steps: int


def epochs_left(done: int, steps: int, length: int) -> list[Epochs]:
    """What is left of `steps` steps in epochs of `length` when `done` of them are done.

    An epoch that a stop has cut in two ends where it would have ended.
    """
    epoch, past = divmod(done, length)
    begun = [Epochs(epoch, epoch + 1, length - past)] if past else []
    whole = Epochs(epoch + len(begun), -(-steps // length), length)
    return [*begun, whole] if whole.first < whole.end else begun


def read_log(path: Path) -> dict[int, dict[str, float]]:
    """The losses by name, by epoch in order; none if there is no log yet.

    An epoch that has several rows, as older logs have after a stop, counts as the last of them.

    Raises:
        TrainingError: If the file is damaged.
    """
    with _reading(path):
        columns, rows = _read(path)
        losses = {epoch: _losses(columns, row) for epoch, row in rows}
    return {epoch: losses[epoch] for epoch in sorted(losses)}


def forget_epochs(path: Path, first: int, losses: Iterable[str] = ()) -> None:
    """Drops the rows, if any, of the epochs from `first` on, which are about to be run again.

    Args:
        path: The log.
        first: Number of an epoch.
        losses: Names of the losses that will be logged, if they may be others than before: a newer
            version has more. Of a loss that is new the earlier rows have none.

    Raises:
        TrainingError: If the file is damaged.
    """
    with _reading(path):
        columns, rows = _read(path)
        if not columns:
            return
        kept = [row for epoch, row in rows if epoch < first]
        if names := sorted(losses):
            wanted = ["epoch", *names, *(f"val_{name}" for name in names)]
            kept = [_rearranged(columns, row, wanted) for row in kept]
            columns = wanted
    with replacing(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([columns, *kept])


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError, csv.Error) as error:
        remedy = "remove it: only figures and --patience read it"
        raise TrainingError(path, "is damaged", remedy) from error


def _read(path: Path) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """The columns, none if there is no log, and the rows with their epochs."""
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    # A kill may have cut the last line short.
    whole = [line for line in text.splitlines(keepends=True) if line.endswith("\n")]
    columns, *rows = list(csv.reader(whole)) or [[]]
    return columns, [(int(row[0]), row) for row in rows]


def _rearranged(columns: list[str], row: list[str], wanted: list[str]) -> list[str]:
    found = dict(zip(columns, row, strict=True))
    return [found.get(name, _ABSENT) for name in wanted]


def _losses(columns: list[str], row: list[str]) -> dict[str, float]:
    found = dict(zip(columns[1:], row[1:], strict=True))
    # Keras adds a column for each loss on validation data, of which there is none here.
    return {name: float(value) for name, value in found.items() if value != _ABSENT}
