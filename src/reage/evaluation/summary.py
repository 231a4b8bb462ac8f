"""From measurements to the figures of a report: plain dictionaries, ready for JSON."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from reage.ages import GROUP_CENTERS
from reage.data.pipeline import Faces
from reage.data.utkface import ETHNICITIES, SEXES
from reage.evaluation.frechet import frechet_distance, kernel_distance
from reage.evaluation.judges import AGE_JUDGES
from reage.evaluation.protocol import Measurements, group_name
from reage.evaluation.reference import Reference
from reage.evaluation.scores import score_ages, spearman, verification_rate

Array = NDArray[np.floating]

PRIMARY: Final = "age_v1 + faceres"
"""The primary age judge: the mean of the two that never saw UTKFace."""
HEADLINE_GROUPS: Final = (0, 1, 3, 5, 7, 9, 10, 11)
LIMIT: Final = 450
MAX_VERIFIED_GAP: Final = 30
MIN_TARGET, MAX_TARGET = 2, 81
MIN_RHO: Final = 0.9


def summarise(measured: Measurements, faces: Faces, reference: Reference) -> dict[str, Any]:
    """All figures of one system.

    Args:
        measured: What was measured on it.
        faces: The N held-out faces that were aged.
        reference: Real faces; its threshold tells people apart.
    """
    judged = primary_ages(np.stack([v.ages for v in measured.first], axis=1))
    source = reference_rows(reference, faces)
    by_target = [
        _target_figures(measured, faces, reference, column, source)
        for column in range(len(measured.targets))
    ]
    return {
        "system": measured.system,
        "faces": len(faces.ages),
        "failures": int((~measured.present).sum()),
        "by_target": by_target,
        "overall": _overall(measured, faces, reference, judged, by_target, source),
        "by_sex": _by_label(judged, measured.targets, faces.sexes, SEXES),
        "by_ethnicity": _by_label(judged, measured.targets, faces.ethnicities, ETHNICITIES),
        "by_sex_and_ethnicity": _by_both(judged, measured.targets, faces),
    }


def primary_ages(ages: Array) -> Array:
    """The primary judge's ages (...) of all judges' (..., 3)."""
    return np.asarray(ages[..., :2].mean(axis=-1))


def reference_rows(reference: Reference, faces: Faces) -> NDArray[np.int64]:
    """Where each face lies among the reference faces."""
    place = {file: row for row, file in enumerate(reference.faces.files)}
    return np.array([place[file] for file in faces.files])


def real_errors(reference: Reference) -> list[dict[str, Any]]:
    """Each judge's own error on real held-out faces, by age group."""
    rows = []
    groups = reference.faces.groups[: reference.held_out]
    truth = reference.faces.ages[: reference.held_out].astype(np.float64)
    ages = reference.verdicts.ages[: reference.held_out]
    judges = dict(zip(AGE_JUDGES, ages.T, strict=True)) | {PRIMARY: primary_ages(ages)}
    for index, center in enumerate(GROUP_CENTERS):
        inside = groups == index
        scores = {
            name: asdict(score_ages(judged[inside], truth[inside]))
            for name, judged in judges.items()
            if inside.any()
        }
        rows.append({"group": group_name(center), "faces": int(inside.sum()), "judges": scores})
    return rows


