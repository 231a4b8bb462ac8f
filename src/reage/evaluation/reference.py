"""What the judges say of real faces: the yardstick beside every score."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from reage.data.pipeline import Faces
from reage.evaluation.judges import Judges, Verdicts
from reage.evaluation.protocol import Progress
from reage.evaluation.scores import verification_threshold

Array = NDArray[np.floating]
FALSE_MATCH_RATE = 1e-3
_CHUNK = 256


@dataclass(frozen=True)
class Reference:
    """Real faces and what the judges say of them.

    Attributes:
        faces: Real faces, held-out ones first.
        held_out: How many of them are held out.
        verdicts: The judges' on all of them.
        threshold: L2 distance of embeddings below which two faces count as one person.
    """

    faces: Faces
    held_out: int
    verdicts: Verdicts
    threshold: float

    def features_of(self, group: int) -> Array:
        """Features of all real faces of an age group, held-out ones first, (N, D)."""
        return np.asarray(self.verdicts.features[self.faces.groups == group])


def judge_reference(
    judges: Judges, faces: Faces, held_out: int, *, cache: Path | None, progress: Progress
) -> Reference:
    """Judges real faces, or takes the verdicts of an earlier time from `cache`.

    Args:
        judges: The judges.
        faces: Real faces; the first `held_out` of them were not trained on.
        held_out: See `Reference`.
        cache: Folder for verdicts; None keeps none.
        progress: Told after each chunk.
    """
    path = None
    if cache is not None:
        key = hashlib.sha256("\n".join(faces.files).encode()).hexdigest()[:16]
        size = faces.images.shape[1]
        path = cache / f"verdicts-{judges.digest}-{key}-{size}.npz"
    verdicts = _load(path) or _judge(judges, faces, progress)
    if path is not None and not path.exists():
        _save(path, verdicts)
    impostors = impostor_distances(verdicts.embeddings[:held_out])
    threshold = verification_threshold(impostors, FALSE_MATCH_RATE)
    return Reference(faces, held_out, verdicts, threshold)


def impostor_distances(embeddings: Array) -> Array:
    """L2 distances between all pairs of N embeddings (N, D) of different people, (N (N - 1) / 2,).

    UTKFace has hardly two photos of a person once near-duplicates are gone.
    """
    x = np.asarray(embeddings, np.float64)
    square = np.square(x).sum(axis=1)
    distances = square[:, None] + square[None] - 2 * x @ x.T
    upper = np.triu_indices(len(x), 1)
    return np.asarray(np.sqrt(np.clip(distances[upper], 0, None)))


def _judge(judges: Judges, faces: Faces, progress: Progress) -> Verdicts:
    count, parts = len(faces.ages), []
    for start in range(0, count, _CHUNK):
        progress("real faces", start, count)
        parts.append(judges(faces.images[start : start + _CHUNK]))
    progress("real faces", count, count)
    return Verdicts(
        ages=np.concatenate([part.ages for part in parts]),
        sexes=np.concatenate([part.sexes for part in parts]),
        embeddings=np.concatenate([part.embeddings for part in parts]),
        features=np.concatenate([part.features for part in parts]),
    )


def _load(path: Path | None) -> Verdicts | None:
    if path is None or not path.exists():
        return None
    with np.load(path, allow_pickle=False) as archive:
        return Verdicts(**{name: archive[name] for name in archive.files})


def _save(path: Path, verdicts: Verdicts) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    with temporary.open("wb") as file:
        np.savez(
            file,
            ages=verdicts.ages,
            sexes=verdicts.sexes,
            embeddings=verdicts.embeddings,
            features=verdicts.features,
        )
    temporary.replace(path)
