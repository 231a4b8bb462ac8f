"""Which face of a frame is which face of the frame before."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from reage.faces.nms import overlap_with
from reage.faces.types import Face
from reage.inference.video.cuts import CutDetector

# Between two detections the mesh alone follows the faces: faster, and without the detector's jumps.
_DETECTION_INTERVAL: Final = 0.2
# How often a shot without faces is searched for tiny ones, and for such as lie on their side.
_THOROUGH_INTERVAL: Final = 1.0
# Frames lie a whole number of steps apart only up to rounding.
_ROUNDING: Final = 1e-6
# A lost face is taken up again where it was lost only if the mesh is sure.
_MIN_RETURN_SCORE: Final = 0.8
# A face that the mesh still sees may escape the detector this many times in a row.
_MAX_MISSES: Final = 5
FADE_IN_SECONDS: Final = 0.2
FADE_OUT_SECONDS: Final = 0.25
# The same face: boxes overlap, and landmarks lie near each other in units of the box's side.
_MIN_OVERLAP: Final = 0.3
_MAX_DISTANCE: Final = 0.35
# Two tracks that have met on one face.
_SAME_OVERLAP: Final = 0.5


class Finder(Protocol):
    """What a tracker needs: `reage.faces.finder.FaceFinder` is one."""

    def find(self, pixels: NDArray[np.uint8], *, quick: bool = False) -> list[Face]:
        """Finds the faces of a frame."""

    def follow(self, pixels: NDArray[np.uint8], face: Face) -> Face | None:
        """Finds a face of the frame before again."""


@dataclass
class Track:
    """One face through the frames of a shot.

    Attributes:
        identity: Unlike that of any other track of the video.
        face: The face where it was last seen, as it was found.
        weight: How much of the change to show: 0 (none) to 1, rising and falling over a few frames.
        visible: Whether it was found in the current frame.
        chosen: Whether it is one of the faces to age.
        jumped: Whether it was found anew in this frame, so that its past is no guide to its place.
        misses: Detections in a row that did not confirm it.
    """

    identity: int
    face: Face
    weight: float
    visible: bool = True
    chosen: bool = False
    jumped: bool = True
    misses: int = 0


class Tracker:
    """Follows the faces of a video from frame to frame."""

    def __init__(self, finder: Finder, *, limit: int | None = None) -> None:
        """Starts without any face.

        Args:
            finder: Finds and follows faces.
            limit: Choose at most so many faces at a time: the largest when a place is free. A face
                keeps its place until it is gone, whoever else comes near. None chooses all.
        """
        self._finder = finder
        self._limit = limit
        self._is_cut = CutDetector()
        self._identities = itertools.count(1)
        self._tracks: list[Track] = []
        self._seconds = -math.inf
        self._detected = -math.inf
        self._searched = -math.inf

    def update(self, pixels: NDArray[np.uint8], seconds: float) -> list[Track]:
        """Takes the next frame and returns the faces to age in it.

        Args:
            pixels: uint8 (H, W, 3), RGB, upright.
            seconds: When it is shown.

        Returns:
            The chosen tracks whose weight is above zero, largest face first. Those that are not
            visible are fading out where they were last seen.
        """
        step = max(seconds - self._seconds, 0.0)
        self._seconds = seconds
        new_shot = self._is_cut(pixels)
        if new_shot:
            self._tracks = []
        lost = self._follow(pixels)
        if new_shot or lost or seconds - self._detected >= _DETECTION_INTERVAL - _ROUNDING:
            quick = not new_shot and self._may_be_quick(seconds)
            self._detect(self._finder.find(pixels, quick=quick), 1.0 if new_shot else 0.0)
            self._detected = seconds
            self._searched = self._searched if quick else seconds
        self._fade(step)
        self._choose()
        return [track for track in self._tracks if track.chosen and track.weight > 0]

    def _follow(self, pixels: NDArray[np.uint8]) -> bool:
        """Finds the faces of the frame before again; returns whether one of them is lost."""
        lost = False
        for track in self._tracks:
            face = self._finder.follow(pixels, track.face)
            needed = 0.0 if track.visible else _MIN_RETURN_SCORE
            found = (
                face is not None
                and face.score >= needed
                and distance(face, track.face) <= 2 * _MAX_DISTANCE
            )
            lost |= track.visible and not found
            track.jumped = found and not track.visible
            track.visible = found
            if face is not None and found:
                track.face = face
        self._tracks = without_doubles(self._tracks)
        return lost

    def _may_be_quick(self, seconds: float) -> bool:
        """Whether to search upright only: where such faces are in view, or after a vain search."""
        visible = [track for track in self._tracks if track.visible]
        if visible:
            return all(is_upright(track.face) for track in visible)
        return seconds - self._searched < _THOROUGH_INTERVAL - _ROUNDING

    def _detect(self, faces: Sequence[Face], new_weight: float) -> None:
        """Confirms the tracks, takes up lost ones again, and begins new ones."""
        pairs = match([track.face for track in self._tracks], faces)
        for index, track in enumerate(self._tracks):
            if index in pairs:
                track.misses = 0
                if not track.visible:
                    track.face, track.visible, track.jumped = faces[pairs[index]], True, True
            elif track.visible:
                track.misses += 1
                track.visible = track.misses < _MAX_MISSES
        taken = set(pairs.values())
        self._tracks += [
            Track(next(self._identities), face, new_weight)
            for index, face in enumerate(faces)
            if index not in taken
        ]

    def _fade(self, step: float) -> None:
        """Moves weights towards one or zero; drops tracks that have faded out."""
        for track in self._tracks:
            change = step / FADE_IN_SECONDS if track.visible else -step / FADE_OUT_SECONDS
            track.weight = min(max(track.weight + change, 0.0), 1.0)
        self._tracks = [track for track in self._tracks if track.visible or track.weight > 0]

    def _choose(self) -> None:
        """Gives free places to the largest faces; a face that fades out has left its place."""
        self._tracks.sort(key=lambda track: -side_of(track.face))
        visible = [track for track in self._tracks if track.visible]
        places = len(visible) if self._limit is None else self._limit
        free = places - sum(track.chosen for track in visible)
        for track in [track for track in visible if not track.chosen][: max(free, 0)]:
            track.chosen = True


def match(old: Sequence[Face], new: Sequence[Face]) -> dict[int, int]:
    """Pairs faces of one frame with those of the next, the nearest pair first.

    Args:
        old: N faces.
        new: M faces.

    Returns:
        Index of an old face -> index of the new face that is the same one; each occurs once.
    """
    distances = {
        (row, column): distance(before, after)
        for row, before in enumerate(old)
        for column, after in enumerate(new)
        if overlap(before, after) >= _MIN_OVERLAP and distance(before, after) <= _MAX_DISTANCE
    }
    pairs: dict[int, int] = {}
    for row, column in sorted(distances, key=distances.__getitem__):
        if row not in pairs and column not in pairs.values():
            pairs[row] = column
    return pairs


def without_doubles(tracks: Sequence[Track]) -> list[Track]:
    """The tracks without those that lie on the face of an older one."""
    kept: list[Track] = []
    for track in sorted(tracks, key=lambda track: track.identity):
        if not any(
            other.visible and track.visible and overlap(track.face, other.face) > _SAME_OVERLAP
            for other in kept
        ):
            kept.append(track)
    return kept


def is_upright(face: Face) -> bool:
    """Whether a face is tilted by less than an eighth of a turn."""
    right, down = (face.landmarks[1] - face.landmarks[0]).tolist()
    return bool(right > abs(down))


def side_of(face: Face) -> float:
    """The longer side of a face's box, in pixels."""
    return float((face.box[2:] - face.box[:2]).max())


def distance(first: Face, second: Face) -> float:
    """The mean distance of two faces' landmarks, in units of the larger face's side."""
    apart = np.linalg.norm(first.landmarks - second.landmarks, axis=1).mean()
    return float(apart) / max(side_of(first), side_of(second), 1.0)


def overlap(first: Face, second: Face) -> float:
    """Intersection over union of two faces' boxes."""
    return float(overlap_with(first.box, second.box[None])[0])
