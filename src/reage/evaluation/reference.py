"""What the judges say of real faces: the yardstick beside every score."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from reage.data.pipeline import Faces
from reage.evaluation.judges import Judges, Progress, Verdicts, judge_and_tell
from reage.evaluation.scores import verification_threshold
from reage.scratch import replacing

Array = NDArray[np.floating]
FALSE_MATCH_RATE = 1e-3
LIMIT = 450
"""Faces on each side of a Frechet distance, at most: distances compare at equal counts only."""
MIN_PAIRS = 10_000
"""Pairs of different people that a false match rate of one in a thousand can be seen in."""
USUAL_THRESHOLD = 0.416
"""What UTKFace's validation split gives, for sets with fewer pairs."""
_MIN_CANDIDATES = 60


@dataclass(frozen=True)
class Reference:
    """Real faces and what the judges say of them.

    Attributes:
        faces: Real faces, held-out ones first.
        held_out: How many of them are held out.
        verdicts: The judges' on all of them.
        threshold: L2 distance of embeddings below which two faces count as one person.
        limit: Faces on each side of a Frechet distance, at most.
    """

    faces: Faces
    held_out: int
    verdicts: Verdicts
    threshold: float
    limit: int = LIMIT

    def features_of(self, group: int) -> Array:
        """Features of all real faces of an age group, held-out ones first, (N, D)."""
        return np.asarray(self.verdicts.features[self.faces.groups == group])

    def features_by_source(self, group: int) -> tuple[Array, Array]:
        """As `features_of`, of the held-out faces and of those that were trained on."""
        of_group = self.faces.groups == group
        held_out = np.arange(len(of_group)) < self.held_out
        features = self.verdicts.features
        return np.asarray(features[of_group & held_out]), np.asarray(features[of_group & ~held_out])

    def features_without(self, group: int, files: Sequence[str]) -> Array:
        """As `features_of`, but for the faces of some files."""
        others = ~np.isin(self.faces.files, files)
        return np.asarray(self.verdicts.features[(self.faces.groups == group) & others])

    def sources_of(self, group: int) -> tuple[int, int]:
        """How many of the faces that stand for a group are held out, and how many trained on."""
        rows = np.flatnonzero(self.faces.groups == group)[: self.limit]
        return int((rows < self.held_out).sum()), int((rows >= self.held_out).sum())

    def candidates(self) -> NDArray[np.int64]:
        """Rows of training faces for the nearest real face.

        Those that do not stand for their group in a distance, unless these are too few: a face that
        is on both sides makes a distance too small.
        """
        chosen = []
        for group in np.unique(self.faces.groups):
            rows = np.flatnonzero(self.faces.groups == group)
            spare = rows[self.limit :][rows[self.limit :] >= self.held_out]
            chosen.append(spare if len(spare) >= _MIN_CANDIDATES else rows[rows >= self.held_out])
        return np.concatenate(chosen)


def judge_reference(
    judges: Judges,
    faces: Faces,
    held_out: int,
    *,
    cache: Path | None,
    progress: Progress,
    limit: int = LIMIT,
) -> Reference:
    """Judges real faces, or takes the verdicts of an earlier time from `cache`.

    Args:
        judges: The judges.
        faces: Real faces; the first `held_out` of them were not trained on.
        held_out: See `Reference`.
        cache: Folder for verdicts; None keeps none.
        progress: Told after each chunk.
        limit: See `Reference`.
    """
    path = cache_path(cache, judges, faces)
    verdicts = _load(path, len(faces.ages))
    if verdicts is None:
        judge = judge_and_tell(judges, "real faces", len(faces.ages), progress)
        verdicts = judge(faces.images)
        if path is not None:
            _save(path, verdicts)
    impostors = impostor_distances(verdicts.embeddings[:held_out])
    enough = len(impostors) >= MIN_PAIRS
    threshold = verification_threshold(impostors, FALSE_MATCH_RATE) if enough else USUAL_THRESHOLD
    return Reference(faces, held_out, verdicts, threshold, limit)


def cache_path(cache: Path | None, judges: Judges, faces: Faces) -> Path | None:
    """Where the verdicts on some faces are kept: other judges or pixels, another file."""
    if cache is None:
        return None
    pixels = hashlib.sha256(np.ascontiguousarray(faces.images).data).hexdigest()[:16]
    return cache / f"verdicts-{judges.digest}-{pixels}.npz"


def impostor_distances(embeddings: Array) -> Array:
    """L2 distances between all pairs of N embeddings (N, D) of different people, (N (N - 1) / 2,).

    UTKFace has hardly two photos of a person once near-duplicates are gone.
    """
    x = np.asarray(embeddings, np.float64)
    square = np.square(x).sum(axis=1)
    distances = square[:, None] + square[None] - 2 * x @ x.T
    upper = np.triu_indices(len(x), 1)
    return np.asarray(np.sqrt(np.clip(distances[upper], 0, None)))


def _load(path: Path | None, count: int) -> Verdicts | None:
    """The verdicts in a file; None where there is none, or a damaged one, to be made anew."""
    if path is None or not path.exists():
        return None
    try:
        with np.load(path, allow_pickle=False) as archive:
            verdicts = Verdicts(**{name: archive[name] for name in archive.files})
    except (OSError, ValueError, TypeError, EOFError, zipfile.BadZipFile):
        return None
    return verdicts if all(len(values) == count for values in vars(verdicts).values()) else None


def _save(path: Path, verdicts: Verdicts) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as temporary, temporary.open("wb") as file:
        np.savez(
            file,
            ages=verdicts.ages,
            sexes=verdicts.sexes,
            embeddings=verdicts.embeddings,
            features=verdicts.features,
        )
