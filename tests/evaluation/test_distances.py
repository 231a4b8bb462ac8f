from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from grey_faces import GreyJudges, as_asked, faces, silent

from reage.data.pipeline import join
from reage.evaluation.distances import (
    equal_distances,
    pooled_first_pass,
    pooled_second_pass,
    real_distances,
    to_target_group,
)
from reage.evaluation.frechet import frechet_distance, kernel_distance
from reage.evaluation.judges import Remembering, Verdicts
from reage.evaluation.protocol import measure
from reage.evaluation.reference import USUAL_THRESHOLD, Reference, judge_reference
from reage.evaluation.report import without_nan
from reage.evaluation.strength import STRENGTHS, strength_curve
from reage.evaluation.summary import summarise
from reage.evaluation.systems import ChangeModel, IdentityCopy


def verdicts(features: np.ndarray) -> Verdicts:
    count = len(features)
    return Verdicts(np.zeros((count, 3)), np.zeros(count), np.zeros((count, 2)), features)


def reference(ages: list[float], features: list[float], held_out: int, limit: int) -> Reference:
    return Reference(faces(ages), held_out, verdicts(np.float32(features)[:, None]), 1.0, limit)


def test_distances_take_equal_counts_and_leave_failures_out() -> None:
    generated = np.array([[1.0], [np.nan], [3.0], [8.0]])
    found = equal_distances(generated, np.array([[0.0], [2.0], [99.0]]), limit=2)
    # Of {1, 3} and {0, 2}: equal variances, means one apart.
    assert (found["count"], found["distance"]) == (2, pytest.approx(1.0))
    assert found["distance_of_means"] == pytest.approx(1.0)
    assert np.isnan(equal_distances(generated, np.zeros((1, 1)), limit=9)["distance"])


def test_faces_of_the_target_group_are_not_compared_with_it() -> None:
    real = reference([3.0] * 4, [0.0, 2.0, 4.0, 6.0], held_out=1, limit=2)
    some = faces([3.0, 50.0, 60.0])
    found = to_target_group(np.float32([[77], [1], [3]]), some, 0, real)
    assert (found["count"], found["distance"]) == (2, pytest.approx(1.0))
    assert found["distance_of_means"] == pytest.approx(1.0)
    assert found["copies_of_real"] == 0
    assert to_target_group(np.float32([[77], [0], [3]]), some, 0, real)["copies_of_real"] == 1


def test_floor_counts_and_sources_are_told() -> None:
    real = reference([3.0] * 5, [0.0, 2.0, 4.0, 6.0, 9.0], held_out=2, limit=3)
    row = real_distances(real)[0]
    assert (row["count"], row["reference_held_out"], row["reference_training"]) == (2, 2, 1)
    assert "distance" not in real_distances(real)[5]


def test_nearest_faces_do_not_stand_on_both_sides_where_there_are_enough() -> None:
    many = reference([3.0] * 70, [0.0] * 70, held_out=3, limit=5)
    assert many.candidates().tolist() == list(range(5, 70))
    few = reference([3.0] * 9, [0.0] * 9, held_out=3, limit=5)
    assert few.candidates().tolist() == list(range(3, 9))


def test_pooled_second_pass_takes_each_face_once() -> None:
    some = faces([2.0, 30.0, 45.0, 80.0])
    found = measure(as_asked, some, GreyJudges(), targets=(28.0, 65.5), progress=silent)
    pooled = pooled_second_pass(found, GreyJudges()(some.images).features)
    assert pooled["count"] == 4
    assert pooled["distance"] == pytest.approx(0.0, abs=1e-6)


def test_pooled_first_pass_takes_each_face_once_and_never_its_original() -> None:
    some = faces([2.0, 30.0, 28.0, 65.5])
    found = measure(IdentityCopy(), some, GreyJudges(), targets=(28.0, 65.5), progress=silent)
    passes = [[1.0, 77.0, 3.0, 78.0], [79.0, 5.0, 70.0, 76.0]]
    first = tuple(verdicts(np.float32(values)[:, None]) for values in passes)
    found = dataclasses.replace(found, first=first)
    # The drawn four first, then one more of the groups of both targets.
    others = faces([28.0, 65.5])
    together = dataclasses.replace(
        join(some, others), files=(*some.files, "other-28.png", "other-65.png")
    )
    real = Reference(together, 4, verdicts(np.float32([[91], [92], [93], [94], [0], [2]])), 1.0)
    pooled = pooled_first_pass(found, some, real)
    # To 28 go the faces 0 and 2, of which 2 is of that age already; to 65.5 go 1 and 3, likewise.
    assert pooled["count"] == 2
    # {1, 5} against {0, 2}: means 2 apart, standard deviations 2 sqrt(2) and sqrt(2).
    assert pooled["distance"] == pytest.approx(4.0 + 2.0, rel=1e-6)


def test_distances_to_held_out_faces_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    real = reference([3.0] * 5, [0.0, 2.0, 10.0, 14.0, 99.0], held_out=2, limit=450)
    some = faces([50.0, 60.0, 70.0])
    generated = np.float32([[1], [3], [5]])
    assert to_target_group(generated, some, 0, real)["held_out_count"] == 0
    monkeypatch.setattr("reage.evaluation.distances.MIN_HELD_OUT", 2)
    found = to_target_group(generated, some, 0, real)
    assert found["held_out_count"] == 2
    assert found["to_held_out"] == pytest.approx(1.0)
    # {1, 3} against {10, 14}: means 10 apart, standard deviations sqrt(2) and 2 sqrt(2).
    assert found["to_trained_on"] == pytest.approx(100.0 + 2.0, rel=1e-6)


