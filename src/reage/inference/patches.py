"""What of a face changes and how much: all of it, its skin alone, or its shape too."""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from reage.errors import UsageError
from reage.faces.align import estimate_similarity
from reage.faces.blend import face_mask
from reage.faces.skin import detailed_side, skin_mask
from reage.faces.types import Face
from reage.inference.results import FacePatch
from reage.inference.session import AgingModel

MaskChoice = Literal["face", "skin", "shape"]
"""What of a face may change: its colours; those of its skin alone, so that hair and glasses stay;
or its colours and its shape."""


def check_mask(choice: str) -> MaskChoice:
    """The choice, if it is one.

    Raises:
        UsageError: If it is not.
    """
    for known in get_args(MaskChoice):
        if choice == known:
            return known  # type: ignore[no-any-return]
    raise UsageError(f"mask {choice}", "is no part of a face", "give face, skin or shape")


def check_model(choice: MaskChoice, model: AgingModel) -> MaskChoice:
    """The choice, if a model can follow it.

    Raises:
        UsageError: If it cannot.
    """
    if choice == "shape" and not model.moves:
        raise UsageError(
            f"mask {choice}",
            "is beyond this model, which adds colours and moves nothing",
            "give face, or a model of format 2",
        )
    return choice


def check_strength(strength: float) -> float:
    """Returns the share of the change, or refuses what is none.

    Raises:
        UsageError: If it is not within 0 and 1.
    """
    if not 0.0 <= strength <= 1.0:
        raise UsageError(
            f"strength {strength:g}", "is not a share of the change", "give a number from 0 to 1"
        )
    return strength


def make_patch(face: Face, size: int, *, keeps_shape: bool = True) -> FacePatch:
    """Where a face lies in its crop of side `size`, and how the change fades out there."""
    matrix = estimate_similarity(face.landmarks, size)
    return FacePatch(face, matrix, face_mask(face, matrix, size), keeps_shape)


def make_skin_patch(
    face: Face, size: int, pixels: NDArray[np.uint8], side: int | None = None
) -> FacePatch:
    """The same, but only the face's skin changes, and its shape does not.

    Args:
        face: The face.
        size: Side S of the crop.
        pixels: uint8 (H, W, 3), RGB, the photo.
        side: Side of the mask; None takes as much as the face has detail.
    """
    mask = skin_mask(pixels, face, side or detailed_side(face, size))
    return FacePatch(face, estimate_similarity(face.landmarks, size), mask)
