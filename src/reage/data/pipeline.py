"""Faces in memory, and training batches that are a pure function of seed and step.

A batch that depends on nothing but `(seed, step)` makes resuming exact and stateless: there is no
iterator to save.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from reage.ages import AGE_GROUPS, GROUP_CENTERS, NUM_GROUPS, group_index, soft_code
from reage.data.record_reader import read_split
from reage.data.tfrecords import FaceRecord
from reage.errors import DataError

Batch = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class Faces:
    """One split, decoded.

    Attributes:
        images: (N, S, S, 3) uint8, RGB.
        ages: (N,) float32, years.
        sexes: (N,) int64, 0 male, 1 female, -1 unknown.
        ethnicities: (N,) int64, UTKFace's 0..4, -1 unknown.
        files: (N,) file names.
    """

    images: NDArray[np.uint8]
    ages: NDArray[np.float32]
    sexes: NDArray[np.int64]
    ethnicities: NDArray[np.int64]
    files: tuple[str, ...]

    @property
    def groups(self) -> NDArray[np.int64]:
        """(N,) age group indices, 0..13."""
        return group_index(self.ages)


@dataclass(frozen=True)
class Sampling:
    """How training faces and target ages are drawn.

    Attributes:
        power: An age group is drawn with probability proportional to its size to this power: 1 is
            the data's own distribution, 0 is uniform over the groups.
        self_fraction: Share of faces whose target age is their own age.
        wrong_gap: Least distance in groups between a face's age and its deliberately wrong label.
    """

    power: float = 0.3
    self_fraction: float = 0.1
    wrong_gap: int = 2


def load_faces(prepared: Path, split: str, image_size: int) -> Faces:
    """Decodes a split of a prepared data set to `image_size` pixels, area-averaged.

    Raises:
        DataError: If the folder holds no such split, or no face in it.
    """
    records = read_split(prepared, split)
    if not records:
        raise DataError(prepared, f"holds no {split} faces", "prepare more faces, of more ages")
    return decode_faces(records, image_size)


def decode_faces(records: Sequence[FaceRecord], image_size: int) -> Faces:
    """Decodes records, if any, to `image_size` pixels, area-averaged."""

    def decode(data: bytes) -> NDArray[np.uint8]:
        bgr = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
        small = cv2.resize(bgr, (image_size, image_size), interpolation=cv2.INTER_AREA)
        return np.asarray(cv2.cvtColor(small, cv2.COLOR_BGR2RGB), np.uint8)

    with ThreadPoolExecutor() as pool:
        images = list(pool.map(decode, (record.image for record in records)))
    return Faces(
        images=np.stack(images) if images else np.zeros((0, image_size, image_size, 3), np.uint8),
        ages=np.array([record.age for record in records], np.float32),
        sexes=np.array([record.sex for record in records], np.int64),
        ethnicities=np.array([record.ethnicity for record in records], np.int64),
        files=tuple(record.file for record in records),
    )


def take(faces: Faces, rows: NDArray[np.int64]) -> Faces:
    """The faces of some rows."""
    return Faces(
        images=faces.images[rows],
        ages=faces.ages[rows],
        sexes=faces.sexes[rows],
        ethnicities=faces.ethnicities[rows],
        files=tuple(faces.files[row] for row in rows),
    )


def join(first: Faces, second: Faces) -> Faces:
    """All faces of two sets."""
    return Faces(
        images=np.concatenate([first.images, second.images]),
        ages=np.concatenate([first.ages, second.ages]),
        sexes=np.concatenate([first.sexes, second.sexes]),
        ethnicities=np.concatenate([first.ethnicities, second.ethnicities]),
        files=first.files + second.files,
    )


def group_probabilities(groups: NDArray[np.int64], power: float) -> NDArray[np.float64]:
    """Probability of drawing each group, (14,): its count to the `power`; empty groups get 0."""
    counts = np.bincount(groups, minlength=NUM_GROUPS).astype(np.float64)
    weights = np.where(counts > 0, np.power(np.maximum(counts, 1.0), power), 0.0)
    return np.asarray(weights / weights.sum())


def training_batch(
    faces: Faces, step: int, *, batch_size: int, seed: int, sampling: Sampling
) -> Batch:
    """Draws the batch of one training step.

    Returns:
        `image` (B, S, S, 3) float32 RGB in [-1, 1], half of them mirrored; `source_group` (B,)
        int64; `sex` and `ethnicity` (B,) int64, -1 where unknown; `source_code`, `target_code`,
        `wrong_code` (B, 14) float32 soft age codes; `is_self` (B,) float32, 1 where the target is
        the face's own age.
    """
    rng = np.random.default_rng([seed, step])
    groups = faces.groups
    per_group = group_probabilities(groups, sampling.power)
    counts = np.bincount(groups, minlength=NUM_GROUPS)
    per_face = per_group[groups] / counts[groups]
    picked = rng.choice(len(groups), batch_size, p=per_face)
    images = faces.images[picked]
    mirrored = rng.random(batch_size) < 0.5
    images = np.where(mirrored[:, None, None, None], images[:, :, ::-1], images)
    is_self = rng.random(batch_size) < sampling.self_fraction
    source_ages = faces.ages[picked].astype(np.float64)
    target_ages = np.where(is_self, source_ages, _draw_ages(rng, per_group, batch_size))
    wrong_groups = _draw_wrong_groups(rng, groups[picked], sampling.wrong_gap)
    return {
        "image": images.astype(np.float32) / 127.5 - 1.0,
        "source_group": groups[picked],
        "sex": faces.sexes[picked],
        "ethnicity": faces.ethnicities[picked],
        "source_code": soft_code(source_ages),
        "target_code": soft_code(target_ages),
        "wrong_code": soft_code(np.asarray(GROUP_CENTERS)[wrong_groups]),
        "is_self": is_self.astype(np.float32),
    }


def training_batches(
    faces: Faces, start_step: int, *, batch_size: int, seed: int, sampling: Sampling
) -> Iterator[Batch]:
    """Yields the batches of steps `start_step`, `start_step + 1`, ... without end."""
    step = start_step
    while True:
        yield training_batch(faces, step, batch_size=batch_size, seed=seed, sampling=sampling)
        step += 1


def as_dataset(batches: Iterator[Batch]) -> Any:
    """Wraps an endless iterator of batches in a prefetching `tf.data.Dataset`."""
    import tensorflow as tf

    first = next(batches)
    signature = {
        key: tf.TensorSpec(value.shape, tf.as_dtype(value.dtype)) for key, value in first.items()
    }

    def generate() -> Iterator[Batch]:
        yield first
        yield from batches

    return tf.data.Dataset.from_generator(generate, output_signature=signature).prefetch(2)


def _draw_ages(
    rng: np.random.Generator, per_group: NDArray[np.float64], count: int
) -> NDArray[np.float64]:
    groups = rng.choice(NUM_GROUPS, count, p=per_group)
    lows = np.array([group.low for group in AGE_GROUPS])[groups]
    highs = np.array([group.high for group in AGE_GROUPS])[groups]
    return np.asarray(lows + rng.random(count) * (highs - lows))


def _draw_wrong_groups(
    rng: np.random.Generator, groups: NDArray[np.int64], gap: int
) -> NDArray[np.int64]:
    distance = np.abs(np.arange(NUM_GROUPS)[None] - groups[:, None])
    scores = np.where(distance >= gap, rng.random(distance.shape), -1.0)
    return np.asarray(scores.argmax(axis=1))
