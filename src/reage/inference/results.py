"""What an ager returns: the aged photo, and what was done to each face in it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from reage.faces.blend import paste_change
from reage.faces.change import delta_of
from reage.faces.types import Face
from reage.images import Photo, to_pil, write_photo
from reage.images.c2pa import C2paSigner
from reage.images.provenance import mark_photo


@dataclass(frozen=True, eq=False)
class AgedFace:
    """A face that was aged; all coordinates are pixels of the photo as it is seen upright.

    Attributes:
        box: float32 (4,), `x0, y0, x1, y1`.
        landmarks: float32 (5, 2), xy of right eye, left eye, nose tip, right and left mouth corner.
        score: How sure the face finder is, 0..1.
        target_age: The age it was given, in years.
        matrix: float64 (2, 3), the similarity transform from the photo to the model's crop.
    """

    box: NDArray[np.float32]
    landmarks: NDArray[np.float32]
    score: float
    target_age: float
    matrix: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class AgedPhoto:
    """A photo after ageing.

    Attributes:
        photo: The photo that was read, unchanged.
        pixels: uint8 (H, W, 3), RGB, the aged photo, upright, of the photo's own size.
        faces: The faces that were aged, largest first.
    """

    photo: Photo
    pixels: NDArray[np.uint8]
    faces: tuple[AgedFace, ...]

    @property
    def image(self) -> Image.Image:
        """The aged photo as a PIL image, with the transparency and metadata of the original."""
        return to_pil(self.marked(), self.pixels)

    def save(self, path: str | os.PathLike[str], *, signer: C2paSigner | None = None) -> None:
        """Writes the aged photo, marked as synthetic; the suffix of `path` names the format.

        Args:
            path: The file.
            signer: Adds a signed C2PA manifest.

        Raises:
            ImageWriteError: If the format is unknown, the file cannot be written, or the format
                has no place for a manifest.
        """
        finish = signed_with(signer, self._target_ages, self.photo)
        write_photo(path, self.marked(), self.pixels, finish=finish)

    def marked(self) -> Photo:
        """The photo with metadata that mark what is written from it as synthetic."""
        return mark_photo(self.photo, software_name(), self._target_ages)

    @property
    def _target_ages(self) -> tuple[float, ...]:
        return tuple(dict.fromkeys(face.target_age for face in self.faces))


@dataclass(frozen=True, eq=False)
class FacePatch:
    """Where a face lies and how what is added to it fades out.

    Attributes:
        face: The face as it was found.
        matrix: float64 (2, 3), the similarity transform from the photo to the model's crop.
        mask: float32 (M, M), 0..1, over the same square as the crop; it may be finer.
        keeps_shape: Whether only colours change.
    """

    face: Face
    matrix: NDArray[np.float64]
    mask: NDArray[np.float32]
    keeps_shape: bool = True

    def aged(self, age: float) -> AgedFace:
        """This face as the subject of a result."""
        face = self.face
        return AgedFace(face.box, face.landmarks, face.score, age, self.matrix)


def signed_with(
    signer: C2paSigner | None, ages: Sequence[float], edited: Photo | None = None
) -> Callable[[bytes, str], bytes] | None:
    """What adds the manifest to a file that shows these ages; None without a signer.

    Args:
        signer: Signs.
        ages: Target ages in years.
        edited: The photo that the file is an edit of, if it is one.
    """
    if signer is None:
        return None
    # Only what was read from a file can be named as the parent.
    path = Path(edited.name) if edited is not None else None
    parent = (path.read_bytes(), edited.format) if path and edited and path.is_file() else None
    return partial(signer.sign, software=software_name(), target_ages=ages, edited=parent)


def software_name() -> str:
    """Name and version of this program, as the mark of synthetic pictures has them."""
    from reage import __version__

    return f"reage {__version__}"


def paste_faces(
    pixels: NDArray[np.uint8],
    patches: Iterable[FacePatch],
    changes: NDArray[np.float32],
) -> NDArray[np.uint8]:
    """Makes each face's change in the photo, one face after another.

    Args:
        pixels: uint8 (H, W, 3), RGB; it stays unchanged.
        patches: N faces.
        changes: float32 (N, S, S, 3 or 5), see `reage.faces.change`.

    Returns:
        uint8 (H, W, 3), RGB.
    """
    result = pixels.copy()
    for patch, change in zip(patches, changes, strict=True):
        made = delta_of(change) if patch.keeps_shape else change
        paste_change(result, made, patch.mask, patch.matrix, in_place=True)
    return result