def real_distances(reference: Reference) -> list[dict[str, Any]]:
    """Frechet and kernel distance between two halves of the real faces of each group."""
    rows = []
    for index, center in enumerate(GROUP_CENTERS):
        features = reference.features_of(index)
        shuffled = np.random.default_rng(0).permutation(len(features))
        count = min(LIMIT, len(features) // 2)
        halves = features[shuffled[:count]], features[shuffled[count : 2 * count]]
        row: dict[str, Any] = {"group": group_name(center), "count": count}
        if count > 1:
            row |= {"distance": frechet_distance(*halves), "kid": kernel_distance(*halves)}
        rows.append(row)
    return rows


def _target_figures(
    measured: Measurements,
    faces: Faces,
    reference: Reference,
    column: int,
    source: NDArray[np.int64],
) -> dict[str, Any]:
    target, verdicts = float(measured.targets[column]), measured.first[column]
    group = GROUP_CENTERS.index(target)
    goals = np.full(len(faces.ages), target)
    judges = dict(zip(AGE_JUDGES, verdicts.ages.T, strict=True))
    judges[PRIMARY] = primary_ages(verdicts.ages)
    apart = _apart(verdicts.embeddings, reference, source)
    near = np.abs(faces.ages - target) <= MAX_VERIFIED_GAP
    row: dict[str, Any] = {
        "group": group_name(target),
        "target": target,
        "mean_judged_age": _mean(judges[PRIMARY]),
        "age": {name: asdict(score_ages(judged, goals)) for name, judged in judges.items()},
        "verified": verification_rate(apart, reference.threshold),
        "verified_near": verification_rate(apart[near], reference.threshold),
        "mean_embedding_distance": _mean(apart),
        "outside_change": float(np.mean(measured.outside_change[:, column])),
        "first_pass": _distances(verdicts.features, reference.features_of(group)),
    }
    if measured.second:
        inputs = reference.verdicts.features[source]
        row |= {
            "second_pass": _distances(measured.second[column].features, inputs),
            "cycle_l1": float(measured.cycle_change[:, column].mean()),
            "cycle_psnr": float(measured.cycle_psnr[:, column].mean()),
        }
    return row


def _overall(
    measured: Measurements,
    faces: Faces,
    reference: Reference,
    judged: Array,
    by_target: list[dict[str, Any]],
    source: NDArray[np.int64],
) -> dict[str, Any]:
    inside = (measured.targets >= MIN_TARGET) & (measured.targets <= MAX_TARGET)
    goals = np.broadcast_to(measured.targets, judged.shape)
    rho = spearman(judged, measured.targets)
    sexes = np.stack([v.sexes for v in measured.first], axis=1)
    same_sex = (sexes > 0.5) == (reference.verdicts.sexes[source] > 0.5)[:, None]
    headline = [by_target[g]["first_pass"]["distance"] for g in HEADLINE_GROUPS]
    apart = np.stack([_apart(v.embeddings, reference, source) for v in measured.first], axis=1)
    gaps = np.abs(faces.ages[:, None] - measured.targets[None])
    figures: dict[str, Any] = {
        "headline_distance": float(np.mean(headline)),
        "pooled_first_pass": _pooled(measured, reference),
        "age": asdict(score_ages(judged.ravel(), goals.ravel())),
        "age_5_to_80": asdict(score_ages(judged[:, inside].ravel(), goals[:, inside].ravel())),
        "mean_spearman": float(rho.mean()),
        "share_spearman_above_0.9": float((rho >= MIN_RHO).mean()),
        "verified_by_gap": {
            f"{low}-{high}": verification_rate(
                apart[(gaps >= low) & (gaps < high)], reference.threshold
            )
            for low, high in ((0, 10), (10, 20), (20, 30), (30, 50), (50, 120))
        },
        "verified_to_30_years": verification_rate(
            apart[gaps <= MAX_VERIFIED_GAP], reference.threshold
        ),
        "sex_kept": float(same_sex.mean()),
        "self_change": float(measured.self_change.mean()),
        "outside_change": float(measured.outside_change.mean()),
    }
    if measured.second:
        second = np.concatenate([v.features for v in measured.second])
        inputs = np.tile(reference.verdicts.features[source], (len(measured.second), 1))
        finite = np.where(np.isfinite(measured.cycle_psnr), measured.cycle_psnr, 99.0)
        figures |= {
            "pooled_second_pass": _distances(second, inputs, limit=len(inputs)),
            "cycle_l1": float(measured.cycle_change.mean()),
            "cycle_psnr": float(finite.mean()),
        }
    return figures


def _pooled(measured: Measurements, reference: Reference) -> dict[str, Any]:
    """Distances over all targets at once, each with as many real faces as generated ones."""
    generated, real = [], []
    for target, verdicts in zip(measured.targets, measured.first, strict=True):
        of_group = reference.features_of(GROUP_CENTERS.index(float(target)))[:LIMIT]
        there = verdicts.features[np.isfinite(verdicts.features).all(axis=1)]
        count = min(len(of_group), len(there))
        generated.append(there[:count])
        real.append(of_group[:count])
    return _distances(np.concatenate(generated), np.concatenate(real), limit=LIMIT * len(real))


def _distances(generated: Array, real: Array, *, limit: int = LIMIT) -> dict[str, Any]:
    """Both distances between equally many generated and real features, at most `limit`."""
    generated = generated[np.isfinite(generated).all(axis=1)]
    count = min(limit, len(generated), len(real))
    if count < 2:
        return {"count": count, "distance": float("nan"), "kid": float("nan")}
    return {
        "count": count,
        "distance": frechet_distance(generated[:count], real[:count]),
        "kid": kernel_distance(generated[:count], real[:count]),
    }


def _mean(values: Array) -> float:
    """The mean of those that are there."""
    there = values[np.isfinite(values)]
    return float(there.mean()) if len(there) else float("nan")


def _apart(embeddings: Array, reference: Reference, source: NDArray[np.int64]) -> Array:
    """L2 distance of each result's embedding from its own input's, (N,)."""
    return np.asarray(
        np.linalg.norm(embeddings - reference.verdicts.embeddings[source], axis=1), np.float64
    )


def _by_label(
    judged: Array, targets: Array, labels: NDArray[np.int64], names: tuple[str, ...]
) -> dict[str, Any]:
    """Age scores over all targets of the faces of each label."""
    figures = {}
    for index, name in enumerate(names):
        rows = judged[labels == index]
        goals = np.broadcast_to(targets, rows.shape)
        if len(rows):
            figures[name] = asdict(score_ages(rows.ravel(), goals.ravel()))
    return figures


def _by_both(judged: Array, targets: Array, faces: Faces) -> dict[str, Any]:
    both = faces.sexes * len(ETHNICITIES) + faces.ethnicities
    both = np.where((faces.sexes < 0) | (faces.ethnicities < 0), -1, both)
    names = tuple(f"{sex}, {ethnicity}" for sex in SEXES for ethnicity in ETHNICITIES)
    return _by_label(judged, targets, both, names)