def test_few_pairs_take_the_threshold_of_many() -> None:
    few = judge_reference(GreyJudges(), faces([30.0] * 30), 30, cache=None, progress=silent)
    assert few.threshold == USUAL_THRESHOLD
    one = judge_reference(GreyJudges(), faces([30.0]), 1, cache=None, progress=silent)
    assert one.threshold == USUAL_THRESHOLD
    many = judge_reference(GreyJudges(), faces([30.0] * 150), 150, cache=None, progress=silent)
    assert many.threshold != USUAL_THRESHOLD


def test_kernel_distance_by_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    a, b = np.random.default_rng(0).normal(size=(2, 11, 3))
    whole = kernel_distance(a, b)
    monkeypatch.setattr("reage.evaluation.frechet._CHUNK", 4)
    assert kernel_distance(a, b) == pytest.approx(whole, rel=1e-12)


def test_frechet_distance_is_the_same_by_either_way() -> None:
    """Few images take singular values, many take covariances; padding with zeros picks the way."""
    a, b = np.random.default_rng(0).normal(size=(2, 50, 4))
    padded = [np.pad(x, ((0, 0), (0, 60))) for x in (a, b)]
    assert frechet_distance(*padded) == pytest.approx(frechet_distance(a, b), rel=1e-9)


class CountingJudges(GreyJudges):
    def __init__(self) -> None:
        self.judged = 0

    def __call__(self, images: np.ndarray) -> Verdicts:
        self.judged += len(images)
        return super().__call__(images)


def test_known_images_are_not_judged_again() -> None:
    some, judges = faces([2.0, 30.0, 45.0]), CountingJudges()
    known = judge_reference(judges, some, 3, cache=None, progress=silent)
    remembering = Remembering(judges, some.images, known.verdicts)
    measure(IdentityCopy(), some, remembering, progress=silent)
    assert judges.judged == 3
    mixed = np.concatenate([some.images[2:], some.images[:1] + np.uint8(1)])
    found, expected = remembering(mixed), GreyJudges()(mixed)
    assert judges.judged == 4
    for name, values in vars(expected).items():
        np.testing.assert_array_equal(getattr(found, name), values)


@pytest.mark.parametrize("damage", [b"", b"PK no zip at all"])
def test_a_damaged_cache_is_made_anew(tmp_path: Path, damage: bytes) -> None:
    some = faces([2.0, 30.0, 45.0])
    first = judge_reference(GreyJudges(), some, 3, cache=tmp_path, progress=silent)
    (path,) = tmp_path.iterdir()
    path.write_bytes(damage)
    again = judge_reference(GreyJudges(), some, 3, cache=tmp_path, progress=silent)
    np.testing.assert_array_equal(again.verdicts.features, first.verdicts.features)
    with np.load(path) as kept:
        assert len(kept["features"]) == 3


def test_other_pixels_take_no_verdicts_from_the_cache(tmp_path: Path) -> None:
    some = faces([2.0, 30.0, 45.0])
    judge_reference(GreyJudges(), some, 3, cache=tmp_path, progress=silent)
    judges = CountingJudges()
    some.images[0] += 1
    judge_reference(judges, some, 3, cache=tmp_path, progress=silent)
    assert judges.judged == 3


class Failing:
    """Ages the first face only, and cannot age it back."""

    name, second_pass = "failing", True

    def __call__(self, images: np.ndarray, ages: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        there = np.arange(len(images)) == 0
        return images, there & (ages != 2.0)


def test_failures_count_as_nothing_but_failures() -> None:
    some = faces([2.0, 30.0, 45.0])
    known = judge_reference(GreyJudges(), some, 3, cache=None, progress=silent)
    measured = measure(Failing(), some, GreyJudges(), targets=(28.0, 65.5), progress=silent)
    summary = summarise(measured, some, known)
    assert (summary["failures"], summary["failures_second_pass"]) == (4, 6)
    assert summary["failures_at_own_age"] == 3
    overall = summary["overall"]
    # A failure kept neither sex nor person, and its copied pixels are no unchanged face.
    assert overall["sex_kept"] == pytest.approx(1 / 3)
    # The judge takes every face for a woman's, which the second one's label says, too.
    assert overall["sex_kept_if_judged_as_labelled"] == 0.0
    assert [row["sex_kept"] for row in summary["by_target"]] == [pytest.approx(1 / 3)] * 2
    assert overall["verified"] == pytest.approx(1 / 3)
    for name in ("self_change", "cycle_l1", "cycle_psnr"):
        assert np.isnan(overall[name])
    assert np.isnan(measured.outside_change[1:]).all()


def test_strengths_blend_from_nothing_to_all() -> None:
    def delta(images: np.ndarray, ages: np.ndarray) -> np.ndarray:
        aged, _ = as_asked(np.rint((images + 1) * 127.5).astype(np.uint8), ages)
        return aged / np.float32(127.5) - 1 - images

    some = faces([10.0, 50.0])
    known = judge_reference(GreyJudges(), some, 2, cache=None, progress=silent)
    system = ChangeModel("blend", some.images.shape[1], delta)
    curve = strength_curve(system, some, GreyJudges(), known, progress=silent)
    assert [row["strength"] for row in curve] == list(STRENGTHS)
    errors = [row["mean_absolute_error"] for row in curve]
    targets = np.array([2.5, 8, 18, 28, 45.5, 65.5, 75.5, 85.5])
    assert errors[0] == pytest.approx(np.abs(targets[:, None] - [10, 50]).mean())
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] <= 0.5


def test_json_knows_no_nan() -> None:
    report = {"a": [float("nan"), 1.0], "b": {"c": float("inf"), "d": "x"}}
    assert without_nan(report) == {"a": [None, 1.0], "b": {"c": None, "d": "x"}}
