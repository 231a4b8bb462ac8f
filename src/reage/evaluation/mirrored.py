"""What the judges say of the mirror images of the faces: their own noise, beside every score.

A mirror image is the same person, of the same age and sex. What a judge finds changed in it, no
generator can be blamed for.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from reage.data.pipeline import Faces
from reage.evaluation.judges import Judge, Progress, judge_and_tell
from reage.evaluation.reference import Reference
from reage.evaluation.scores import verification_rate
from reage.evaluation.summary import primary_ages, reference_rows, sex_as_labelled


def mirror_figures(
    judges: Judge, faces: Faces, reference: Reference, progress: Progress
) -> dict[str, Any]:
    """Scores of the mirror images of N faces that are among those of `reference`.

    Returns:
        `sex_kept` and `verified`, shares; `age_change`, mean absolute, years; and of the faces
        themselves `sex_as_labelled`, the share whose sex is judged as it is labelled.
    """
    mirrored = np.ascontiguousarray(faces.images[:, :, ::-1])
    found = judge_and_tell(judges, "mirrored faces", len(mirrored), progress)(mirrored)
    before = reference.verdicts.rows(reference_rows(reference, faces))
    right, known = sex_as_labelled(before.sexes, faces), faces.sexes >= 0
    apart = np.linalg.norm(found.embeddings - before.embeddings, axis=1)
    return {
        "sex_kept": float(((found.sexes > 0.5) == (before.sexes > 0.5)).mean()),
        "verified": verification_rate(apart, reference.threshold),
        "age_change": float(np.abs(primary_ages(found.ages) - primary_ages(before.ages)).mean()),
        "sex_as_labelled": float(right[known].mean()) if known.any() else float("nan"),
    }
