"""Which faces are aged to what, and everything that is measured on the way."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reage.ages import AGE_GROUPS, GROUP_CENTERS, NUM_GROUPS
from reage.data.pipeline import Faces
from reage.evaluation.judges import Judge, Progress, Verdicts, judge_and_tell
from reage.evaluation.scores import mean_change, peak_signal_to_noise
from reage.evaluation.systems import AgingSystem, Images

Array = NDArray[np.floating]

# The ellipse that holds the face in UTKFace's framing, in units of the side.
_CENTER, _RADII = (0.49, 0.50), (0.42, 0.50)


@dataclass(frozen=True)
class Measurements:
    """What was measured on one system.

    Attributes:
        system: Its name.
        targets: (T,) target ages, years.
        first: For each target, the verdicts on N first-pass images.
        second: For each target, the verdicts on N images aged back; empty without second passes.
        present: (N, T) whether the system gave an image.
        back_present: (N, T) whether it gave an image of the second pass too.
        self_present: (N,) whether it gave an image where the target is the source age.
        cycle_change: (N, T) mean absolute difference of second pass and input, levels of 0..255.
        cycle_psnr: (N, T) dB.
        self_change: (N,) change where the target is the source age, levels.
        outside_change: (N, T) change outside the face, levels.

    Everything is NaN where there was no image to measure.
    """

    system: str
    targets: Array
    first: tuple[Verdicts, ...]
    second: tuple[Verdicts, ...]
    present: NDArray[np.bool_]
    back_present: NDArray[np.bool_]
    self_present: NDArray[np.bool_]
    cycle_change: Array
    cycle_psnr: Array
    self_change: Array
    outside_change: Array


def draw_faces(faces: Faces, count: int, seed: int = 0) -> NDArray[np.int64]:
    """Indices of at most `count` faces, as even over the age groups as they last, shuffled.

    The smallest groups give all they have and the rest is shared among the others.
    """
    return draw_rows(faces.groups, count, seed)


def draw_rows(groups: NDArray[np.int64], count: int, seed: int = 0) -> NDArray[np.int64]:
    """As `draw_faces`, of faces whose age groups are `groups`, (N,)."""
    rng = np.random.default_rng(seed)
    by_group = [rng.permutation(np.flatnonzero(groups == g)) for g in range(NUM_GROUPS)]
    quota = balanced_quotas([len(rows) for rows in by_group], count)
    picked = np.concatenate([rows[:n] for rows, n in zip(by_group, quota, strict=True)])
    return np.asarray(rng.permutation(picked), np.int64)


def balanced_quotas(available: list[int], count: int) -> list[int]:
    """How many of each group to take so that `count` are taken as evenly as they last."""
    quotas = [0] * len(available)
    left = min(count, sum(available))
    while left:
        open_groups = [i for i, n in enumerate(available) if quotas[i] < n]
        for index in open_groups[:left] if left < len(open_groups) else open_groups:
            quotas[index] += 1
        left = min(count, sum(available)) - sum(quotas)
    return quotas


def measure(
    system: AgingSystem,
    faces: Faces,
    judges: Judge,
    *,
    targets: tuple[float, ...] = GROUP_CENTERS,
    progress: Progress,
) -> Measurements:
    """Ages every face to every target age, and back where the system can, and judges the results.

    Args:
        system: What to score.
        faces: N held-out faces.
        judges: The judges.
        targets: T target ages in years.
        progress: Told after each chunk of images.
    """
    shape = (len(faces.ages), len(targets))
    present, back_present = np.zeros(shape, bool), np.zeros(shape, bool)
    cycle, psnr, outside = (np.full(shape, np.nan) for _ in range(3))
    first, second = [], []
    total = shape[0] * shape[1] * (2 if system.second_pass else 1)
    judge = judge_and_tell(judges, system.name, total, progress)
    for column, target in enumerate(targets):
        aged, there = system(faces.images, np.full(shape[0], target))
        present[:, column] = there
        first.append(_without_failures(judge(aged), there))
        outside[there, column] = _outside_change(faces.images, aged)[there]
        if system.second_pass:
            back, returned = system(aged, faces.ages)
            both = there & returned
            back_present[:, column] = both
            second.append(_without_failures(judge(back), both))
            cycle[both, column] = mean_change(faces.images, back)[both]
            psnr[both, column] = peak_signal_to_noise(faces.images, back)[both]
    itself, self_present = system(faces.images, faces.ages)
    return Measurements(
        system=system.name,
        targets=np.asarray(targets),
        first=tuple(first),
        second=tuple(second),
        present=present,
        back_present=back_present,
        self_present=self_present,
        cycle_change=cycle,
        cycle_psnr=psnr,
        self_change=np.where(self_present, mean_change(faces.images, itself), np.nan),
        outside_change=outside,
    )


def group_name(target: float) -> str:
    """The name of the age group that has `target` as its center."""
    return AGE_GROUPS[GROUP_CENTERS.index(target)].name


def _without_failures(verdicts: Verdicts, present: NDArray[np.bool_]) -> Verdicts:
    """Verdicts with NaN where there was no image to judge."""

    def blank(values: Array) -> Array:
        values = np.array(values, np.float32)
        values[~present] = np.nan
        return values

    return Verdicts(
        ages=blank(verdicts.ages),
        sexes=blank(verdicts.sexes),
        embeddings=blank(verdicts.embeddings),
        features=blank(verdicts.features),
    )


def _outside_change(before: Images, after: Images) -> Array:
    side = before.shape[1]
    y, x = np.mgrid[:side, :side] / side
    outside = np.hypot((x - _CENTER[0]) / _RADII[0], (y - _CENTER[1]) / _RADII[1]) > 1
    difference = np.abs(before[:, outside].astype(np.float64) - after[:, outside])
    return np.asarray(difference.mean(axis=(1, 2)))
