"""What a trained critic says of held-out faces, in numbers and in a picture."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import numpy as np
from keras import ops

from reage.ages import NUM_GROUPS
from reage.data.pipeline import Faces, join, load_faces, take
from reage.training.callbacks import tile
from reage.training.critic import ascend
from reage.training.samples import grid_faces, to_float

_ASCENT_GROUPS = (0, 3, 7, 9, 11)
_ENOUGH: Final = 20
_PIXELS_TOGETHER = 128 * 64**2
"""The published architecture takes hundreds of megabytes for each face of 200 pixels."""


def faces_of_every_group(prepared: Path, image_size: int) -> Faces:
    """Validation faces, and training faces for groups that have few of them.

    The critic knows the latter, and is surer of them; a mean over one face is worse.

    Args:
        prepared: Prepared data.
        image_size: The critic's, pixels.
    """
    held_out = load_faces(prepared, "validation", image_size)
    counts = np.bincount(held_out.groups, minlength=NUM_GROUPS)
    if counts.min() >= _ENOUGH:
        return held_out
    trained_on = load_faces(prepared, "train", image_size)
    rows = [
        np.flatnonzero(trained_on.groups == group)[: max(0, _ENOUGH - count)]
        for group, count in enumerate(counts)
    ]
    return join(held_out, take(trained_on, np.concatenate(rows)))


def mean_predictions(critic: Any, faces: Faces) -> Any:
    """(14, 14) float32: the critic's mean probabilities on the faces of each group.

    A group without a face gets the prediction of the nearest group that has some.
    """
    logits = _critic_outputs(critic, faces)["age_logits"]
    probabilities = ops.convert_to_numpy(ops.softmax(logits, axis=-1))
    present = np.unique(faces.groups)
    nearest = [present[np.abs(present - group).argmin()] for group in range(NUM_GROUPS)]
    rows = [probabilities[faces.groups == group].mean(axis=0) for group in nearest]
    return np.stack(rows).astype(np.float32)


def critic_report(critic: Any, faces: Faces) -> dict[str, Any]:
    """Scores a critic on a split.

    Returns:
        `accuracy` over the 14 groups, `mean_error_groups` of the predicted group (the median of
        the predicted distribution), `faces`, `accuracy_by_group`, `sex_accuracy` and
        `ethnicity_accuracy` over the faces whose label is known.
    """
    outputs = _critic_outputs(critic, faces)
    probabilities = ops.convert_to_numpy(ops.softmax(outputs["age_logits"], axis=-1))
    best = probabilities.argmax(axis=-1)
    median = (probabilities.cumsum(axis=-1) < 0.5).sum(axis=-1)
    hit = best == faces.groups
    return {
        "faces": len(hit),
        "accuracy": float(hit.mean()),
        "mean_error_groups": float(np.abs(median - faces.groups).mean()),
        "accuracy_by_group": [
            float(hit[faces.groups == group].mean()) if (faces.groups == group).any() else None
            for group in range(NUM_GROUPS)
        ],
        "sex_accuracy": _accuracy(outputs["sex_logits"] > 0, faces.sexes),
        "ethnicity_accuracy": _accuracy(
            outputs["ethnicity_logits"].argmax(axis=-1), faces.ethnicities
        ),
    }


def _accuracy(predicted: Any, labels: Any) -> float | None:
    known = labels >= 0
    return float((predicted == labels)[known].mean()) if known.any() else None


def ascent_figure(critic: Any, faces: Faces, columns: int = 10) -> Any:
    """Paints held-out faces, then each after gradient ascent towards some age groups."""
    images = grid_faces(faces, columns)
    rows = [images]
    rows += [ops.convert_to_numpy(ascend(critic, images, group)) for group in _ASCENT_GROUPS]
    return tile(np.stack(rows))


def _critic_outputs(critic: Any, faces: Faces) -> dict[str, Any]:
    together = max(1, _PIXELS_TOGETHER // faces.images[0, ..., 0].size)
    parts = [
        critic(to_float(faces.images[i : i + together]), training=False)
        for i in range(0, len(faces.images), together)
    ]
    return {
        name: np.concatenate([ops.convert_to_numpy(part[name]) for part in parts])
        for name in parts[0]
    }
