"""A photo whose faces are encoded already, so that each further age is quick."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from reage.ages import check_age
from reage.errors import UsageError
from reage.faces.align import estimate_similarity
from reage.images import Photo, PhotoSource, read_photo
from reage.inference.grey import keep_grey
from reage.inference.patches import check_strength
from reage.inference.results import AgedPhoto, FacePatch
from reage.inference.session import AgingModel, Features
from reage.inference.sweep import Sweep


@dataclass(frozen=True, eq=False)
class OpenedPhoto:
    """A photo with its faces found and encoded; made by `FaceAger.open`.

    Attributes:
        photo: The photo that was read.
        patches: Its faces, largest first.
        features: What the encoder saw in them, in the same order.
        grey: Which of them hold no colour, and so get none, bool (N,).
        model: The generator.
    """

    photo: Photo
    patches: tuple[FacePatch, ...]
    features: Features
    grey: NDArray[np.bool_]
    model: AgingModel

    def age(
        self, to: float, *, faces: Sequence[int] | None = None, strength: float = 1.0
    ) -> AgedPhoto:
        """Shows some of the people in the photo at the age `to`.

        Args:
            to: The target age in years, from 0 to 116.
            faces: Which faces, by their place in `patches`; None means all.
            strength: How much of the change to apply, from 0 (none) to 1.

        Raises:
            AgeRangeError: If the age lies outside the range of the model.
            UsageError: If there is no such face, or `strength` cannot be meant.
        """
        sweep = self.sweep([to], faces=faces, strength=strength)
        return AgedPhoto(sweep.photo, sweep.pixels(0), sweep.faces[0])

    def sweep(
        self, ages: Iterable[float], *, faces: Sequence[int] | None = None, strength: float = 1.0
    ) -> Sweep:
        """Shows some of the people in the photo at each of `ages`; see `age` for the rest."""
        targets = tuple(check_age(age) for age in ages)
        if not targets:
            raise UsageError("ages", "is empty", "give at least one age in years")
        check_strength(strength)
        chosen = self._chosen(faces)
        if not chosen:
            return Sweep(self.photo, targets, (), [self.model.nothing()] * len(targets))
        rows = np.array(chosen)
        some = {name: values[rows] for name, values in self.features.items()}
        share = np.float32(strength)
        grey = self.grey[rows]
        changes = [keep_grey(self.model.decode(some, age), grey) * share for age in targets]
        return Sweep(self.photo, targets, tuple(self.patches[face] for face in chosen), changes)

    def on(self, photo: PhotoSource) -> OpenedPhoto:
        """The same faces, found and encoded already, in another size of the same photo.

        Args:
            photo: The photo, larger or smaller, of the same proportions within a pixel.

        Raises:
            ImageReadError: If it cannot be read.
        """
        other = read_photo(photo)
        height, width = self.photo.pixels.shape[:2]
        other_height, other_width = other.pixels.shape[:2]
        scale = np.array([other_width / width, other_height / height])
        size = self.model.image_size
        patches = tuple(_scaled(patch, scale, size) for patch in self.patches)
        return OpenedPhoto(other, patches, self.features, self.grey, self.model)

    def _chosen(self, faces: Sequence[int] | None) -> list[int]:
        chosen = list(range(len(self.patches))) if faces is None else sorted(set(faces))
        if not all(0 <= face < len(self.patches) for face in chosen):
            raise UsageError("faces", "name a face that is not there", "count them from 0")
        return chosen


def _scaled(patch: FacePatch, scale: NDArray[np.float64], size: int) -> FacePatch:
    """The patch in a photo `scale` times as wide and high; its mask, bound to the crop, stays."""
    face = patch.face
    box, landmarks, oval = (
        # Pixel centers are at integers, so it is the edges, half a pixel off, that scale.
        ((points.reshape(-1, 2) + 0.5) * scale - 0.5).reshape(points.shape).astype(np.float32)
        for points in (face.box, face.landmarks, face.oval)
    )
    moved = replace(face, box=box, landmarks=landmarks, oval=oval)
    return replace(patch, face=moved, matrix=estimate_similarity(landmarks, size))
