"""Frechet and kernel distances of one system, each between equally many images."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from reage.ages import GROUP_CENTERS
from reage.data.pipeline import Faces
from reage.evaluation.frechet import distance_of_means, frechet_distance, kernel_distance
from reage.evaluation.protocol import Measurements, group_name
from reage.evaluation.reference import Reference

Array = NDArray[np.floating]

HEADLINE_GROUPS: Final = (0, 1, 3, 5, 7, 9, 10, 11)
MIN_HELD_OUT: Final = 200
"""Held-out faces that a distance to them alone needs."""
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
    figures |= _by_source(generated, group, reference)
    figures["at_floor_count"] = equal_distances(
        generated, real, limit=floor_count(reference, group)
    )["distance"]
    copies = {row.tobytes() for row in real[: figures["count"]]}
    figures["copies_of_real"] = sum(
        row.tobytes() in copies for row in _present(generated)[: figures["count"]]
    )
    return figures


def _by_source(generated: Array, group: int, reference: Reference) -> dict[str, Any]:
    """The distance to held-out faces alone, and at that count to faces that were trained on.

    A model may have learned the latter by heart; a group of few held-out faces tells nothing.
    """
    held_out, trained_on = reference.features_by_source(group)
    count = min(len(_present(generated)), len(held_out), len(trained_on), reference.limit)
    if count < MIN_HELD_OUT:
        return {"held_out_count": 0, "to_held_out": NAN, "to_trained_on": NAN}
    return {
        "held_out_count": count,
        "to_held_out": equal_distances(generated, held_out, limit=count)["distance"],
        "to_trained_on": equal_distances(generated, trained_on, limit=count)["distance"],
    }


def pooled_first_pass(measured: Measurements, faces: Faces, reference: Reference) -> dict[str, Any]:
    """Distances over all targets at once, each with as many real faces as aged ones.

    Each face is taken once, by turns to each target, as in the second pass, and none of their
    originals is among the real faces.
    """
    turns = np.arange(len(faces.ages)) % len(measured.targets)
    generated, real = [], []
    for column, target in enumerate(measured.targets):
        group = GROUP_CENTERS.index(float(target))
        chosen = (turns == column) & (faces.groups != group)
        there = _present(measured.first[column].features[chosen])
        of_group = reference.features_without(group, faces.files)
        count = min(len(of_group), len(there))
        generated.append(there[:count])
        real.append(of_group[:count])
    return equal_distances(np.concatenate(generated), np.concatenate(real), limit=len(turns))


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
    """Both distances between equally many generated and real features, at most `limit`.

    Returns:
        `count`, `distance`, `distance_of_means`, which is a part of it, and `kid`.
    """
    generated = _present(generated)
    count = min(limit, len(generated), len(real))
    if count < 2:
        return {"count": count, "distance": NAN, "distance_of_means": NAN, "kid": NAN}
    sets = generated[:count], real[:count]
    return {
        "count": count,
        "distance": frechet_distance(*sets),
        "distance_of_means": distance_of_means(*sets),
        "kid": kernel_distance(*sets),
    }


def _present(features: Array) -> Array:
    return np.asarray(features[np.isfinite(features).all(axis=1)])
