"""From measurements to the figures of a report: plain dictionaries, ready for JSON."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from reage.ages import GROUP_CENTERS
from reage.data.pipeline import Faces
from reage.data.utkface import ETHNICITIES, SEXES
from reage.evaluation.distances import (
    HEADLINE_GROUPS,
    equal_distances,
    pooled_first_pass,
    pooled_second_pass,
    to_target_group,
)
from reage.evaluation.judges import AGE_JUDGES
from reage.evaluation.protocol import Measurements, group_name
from reage.evaluation.reference import Reference
from reage.evaluation.scores import score_ages, spearman, verification_rate

Array = NDArray[np.floating]

PRIMARY: Final = "age_v1 + faceres"
"""The primary age judge: the mean of the two that never saw UTKFace."""
MAX_VERIFIED_GAP: Final = 30
MIN_TARGET, MAX_TARGET = 2, 81
GAPS: Final = ((0, 10), (10, 20), (20, 30), (30, 50), (50, 120))
MAX_PSNR: Final = 99.0
"""What equal images count as in a mean, dB."""
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
    apart = np.stack([_apart(v.embeddings, reference, source) for v in measured.first], axis=1)
    same = apart < reference.threshold
    by_target = [
        _target_figures(measured, faces, reference, column, source)
        for column in range(len(measured.targets))
    ]
    return {
        "system": measured.system,
        "faces": len(faces.ages),
        "failures": int((~measured.present).sum()),
        "failures_second_pass": int((~measured.back_present).sum()) if measured.second else 0,
        "failures_at_own_age": int((~measured.self_present).sum()),
        "by_target": by_target,
        "overall": _overall(measured, faces, reference, judged, by_target, source),
        "by_gap": _by_gap(measured, faces, apart, same),
        "by_sex": _by_label(judged, same, measured.targets, faces.sexes, SEXES),
        "by_ethnicity": _by_label(judged, same, measured.targets, faces.ethnicities, ETHNICITIES),
        "by_sex_and_ethnicity": _by_both(judged, same, measured.targets, faces),
    }


def primary_ages(ages: Array) -> Array:
    """The primary judge's ages (...) of all judges' (..., 3)."""
    return np.asarray(ages[..., :2].mean(axis=-1))


def reference_rows(reference: Reference, faces: Faces) -> NDArray[np.int64]:
    """Where each face lies among the reference faces."""
    place = {file: row for row, file in enumerate(reference.faces.files)}
    return np.array([place[file] for file in faces.files])


def sex_as_labelled(sexes: Array, faces: Faces) -> NDArray[np.bool_]:
    """(N,) whether a judge's verdicts on N faces are their labels; never where there is none."""
    return np.asarray((sexes > 0.5) == (faces.sexes == SEXES.index("male"))) & (faces.sexes >= 0)


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
        "mean_cosine": _mean(_cosine(verdicts.embeddings, reference, source)),
        "sex_kept": float(_same_sex(verdicts.sexes, reference, source).mean()),
        "failures": int((~measured.present[:, column]).sum()),
        "outside_change": _mean(measured.outside_change[:, column]),
        "first_pass": to_target_group(verdicts.features, faces, group, reference),
    }
    if measured.second:
        inputs = reference.verdicts.features[source]
        row |= {
            "second_pass": equal_distances(
                measured.second[column].features,
                inputs[np.isfinite(measured.second[column].features).all(axis=1)],
                limit=reference.limit,
            ),
            "cycle_l1": _mean(measured.cycle_change[:, column]),
            "cycle_psnr": _mean(_capped(measured.cycle_psnr[:, column])),
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
    same_sex = np.stack([_same_sex(v.sexes, reference, source) for v in measured.first], axis=1)
    right = sex_as_labelled(reference.verdicts.sexes[source], faces)
    headline = [
        row["first_pass"]["distance"]
        for row in by_target
        if GROUP_CENTERS.index(row["target"]) in HEADLINE_GROUPS
    ]
    apart = np.stack([_apart(v.embeddings, reference, source) for v in measured.first], axis=1)
    near = np.abs(faces.ages[:, None] - measured.targets[None]) <= MAX_VERIFIED_GAP
    figures: dict[str, Any] = {
        "headline_distance": float(np.mean(headline)) if headline else float("nan"),
        "pooled_first_pass": pooled_first_pass(measured, faces, reference),
        "age": asdict(score_ages(judged.ravel(), goals.ravel())),
        "age_5_to_80": asdict(score_ages(judged[:, inside].ravel(), goals[:, inside].ravel())),
        "mean_spearman": float(rho.mean()),
        "share_spearman_above_0.9": float((rho >= MIN_RHO).mean()),
        "verified": verification_rate(apart.ravel(), reference.threshold),
        "verified_to_30_years": verification_rate(apart[near], reference.threshold),
        "mean_embedding_distance": _mean(apart),
        "sex_kept": float(same_sex.mean()),
        "sex_kept_if_judged_as_labelled": _mean(same_sex[right].astype(np.float64)),
        "self_change": _mean(measured.self_change),
        "outside_change": _mean(measured.outside_change),
    }
    if measured.second:
        figures |= {
            "pooled_second_pass": pooled_second_pass(measured, reference.verdicts.features[source]),
            "cycle_l1": _mean(measured.cycle_change),
            "cycle_psnr": _mean(_capped(measured.cycle_psnr)),
        }
    return figures


def _same_sex(sexes: Array, reference: Reference, source: NDArray[np.int64]) -> NDArray[np.bool_]:
    """(N,) whether results are judged of their source's sex; a failure keeps none."""
    before = reference.verdicts.sexes[source]
    return np.asarray((sexes > 0.5) == (before > 0.5)) & np.isfinite(sexes)


def _by_gap(
    measured: Measurements, faces: Faces, apart: Array, same: NDArray[np.bool_]
) -> list[dict[str, Any]]:
    """Identity by the years between the source and the target age."""
    gaps = np.abs(faces.ages[:, None] - measured.targets[None])
    rows = []
    for low, high in GAPS:
        inside = (gaps >= low) & (gaps < high)
        rows.append(
            {
                "years": f"{low}-{high}",
                "count": int(inside.sum()),
                "verified": float(same[inside].mean()) if inside.any() else float("nan"),
                "mean_embedding_distance": _mean(apart[inside]),
            }
        )
    return rows


def _mean(values: Array) -> float:
    """The mean of those that are there."""
    there = values[np.isfinite(values)]
    return float(there.mean()) if len(there) else float("nan")


def _apart(embeddings: Array, reference: Reference, source: NDArray[np.int64]) -> Array:
    """L2 distance of each result's embedding from its own input's, (N,)."""
    return np.asarray(
        np.linalg.norm(embeddings - reference.verdicts.embeddings[source], axis=1), np.float64
    )


def _cosine(embeddings: Array, reference: Reference, source: NDArray[np.int64]) -> Array:
    """Cosine of each result's embedding with its own input's, (N,)."""
    before = reference.verdicts.embeddings[source]
    lengths = np.linalg.norm(embeddings, axis=1) * np.linalg.norm(before, axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray((embeddings * before).sum(axis=1) / lengths, np.float64)


def _capped(psnr: Array) -> Array:
    return np.minimum(psnr, MAX_PSNR)


def _by_label(
    judged: Array,
    same: NDArray[np.bool_],
    targets: Array,
    labels: NDArray[np.int64],
    names: tuple[str, ...],
) -> dict[str, Any]:
    """Age scores and verification over all targets of the faces of each label."""
    figures = {}
    for index, name in enumerate(names):
        mine = labels == index
        if mine.any():
            rows = judged[mine]
            goals = np.broadcast_to(targets, rows.shape)
            figures[name] = {
                "faces": int(mine.sum()),
                **asdict(score_ages(rows.ravel(), goals.ravel())),
                "verified": float(same[mine].mean()),
            }
    return figures


def _by_both(
    judged: Array, same: NDArray[np.bool_], targets: Array, faces: Faces
) -> dict[str, Any]:
    both = faces.sexes * len(ETHNICITIES) + faces.ethnicities
    both = np.where((faces.sexes < 0) | (faces.ethnicities < 0), -1, both)
    names = tuple(f"{sex}, {ethnicity}" for sex in SEXES for ethnicity in ETHNICITIES)
    return _by_label(judged, same, targets, both, names)
