"""One photo at several ages: its frames, and the strip or animation that shows them."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from reage.faces.change import delta_of
from reage.images import Photo, check_output_path, replace_file, to_pil, write_photo
from reage.images.c2pa import C2paSigner
from reage.images.photo import on_white
from reage.images.provenance import mark_in_words, mark_photo
from reage.inference.results import (
    AgedFace,
    FacePatch,
    paste_faces,
    signed_with,
    software_name,
)
from reage.inference.strip import animate, arrange, make_tile, portrait_window


@dataclass(frozen=True, eq=False)
class Sweep:
    """A photo at several ages.

    Only the change of each face is kept; a frame is computed when it is asked for, so that many
    ages of a large photo fit into memory.

    Attributes:
        photo: The photo that was read, unchanged.
        ages: The target ages in years, in the order they were given.
        patches: The faces that were aged, largest first.
        changes: For each age, those of the faces: float32 (N, S, S, 3 or 5), see
            `reage.faces.change`.
    """

    photo: Photo
    ages: tuple[float, ...]
    patches: tuple[FacePatch, ...]
    changes: list[NDArray[np.float32]]

    @cached_property
    def frames(self) -> list[Image.Image]:
        """The whole photo at each age."""
        return [
            to_pil(mark_photo(self.photo, software_name(), [age]), self.pixels(index))
            for index, age in enumerate(self.ages)
        ]

    @property
    def faces(self) -> tuple[tuple[AgedFace, ...], ...]:
        """For each age, the faces that were aged, largest first."""
        return tuple(tuple(patch.aged(age) for patch in self.patches) for age in self.ages)

    def pixels(self, index: int) -> NDArray[np.uint8]:
        """The whole photo at `ages[index]`: uint8 (H, W, 3), RGB."""
        changes = self.changes[index]
        if self.photo.alpha is not None:
            # Moved pixels would bring into sight what transparency hides.
            changes = delta_of(changes)
        return paste_faces(self.photo.pixels, self.patches, changes)

    def strip(self, *, whole: bool = False, original: bool = True) -> Image.Image:
        """The photo at each age side by side, with the age under each.

        Args:
            whole: Show the whole photo, not only the faces with some room around them.
            original: Begin with the photo as it was.
        """
        return arrange(self._tiles(whole=whole, original=original))

    def animation(self, *, whole: bool = False) -> bytes:
        """An animation through the ages and back, as the bytes of a GIF file."""
        comment = mark_in_words(software_name(), self.ages)
        return animate(self._tiles(whole=whole, original=False), comment)

    def save(
        self,
        path: str | os.PathLike[str],
        *,
        whole: bool = False,
        original: bool = True,
        signer: C2paSigner | None = None,
    ) -> None:
        """Writes the animation when `path` ends in `.gif`, else the strip.

        Args:
            path: The file.
            whole: Show the whole photo, not only the faces with some room around them.
            original: Begin the strip with the photo as it was.
            signer: Adds a signed C2PA manifest.

        Raises:
            ImageWriteError: If the format is unknown, the file cannot be written, or the format
                has no place for a manifest.
        """
        finish = signed_with(signer, self.ages)
        if Path(path).suffix.lower() == ".gif":
            animation = self.animation(whole=whole)
            check_output_path(path)
            replace_file(path, finish(animation, "GIF") if finish else animation)
            return
        pixels = np.asarray(self.strip(whole=whole, original=original))
        strip = Photo(pixels, None, "PNG", self.photo.name)
        marked = mark_photo(strip, software_name(), self.ages)
        write_photo(path, marked, pixels, finish=finish)

    def _tiles(self, *, whole: bool, original: bool) -> list[Image.Image]:
        height, width = self.photo.pixels.shape[:2]
        boxes = [patch.face.box for patch in self.patches]
        window = (0, 0, width, height) if whole else portrait_window(boxes, width, height)
        tiles = [make_tile(self.photo.visible, window, "photo")] if original else []
        for index, age in enumerate(self.ages):
            tiles.append(make_tile(self._shown(index), window, f"{age:g}"))
        return tiles

    def _shown(self, index: int) -> NDArray[np.uint8]:
        return on_white(self.pixels(index), self.photo.alpha)
