"""The log of a run: one row of losses for each epoch, as Keras's `CSVLogger` writes it."""

from __future__ import annotations

import csv
from pathlib import Path


def read_log(path: Path) -> dict[int, dict[str, float]]:
    """The losses by name, by epoch in order; none if there is no log yet.

    An epoch that was run again, after a stop between two checkpoints, counts as it was last.
    """
    if not path.exists():
        return {}
    with path.open(newline="", encoding="utf-8") as file:
        rows = {int(row["epoch"]): row for row in csv.DictReader(file)}
    return {epoch: _losses(rows[epoch]) for epoch in sorted(rows)}


def _losses(row: dict[str, str]) -> dict[str, float]:
    # Keras adds a column for each loss on validation data, of which there is none here.
    found = {name: value for name, value in row.items() if value != "NA"}
    return {name: float(value) for name, value in found.items() if name != "epoch"}
