"""The ager: finds the faces of a photo, ages their crops, and adds the change to the photo."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from reage.ages import check_age
from reage.errors import NoFaceError, UsageError
from reage.faces.align import crop_face, estimate_similarity
from reage.faces.finder import FaceFinder
from reage.images import Photo, PhotoSource, read_photo
from reage.inference.estimator import AgeEstimate, AgeEstimator, interval
from reage.inference.grey import are_grey, keep_grey
from reage.inference.opened import OpenedPhoto
from reage.inference.patches import (
    MaskChoice,
    check_mask,
    check_model,
    check_strength,
    make_patch,
    make_skin_patch,
)
from reage.inference.results import AgedPhoto, FacePatch
from reage.inference.session import AgingModel, batches
from reage.inference.sweep import Sweep

FaceChoice = Literal["all", "largest"] | int
"""Which faces of a photo to age: all of them, the largest, or that many of the largest."""


class FaceAger:
    """Shows the people in photos at other ages.

    It may be called from several threads at once, and the same photo and age give the same
    pixels every time.

    Attributes:
        model: The generator in use.
        finder: The face finder in use.
    """

    def __init__(
        self,
        model: str | os.PathLike[str] | AgingModel | None = None,
        *,
        threads: int | None = None,
    ) -> None:
        """Opens the models.

        Args:
            model: A folder with an exported model, or an open one; `None` takes the weights that
                ship inside the package.
            threads: CPU threads for each model call; `None` takes as many as there are cores.

        Raises:
            UsageError: If `threads` is below 1.
            WeightsError: If a model file is missing, damaged or of another format.
        """
        self._threads = threads
        self.model = _open_model(model, threads)
        self.finder = FaceFinder(threads=threads)

    def __call__(
        self,
        photo: PhotoSource,
        to: float,
        *,
        faces: FaceChoice = "all",
        strength: float = 1.0,
        source_age: float | None = None,
        mask: MaskChoice = "face",
    ) -> AgedPhoto:
        """The same as `age`."""
        return self.age(photo, to, faces=faces, strength=strength, source_age=source_age, mask=mask)

    def age(
        self,
        photo: PhotoSource,
        to: float,
        *,
        faces: FaceChoice = "all",
        strength: float = 1.0,
        source_age: float | None = None,
        mask: MaskChoice = "face",
    ) -> AgedPhoto:
        """Shows the people in a photo at the age `to`.

        Args:
            photo: A path, the bytes of an image file, a PIL image, or a uint8 RGB array.
            to: The target age in years, from 0 to 116.
            faces: Which faces to age.
            strength: How much of the change to apply, from 0 (none) to 1.
            source_age: The true age in years, where it is known: the change is then measured from
                that age, so that ageing to it changes nothing.
            mask: What of a face may change: all of the "face" but its shape; only its "skin", so
                that hair, glasses and headwear stay as they are, where what has the colour of skin
                counts as skin; or its "shape" too, where the photo has no transparency.

        Raises:
            AgeRangeError: If an age lies outside the range of the model.
            UsageError: If `faces`, `strength` or `mask` cannot be meant.
            ImageReadError: If the photo cannot be read.
            NoFaceError: If there is no face in it.
        """
        sweep = self.sweep(
            photo, [to], faces=faces, strength=strength, source_age=source_age, mask=mask
        )
        return AgedPhoto(sweep.photo, sweep.pixels(0), sweep.faces[0])

    def sweep(
        self,
        photo: PhotoSource,
        ages: Iterable[float],
        *,
        faces: FaceChoice = "all",
        strength: float = 1.0,
        source_age: float | None = None,
        mask: MaskChoice = "face",
    ) -> Sweep:
        """Shows the people in a photo at each of `ages`; the arguments and errors are `age`'s."""
        targets = tuple(check_age(age) for age in ages)
        if not targets:
            raise UsageError("ages", "is empty", "give at least one age in years")
        change = Change(strength, source_age)
        limit, kind = face_limit(faces), check_model(check_mask(mask), self.model)
        found = read_photo(photo)
        patches = self._find(found, limit, kind)
        changes = change.of_faces(self.model, found.visible, patches, targets)
        return Sweep(found, targets, patches, changes)

    def open(
        self, photo: PhotoSource, *, faces: FaceChoice = "all", mask: MaskChoice = "face"
    ) -> OpenedPhoto:
        """Finds and encodes the faces of a photo once, to show them at many ages later.

        Args:
            photo: A path, the bytes of an image file, a PIL image, or a uint8 RGB array.
            faces: Which faces.
            mask: What of them may change; see `age`.

        Raises:
            UsageError: If `faces` or `mask` cannot be meant.
            ImageReadError: If the photo cannot be read.
            NoFaceError: If there is no face in it.
        """
        limit, kind = face_limit(faces), check_model(check_mask(mask), self.model)
        found = read_photo(photo)
        patches = self._find(found, limit, kind)
        matrices = [patch.matrix for patch in patches]
        crops = crop_faces(found.visible, matrices, self.model.image_size)
        return OpenedPhoto(found, patches, self.model.encode(crops), are_grey(crops), self.model)

    def estimate(self, photo: PhotoSource, *, faces: FaceChoice = "all") -> tuple[AgeEstimate, ...]:
        """Tells how old the people in a photo look; it is no proof of anybody's age.

        Args:
            photo: A path, the bytes of an image file, a PIL image, or a uint8 RGB array.
            faces: Which faces.

        Returns:
            One estimate per face, largest face first.

        Raises:
            UsageError: If `faces` cannot be meant.
            ImageReadError: If the photo cannot be read.
            NoFaceError: If there is no face in it.
            WeightsError: If the estimator is missing or damaged.
        """
        limit = face_limit(faces)
        found = read_photo(photo)
        patches, pixels = self._find(found, limit), found.visible
        size = self.estimator.image_size
        estimates = []
        for rows in batches(len(patches)):
            matrices = [estimate_similarity(p.face.landmarks, size) for p in patches[rows]]
            probabilities = self.estimator.probabilities(crop_faces(pixels, matrices, size))
            for patch, row in zip(patches[rows], probabilities, strict=True):
                estimates.append(
                    AgeEstimate(patch.face, *interval(row, self.estimator.coverage), row)
                )
        return tuple(estimates)

    @cached_property
    def estimator(self) -> AgeEstimator:
        """The age estimator that ships inside the package, opened on first use."""
        return AgeEstimator.from_package(threads=self._threads)

    def _find(
        self, photo: Photo, limit: int | None, mask: MaskChoice = "face"
    ) -> tuple[FacePatch, ...]:
        """Locates the faces of a photo, largest first, at most `limit`."""
        pixels = photo.visible
        faces = self.finder.find(pixels)[:limit]
        if not faces:
            raise NoFaceError(
                photo.name,
                "shows no face that could be found",
                "try a photo with a larger, more frontal face",
            )
        size = self.model.image_size
        if mask == "skin":
            return tuple(make_skin_patch(face, size, pixels) for face in faces)
        return tuple(make_patch(face, size, keeps_shape=mask != "shape") for face in faces)


