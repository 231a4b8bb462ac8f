"""Age error against identity as the change is applied in part."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from reage.ages import GROUP_CENTERS
from reage.data.pipeline import Faces
from reage.evaluation.distances import HEADLINE_GROUPS
from reage.evaluation.judges import Judge, Progress
from reage.evaluation.reference import Reference
from reage.evaluation.scores import score_ages, verification_rate
from reage.evaluation.summary import primary_ages, reference_rows
from reage.evaluation.systems import ChangeModel

STRENGTHS: Final = (0.0, 0.25, 0.5, 0.75, 1.0)
MAX_FACES: Final = 140


def strength_curve(
    system: ChangeModel,
    faces: Faces,
    judges: Judge,
    reference: Reference,
    *,
    progress: Progress,
) -> list[dict[str, Any]]:
    """Scores a model at several strengths, on at most `MAX_FACES` faces and eight target ages.

    Returns:
        For each strength: `strength`, `images`, `mean_absolute_error` in years by the primary
        judge, `group_accuracy`, and `verified`, the share judged to be the same person.
    """
    count = min(MAX_FACES, len(faces.ages))
    images = faces.images[:count]
    before = reference.verdicts.embeddings[reference_rows(reference, faces)[:count]]
    rows, total = [], len(STRENGTHS) * len(HEADLINE_GROUPS)
    for number, strength in enumerate(STRENGTHS):
        part, judged, apart = system.at_strength(strength), [], []
        for column, group in enumerate(HEADLINE_GROUPS):
            progress("strength", number * len(HEADLINE_GROUPS) + column, total)
            aged, there = part(images, np.full(count, GROUP_CENTERS[group]))
            verdicts = judges(aged)
            judged.append(np.where(there, primary_ages(verdicts.ages), np.nan))
            distance = np.linalg.norm(verdicts.embeddings - before, axis=1)
            apart.append(np.where(there, distance, np.nan))
        goals = np.repeat([GROUP_CENTERS[group] for group in HEADLINE_GROUPS], count)
        score = score_ages(np.concatenate(judged), goals)
        rows.append(
            {
                "strength": strength,
                "images": len(goals),
                "mean_absolute_error": score.mean_absolute_error,
                "group_accuracy": score.group_accuracy,
                "verified": verification_rate(np.concatenate(apart), reference.threshold),
            }
        )
    progress("strength", total, total)
    return rows
