"""How far an exported model is from the trained one, over real faces and all ages."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reage.ages import GROUP_CENTERS, soft_code
from reage.errors import ExportError
from reage.faces.change import join_change

Exported = Callable[[NDArray[np.float32], NDArray[np.float32]], NDArray[np.float32]]
"""Maps images (N, S, S, 3) and age codes (N, 14) to changes (N, S, S, 5); see `faces.change`."""


@dataclass(frozen=True)
class Difference:
    """Absolute difference of changes.

    Of colours it is in units of the [-1, 1] images, where a grey level is 2 / 255, of the flow in
    sides.

    Attributes:
        max: The largest of any face, age, pixel and channel.
        mean: The average over all of them.
    """

    max: float
    mean: float

    def within(self, bound: Difference) -> bool:
        """Whether neither figure is above its bound; never if one is not a number."""
        return self.max <= bound.max and self.mean <= bound.mean


def difference(generator: Any, exported: Exported, faces: NDArray[np.float32]) -> Difference:
    """Compares changes of Keras and of an exported model.

    Args:
        generator: `build_generator`, of dtype policy float32.
        exported: The exported model.
        faces: (N, S, S, 3) in [-1, 1]; each is aged to every group's center.
    """
    gaps = []
    for center in GROUP_CENTERS:
        codes = np.repeat(soft_code([center]), len(faces), axis=0)
        gaps.append(np.abs(exported(faces, codes) - change_by_keras(generator, faces, codes)))
    return Difference(float(np.max(gaps)), float(np.mean(gaps)))


def change_by_keras(
    generator: Any, faces: NDArray[np.float32], codes: NDArray[np.float32]
) -> NDArray[np.float32]:
    """What the generator itself changes in faces; see `Exported`."""
    outputs = generator([faces, codes], training=False)
    return join_change(np.asarray(outputs["delta"]), np.asarray(outputs["flow"]))


def require(found: Difference, bound: Difference, name: str, folder: Path) -> None:
    """Refuses an export that is too far from Keras.

    Raises:
        ExportError: If `found` is above `bound`, or not a number.
    """
    if found.within(bound):
        return
    raise ExportError(
        folder,
        f"{name} differs from Keras by {found.max:.2g} at most and {found.mean:.2g} on average, "
        f"more than {bound.max:g} and {bound.mean:g} allow",
        "choose another format or precision",
    )
