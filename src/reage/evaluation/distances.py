"""Frechet and kernel distances of one system, each between equally many images."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from reage.ages import GROUP_CENTERS, NUM_GROUPS
from reage.data.pipeline import Faces
from reage.evaluation.frechet import frechet_distance, kernel_distance
from reage.evaluation.protocol import Measurements, group_name
from reage.evaluation.reference import Reference

Array = NDArray[np.floating]

HEADLINE_GROUPS: Final = (0, 1, 3, 5, 7, 9, 10, 11)
NAN: Final = float("nan")


def real_distances(reference: Reference) -> list[dict[str, Any]]:
    """Distances between two halves of the real faces of each group: the floor.

    `count` is the size of a half. It is below the limit where a group has few faces, which makes
    the floor too high beside distances of more images: see `at_floor_count` of those.
    """
    rows = []
    for index, center in enumerate(GROUP_CENTERS):
        features = reference.features_of(index)
        shuffled = np.random.default_rng(0).permutation(len(features))
        count = floor_count(reference, index)
        halves = features[shuffled[:count]], features[shuffled[count : 2 * count]]
        held_out, trained_on = reference.sources_of(index)
        row: dict[str, Any] = {
            "group": group_name(center),
            "count": count,
            "reference_held_out": held_out,
            "reference_training": trained_on,
        }
        if count > 1:
            row |= {"distance": frechet_distance(*halves), "kid": kernel_distance(*halves)}
        rows.append(row)
    return rows


def floor_count(reference: Reference, group: int) -> int:
    """Real faces in each half of a group, at most the limit."""
    return min(reference.limit, int((reference.faces.groups == group).sum()) // 2)


def to_target_group(
    features: Array, faces: Faces, group: int, reference: Reference
) -> dict[str, Any]:
    """Distances of aged faces to real ones of the target group.

    Faces that are of that group already are left out: there nothing is to be done, and their
    originals may be among the real faces.

    Args:
        features: (N, D) of the aged faces, NaN for failures.
        faces: The N faces before.
        group: Index of the target group.
        reference: Real faces.
    """
    real = reference.features_of(group)[: reference.limit]
    generated = features[faces.groups != group]
    figures = equal_distances(generated, real, limit=reference.limit)
    figures["at_floor_count"] = equal_distances(
        generated, real, limit=floor_count(reference, group)
    )["distance"]
    copies = {row.tobytes() for row in real[: figures["count"]]}
    figures["copies_of_real"] = sum(
        row.tobytes() in copies for row in _present(generated)[: figures["count"]]
    )
    return figures


def pooled_first_pass(measured: Measurements, faces: Faces, reference: Reference) -> dict[str, Any]:
    """Distances over all targets at once, each with as many real faces as aged ones."""
    generated, real = [], []
    for target, verdicts in zip(measured.targets, measured.first, strict=True):
        group = GROUP_CENTERS.index(float(target))
        of_group = reference.features_of(group)[: reference.limit]
        there = _present(verdicts.features[faces.groups != group])
        count = min(len(of_group), len(there))
        generated.append(there[:count])
        real.append(of_group[:count])
    return equal_distances(
        np.concatenate(generated), np.concatenate(real), limit=reference.limit * NUM_GROUPS
    )


def pooled_second_pass(measured: Measurements, inputs: Array) -> dict[str, Any]:
    """Distances between faces aged there and back, and the same faces before, (N, D).

    Each face is taken once, by turns after each target: repeated inputs would be no sample.
    """
    turns = np.arange(len(inputs)) % len(measured.second)
    features = np.stack([verdicts.features for verdicts in measured.second])
    back = features[turns, np.arange(len(inputs))]
    there = np.isfinite(back).all(axis=1)
    return equal_distances(back[there], inputs[there], limit=len(inputs))


def equal_distances(generated: Array, real: Array, *, limit: int) -> dict[str, Any]:
    """Both distances between equally many generated and real features, at most `limit`."""
    generated = _present(generated)
    count = min(limit, len(generated), len(real))
    if count < 2:
        return {"count": count, "distance": NAN, "kid": NAN}
    return {
        "count": count,
        "distance": frechet_distance(generated[:count], real[:count]),
        "kid": kernel_distance(generated[:count], real[:count]),
    }


def _present(features: Array) -> Array:
    return np.asarray(features[np.isfinite(features).all(axis=1)])
