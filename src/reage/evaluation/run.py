"""A whole evaluation: faces, judges, baselines, the system itself, and the report."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from reage.ages import GROUP_CENTERS, NUM_GROUPS
from reage.data.pipeline import Faces, decode_faces, join, take
from reage.data.record_reader import read_split
from reage.data.tfrecords import FaceRecord
from reage.errors import EvaluationError
from reage.evaluation.distances import HEADLINE_GROUPS, real_distances
from reage.evaluation.grid import grid
from reage.evaluation.judges import Judges, Progress, Remembering, milliseconds
from reage.evaluation.mirrored import mirror_figures
from reage.evaluation.protocol import draw_rows, measure
from reage.evaluation.reference import (
    LIMIT,
    Reference,
    cache_path,
    judge_reference,
)
from reage.evaluation.strength import MAX_FACES, STRENGTHS, strength_curve
from reage.evaluation.summary import real_errors, reference_rows, summarise
from reage.evaluation.systems import (
    AgingSystem,
    ChangeModel,
    IdentityCopy,
    NearestReal,
    open_system,
)

QUICK_FACES: Final = 140
_TIMED_FACES = 16


@dataclass(frozen=True)
class Protocol:
    """What is evaluated.

    Attributes:
        split: `test`, or `validation` while developing.
        faces: How many faces are aged, at most.
        size: Side at which images are judged, pixels.
        seed: Seed of the draw.
        baselines: Whether identity copy and nearest real face are scored beside.
        targets: Target ages, centers of groups.
        strength_curve: Whether the model is also scored at several strengths.
        shape: Whether the model may change the shape of faces, too.
        all_held_out: Whether all faces of the split stand for real ones, or only four times as many
            as are aged.
    """

    split: str = "test"
    faces: int = 1000
    size: int = 128
    seed: int = 0
    baselines: bool = True
    targets: tuple[float, ...] = GROUP_CENTERS
    strength_curve: bool = False
    shape: bool = False
    all_held_out: bool = True

    def quick(self) -> Protocol:
        """The same in small, for development: its distances do not compare with full ones."""
        return replace(
            self,
            faces=min(self.faces, QUICK_FACES),
            targets=tuple(GROUP_CENTERS[group] for group in HEADLINE_GROUPS),
            all_held_out=False,
        )


def evaluate(
    model: Path | None,
    prepared: Path,
    judges: Judges,
    protocol: Protocol,
    *,
    name: str | None = None,
    cache: Path | None,
    progress: Progress,
    announce: Callable[[str], None] = lambda _: None,
    threads: int | None = None,
) -> tuple[dict[str, Any], Image.Image]:
    """Scores a model.

    Args:
        model: See `open_system`.
        prepared: Folder made by `reage data prepare`.
        judges: The judges.
        protocol: What is evaluated.
        name: How the report calls the model, if not as `open_system` does.
        cache: Folder for the judges' verdicts on real faces; None keeps none.
        progress: Told how far it is.
        announce: Told how long it will take.
        threads: CPU threads of the model.

    Returns:
        The report, see `summary.summarise` for each system's part; and the first faces drawn at
        several ages, see `grid`.

    Raises:
        DataError: If there is no such split.
        EvaluationError: If it holds too few faces, or the model cannot be opened.
    """
    records = _read_enough(prepared, protocol.split)
    rows = draw_rows(_groups(records), protocol.faces, protocol.seed)
    files = tuple(records[row].file for row in rows)
    system = open_system(model, files, threads=threads, shape=protocol.shape)
    system.name = name or system.name
    drawn = decode_faces([records[row] for row in rows], protocol.size)
    # Faces of the target group are left out of a distance: as many remain for every target.
    limit = min(LIMIT, len(rows) - int(np.bincount(drawn.groups).max()))
    kept = _held_out(records, rows, protocol)
    held_out = decode_faces([records[row] for row in kept], protocol.size)
    filled = _fill_up(held_out, prepared, 2 * limit)
    path = cache_path(cache, judges, filled)
    judged_already = path is not None and path.exists()
    announce(_estimate(judges, system, drawn, filled, protocol, judged_already))
    reference = judge_reference(
        judges, filled, len(kept), cache=cache, progress=progress, limit=limit
    )
    remembering = Remembering(judges, filled.images, reference.verdicts)
    measured = (
        measure(each, drawn, remembering, targets=protocol.targets, progress=progress)
        for each in (system, *_baselines(drawn, reference, protocol))
    )
    report = _settings(protocol, judges, reference, drawn) | {
        "mirrored": mirror_figures(judges, drawn, reference, progress),
        "systems": [summarise(each, drawn, reference) for each in measured],
    }
    if protocol.strength_curve and isinstance(system, ChangeModel):
        report["strength_curve"] = strength_curve(
            system, drawn, remembering, reference, progress=progress
        )
    return report, grid(system, drawn.images)


def _read_enough(prepared: Path, split: str) -> Sequence[FaceRecord]:
    records = read_split(prepared, split)
    if len(records) < NUM_GROUPS:
        raise EvaluationError(
            prepared,
            f"holds {len(records)} {split} faces, which tell nothing",
            f"prepare more faces: at least {NUM_GROUPS} must be held out",
        )
    return records


def _settings(
    protocol: Protocol, judges: Judges, reference: Reference, drawn: Faces
) -> dict[str, Any]:
    impostors = reference.held_out * (reference.held_out - 1) // 2
    return {
        "split": protocol.split,
        "size": protocol.size,
        "shape": protocol.shape,
        "seed": protocol.seed,
        "distance_name": judges.distance_name,
        "distance_limit": reference.limit,
        "judges": judges.digest,
        "verification_threshold": reference.threshold,
        "verification_pairs": impostors,
        "real_faces": len(reference.faces.ages),
        "real_faces_held_out": reference.held_out,
        "real_distances": real_distances(reference),
        "real_errors": real_errors(reference),
        "files": list(drawn.files),
    }


def _held_out(
    records: Sequence[FaceRecord], rows: NDArray[np.int64], protocol: Protocol
) -> NDArray[np.int64]:
    """Which faces of the split stand for real ones: all, or enough; the drawn ones always."""
    if protocol.all_held_out:
        return np.arange(len(records))
    more = draw_rows(_groups(records), 4 * len(rows), protocol.seed)
    return np.union1d(rows, more)


def _fill_up(held_out: Faces, prepared: Path, wanted: int) -> Faces:
    """Adds training faces to groups of fewer than `wanted` held-out ones.

    A distance needs equally many real faces of each group, and its floor twice as many.
    """
    records = read_split(prepared, "train")
    groups = _groups(records)
    missing = wanted - np.bincount(held_out.groups, minlength=NUM_GROUPS)
    chosen = [np.flatnonzero(groups == g)[: max(0, n)] for g, n in enumerate(missing)]
    side = held_out.images.shape[1]
    return join(held_out, decode_faces([records[row] for row in np.concatenate(chosen)], side))


def _baselines(drawn: Faces, reference: Reference, protocol: Protocol) -> list[AgingSystem]:
    if not protocol.baselines:
        return []
    embeddings = reference.verdicts.embeddings
    rows = reference.candidates()
    nearest = NearestReal(
        drawn,
        embeddings[reference_rows(reference, drawn)],
        take(reference.faces, rows),
        embeddings[rows],
    )
    return [IdentityCopy(), nearest]


def _estimate(
    judges: Judges,
    system: AgingSystem,
    drawn: Faces,
    filled: Faces,
    protocol: Protocol,
    judged_already: bool,
) -> str:
    """Times judges and system on a few faces, and says what all will take."""
    few = drawn.images[:_TIMED_FACES]
    per_judge = judges.milliseconds(few)
    ages = np.full(len(few), 50.0)
    aging = 0.0
    if isinstance(system, ChangeModel):
        aging = milliseconds(lambda: system(few, ages), len(few))
    passes = 2 if system.second_pass else 1
    aged = len(drawn.ages) * len(protocol.targets) * passes
    if protocol.strength_curve and isinstance(system, ChangeModel):
        aged += min(MAX_FACES, len(drawn.ages)) * len(STRENGTHS) * len(HEADLINE_GROUPS)
    real = 0 if judged_already else len(filled.ages)
    judging = sum(per_judge.values())
    minutes = (real * judging + aged * (judging + aging)) / 6e4
    listed = ", ".join(f"{name} {value:.1f}" for name, value in per_judge.items())
    return (
        f"milliseconds per face: {listed}; ageing {aging:.1f}\n"
        f"{real:,} real and {aged:,} aged images to judge: about {minutes:.0f} min"
    )


def _groups(records: Sequence[FaceRecord]) -> NDArray[np.int64]:
    return np.array([record.group for record in records], np.int64)