class Change:
    """How what a model computes for a target age becomes the change that is made."""

    def __init__(self, strength: float, source_age: float | None) -> None:
        self._strength = np.float32(check_strength(strength))
        self._source_age = None if source_age is None else check_age(source_age)

    def of_faces(
        self,
        model: AgingModel,
        pixels: NDArray[np.uint8],
        patches: Sequence[FacePatch],
        ages: Sequence[float],
    ) -> list[NDArray[np.float32]]:
        """The change of N faces, at least one, at each age.

        Args:
            model: The generator.
            pixels: uint8 (H, W, 3), RGB, the photo.
            patches: Where its faces are.
            ages: Target ages in years.

        Returns:
            For each age float32 (N, S, S, 3 or 5), see `reage.faces.change`.
        """
        # Encoded faces are large: those of a crowd are never held all at once.
        parts = [
            self._of_crops(
                model,
                crop_faces(pixels, [patch.matrix for patch in patches[rows]], model.image_size),
                ages,
            )
            for rows in batches(len(patches))
        ]
        return [np.concatenate(of_one_age) for of_one_age in zip(*parts, strict=True)]

    def _of_crops(
        self, model: AgingModel, crops: NDArray[np.float32], ages: Sequence[float]
    ) -> list[NDArray[np.float32]]:
        features = model.encode(crops)
        changes = [model.decode(features, age) for age in ages]
        if self._source_age is not None:
            baseline = model.decode(features, self._source_age)
            changes = [change - baseline for change in changes]
        grey = are_grey(crops)
        return [keep_grey(change, grey) * self._strength for change in changes]


def _open_model(
    model: str | os.PathLike[str] | AgingModel | None, threads: int | None
) -> AgingModel:
    if model is None:
        return AgingModel.from_package(threads=threads)
    if isinstance(model, AgingModel):
        return model
    return AgingModel.from_folder(model, threads=threads)


def face_limit(choice: FaceChoice) -> int | None:
    """How many of the faces, largest first, `choice` asks for; `None` means all."""
    if choice == "all":
        return None
    if choice == "largest":
        return 1
    if isinstance(choice, int) and not isinstance(choice, bool) and choice >= 1:
        return choice
    raise UsageError(
        f"faces {choice}", "names no faces", "give all, largest, or how many of the largest"
    )


def crop_faces(
    pixels: NDArray[np.uint8], matrices: Sequence[NDArray[np.float64]], size: int
) -> NDArray[np.float32]:
    """The faces' crops as the models read them: float32 (N, S, S, 3), RGB in [-1, 1].

    Args:
        pixels: uint8 (H, W, 3), RGB.
        matrices: N transforms, (2, 3) each, from the photo to the crop.
        size: Side S of the crops.
    """
    crops = np.stack([crop_face(pixels, matrix, size) for matrix in matrices])
    return crops.astype(np.float32) / np.float32(127.5) - np.float32(1.0)
