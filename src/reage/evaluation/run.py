"""A whole evaluation: faces, judges, baselines, the system itself, and the report."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from reage.data.pipeline import load_faces
from reage.evaluation.grid import grid
from reage.evaluation.judges import Judges
from reage.evaluation.protocol import Progress, draw_faces, join, measure, take
from reage.evaluation.reference import judge_reference
from reage.evaluation.summary import (
    LIMIT,
    real_distances,
    real_errors,
    reference_rows,
    summarise,
)
from reage.evaluation.systems import AgingSystem, IdentityCopy, NearestReal, open_system


@dataclass(frozen=True)
class Protocol:
    """What is evaluated.

    Attributes:
        split: `test`, or `validation` while developing.
        faces: How many faces are aged, at most.
        size: Side at which images are judged, pixels.
        seed: Seed of the draw.
        baselines: Whether identity copy and nearest real face are scored beside.
    """

    split: str = "test"
    faces: int = 1000
    size: int = 128
    seed: int = 0
    baselines: bool = True


def evaluate(
    model: Path | None,
    prepared: Path,
    judges: Judges,
    protocol: Protocol,
    *,
    cache: Path | None,
    progress: Progress,
) -> tuple[dict[str, Any], Image.Image]:
    """Scores a model.

    Args:
        model: See `open_system`.
        prepared: Folder made by `reage data prepare`.
        judges: The judges.
        protocol: What is evaluated.
        cache: Folder for the judges' verdicts on real faces; None keeps none.
        progress: Told how far it is.

    Returns:
        The report, ready for JSON, see `summary.summarise` for each system's part; and the first
        faces drawn at several ages, see `grid`.

    Raises:
        DataError: If there is no such split.
        EvaluationError: If the model cannot be opened.
    """
    held_out = load_faces(prepared, protocol.split, protocol.size)
    drawn = take(held_out, draw_faces(held_out, protocol.faces, protocol.seed))
    system = open_system(model, drawn.files)
    training = load_faces(prepared, "train", protocol.size)
    # Held-out groups are too small for a Frechet distance: training faces fill them up.
    filled = join(held_out, take(training, _first_of_each_group(training.groups)))
    reference = judge_reference(judges, filled, len(held_out.ages), cache=cache, progress=progress)
    systems: list[AgingSystem] = [system]
    if protocol.baselines:
        embeddings = reference.verdicts.embeddings
        mine = embeddings[reference_rows(reference, drawn)]
        count = len(held_out.ages)
        candidates = take(filled, np.arange(count, len(filled.ages)))
        systems += [
            IdentityCopy(),
            NearestReal(drawn, mine, candidates, embeddings[count:]),
        ]
    summaries = [
        summarise(measure(each, drawn, judges, progress=progress), drawn, reference)
        for each in systems
    ]
    report = {
        "split": protocol.split,
        "size": protocol.size,
        "seed": protocol.seed,
        "distance_name": judges.distance_name,
        "judges": judges.digest,
        "verification_threshold": reference.threshold,
        "real_faces": len(filled.ages),
        "real_distances": real_distances(reference),
        "real_errors": real_errors(reference),
        "systems": summaries,
    }
    return report, grid(system, drawn.images)


def _first_of_each_group(groups: Any) -> Any:
    """Indices of the first `2 LIMIT` faces of each age group, for two disjoint halves."""
    rows = [np.flatnonzero(groups == group)[: 2 * LIMIT] for group in np.unique(groups)]
    return np.concatenate(rows)
