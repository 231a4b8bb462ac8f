"""The video ager: what to add to each frame so that its faces age without flicker."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from reage.ages import check_age
from reage.faces.align import bounds_of, invert
from reage.inference.ager import Change, FaceAger, FaceChoice, face_limit
from reage.inference.patches import (
    MaskChoice,
    check_mask,
    check_model,
    make_patch,
    make_skin_patch,
)
from reage.inference.results import FacePatch, paste_faces
from reage.inference.video.smoothing import (
    DELTA_TIME_CONSTANT,
    ExponentialAverage,
    FaceSmoother,
)
from reage.inference.video.tracking import Track, Tracker

_NOTHING: Final = 1e-3
# Masks of one side can be averaged over time while the face grows and shrinks.
_SKIN_MASK_SIDE: Final = 256


@dataclass(frozen=True, eq=False)
class FaceChange:
    """What happens to one face of one frame.

    Attributes:
        identity: The track that the face belongs to.
        patch: Where it lies, in pixels of the upright frame.
        values: float32 (S, S, 3 or 5), see `reage.faces.change`; fading included.
    """

    identity: int
    patch: FacePatch
    values: NDArray[np.float32]


@dataclass
class _Appearance:
    """What is remembered of a track from frame to frame."""

    place: FaceSmoother = field(default_factory=FaceSmoother)
    average: ExponentialAverage = field(
        default_factory=lambda: ExponentialAverage(DELTA_TIME_CONSTANT)
    )
    skin: ExponentialAverage = field(
        default_factory=lambda: ExponentialAverage(DELTA_TIME_CONSTANT)
    )
    patch: FacePatch | None = None
    change: NDArray[np.float32] | None = None


class VideoAger:
    """Ages the faces of frames that follow one another.

    Attributes:
        to: The target age in years.
        faces_seen: How many different tracks have been aged so far.
    """

    def __init__(
        self,
        ager: FaceAger,
        to: float,
        *,
        faces: FaceChoice = "all",
        strength: float = 1.0,
        source_age: float | None = None,
        mask: MaskChoice = "face",
        smooth: bool = True,
    ) -> None:
        """Starts before the first frame; the arguments are those of `FaceAger.age`.

        Args:
            ager: The models to use.
            to: The target age in years.
            faces: Which faces to age; a number counts the largest.
            strength: How much of the change to apply, 0..1.
            source_age: The true age in years, where it is known.
            mask: What of a face may change; see `FaceAger.age`.
            smooth: Whether to smooth landmarks and changes; without, each frame stands alone.

        Raises:
            AgeRangeError: If an age lies outside the range of the model.
            UsageError: If `faces`, `strength` or `mask` cannot be meant.
        """
        self._model = ager.model
        self.to = check_age(to)
        self._change = Change(strength, source_age)
        self._tracker = Tracker(ager.finder, limit=face_limit(faces))
        self._mask = check_model(check_mask(mask), ager.model)
        self._smooth = smooth
        self._known: dict[int, _Appearance] = {}
        self._seen: set[int] = set()

    @property
    def faces_seen(self) -> int:
        """How many different tracks have been aged so far."""
        return len(self._seen)

    def __call__(self, pixels: NDArray[np.uint8], seconds: float) -> list[FaceChange]:
        """Takes the next frame, uint8 (H, W, 3), RGB, upright, shown at `seconds`."""
        tracks = self._tracker.update(pixels, seconds)
        self._known = {
            track.identity: self._known.get(track.identity, _Appearance()) for track in tracks
        }
        self._seen |= self._known.keys()
        visible = [track for track in tracks if track.visible]
        for track in visible:
            self._place(track, pixels, seconds)
        self._age(visible, pixels, seconds)
        return [
            FaceChange(track.identity, seen.patch, seen.change * np.float32(ease(track.weight)))
            for track, seen in ((track, self._known[track.identity]) for track in tracks)
            if seen.patch is not None and seen.change is not None
        ]

    def _place(self, track: Track, pixels: NDArray[np.uint8], seconds: float) -> None:
        """Smooths where a track lies, and what of it is skin."""
        seen = self._known[track.identity]
        if track.jumped:
            seen.place = FaceSmoother()
        face = seen.place(track.face, seconds) if self._smooth else track.face
        size = self._model.image_size
        if self._mask != "skin":
            seen.patch = make_patch(face, size, keeps_shape=self._mask != "shape")
            return
        patch = make_skin_patch(face, size, pixels, max(size, _SKIN_MASK_SIDE))
        seen.patch = replace(patch, mask=seen.skin(patch.mask, seconds)) if self._smooth else patch

    def _age(self, tracks: list[Track], pixels: NDArray[np.uint8], seconds: float) -> None:
        """Computes and smooths the changes of visible tracks."""
        looks = [self._known[track.identity] for track in tracks]
        patches = [seen.patch for seen in looks if seen.patch is not None]
        if not patches:
            return
        [changes] = self._change.of_faces(self._model, pixels, patches, [self.to])
        for seen, change in zip(looks, changes, strict=True):
            seen.change = seen.average(change, seconds) if self._smooth else change


@dataclass(frozen=True, eq=False)
class Region:
    """What is added to a rectangle of a frame.

    Attributes:
        levels: int16 (h, w, 3), RGB, in levels of 0..255.
        x: Where the rectangle begins, pixels from the left.
        y: Where the rectangle begins, pixels from the top.
    """

    levels: NDArray[np.int16]
    x: int
    y: int

    def turned_back(self, turns: int, width: int, height: int) -> Region:
        """The same in the frame as it is stored.

        Args:
            turns: Quarter turns counterclockwise that bring the stored frame upright.
            width: Width of the upright frame.
            height: Height of the upright frame.
        """
        x, y, (rows, columns) = self.x, self.y, self.levels.shape[:2]
        for _ in range(turns):
            x, y = height - y - rows, x
            rows, columns, width, height = columns, rows, height, width
        return Region(np.ascontiguousarray(np.rot90(self.levels, -turns)), x, y)


def added_levels(pixels: NDArray[np.uint8], changes: list[FaceChange]) -> Region | None:
    """What changes of faces add to a frame, uint8 (H, W, 3), RGB; None if nothing."""
    shown = [change for change in changes if np.abs(change.values).max() > _NOTHING]
    corners = [_bounds(change) for change in shown]
    if not corners:
        return None
    left, top = (max(min(rect[axis] for rect in corners), 0) for axis in (0, 1))
    right, bottom = (max(rect[axis] for rect in corners) for axis in (2, 3))
    # Nothing is copied but the part around the faces.
    part = pixels[top:bottom, left:right]
    if not part.size:
        return None
    patches = [_shifted(change.patch, left, top) for change in shown]
    aged = paste_faces(part, patches, np.stack([change.values for change in shown]))
    return Region(aged.astype(np.int16) - part, left, top)


def _bounds(change: FaceChange) -> tuple[int, int, int, int]:
    """The crop's rectangle in the frame, `x0, y0, x1, y1`, ends open; it may leave the frame."""
    edge = change.values.shape[0] - 1.0
    return bounds_of(invert(change.patch.matrix), (0.0, 0.0, edge, edge))


def _shifted(patch: FacePatch, x: int, y: int) -> FacePatch:
    """The same patch in a part of the frame that begins at `x, y`."""
    matrix = patch.matrix.copy()
    matrix[:, 2] += matrix[:, :2] @ (x, y)
    return replace(patch, matrix=matrix)


def ease(weight: float) -> float:
    """A fade that starts and ends level, 0..1 -> 0..1."""
    return weight * weight * (3 - 2 * weight)
