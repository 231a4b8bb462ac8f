"""A photo whose faces are encoded already, so that each further age is quick."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from reage.ages import check_age
from reage.errors import UsageError
from reage.images import Photo
from reage.inference.results import AgedPhoto, FacePatch, paste_faces
from reage.inference.session import AgingModel, Features


@dataclass(frozen=True, eq=False)
class OpenedPhoto:
    """A photo with its faces found and encoded; made by `FaceAger.open`.

    Attributes:
        photo: The photo that was read.
        patches: Its faces, largest first.
        features: What the encoder saw in them, in the same order.
        model: The generator.
    """

    photo: Photo
    patches: tuple[FacePatch, ...]
    features: Features
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
        years = check_age(to)
        if not 0.0 <= strength <= 1.0:
            raise UsageError(f"strength {strength:g}", "is not a share", "give 0 to 1")
        chosen = range(len(self.patches)) if faces is None else sorted(set(faces))
        if not all(0 <= face < len(self.patches) for face in chosen):
            raise UsageError("faces", "names a face that is not there", "count them from 0")
        if not chosen:
            return AgedPhoto(self.photo, self.photo.pixels, ())
        rows = np.array(chosen)
        some = {name: values[rows] for name, values in self.features.items()}
        deltas = self.model.decode(some, years) * np.float32(strength)
        patches = [self.patches[face] for face in chosen]
        pixels = paste_faces(self.photo.pixels, patches, deltas)
        return AgedPhoto(self.photo, pixels, tuple(patch.aged(years) for patch in patches))
