"""Whole photos to training faces: find the largest face, bring it to UTKFace's framing."""

from __future__ import annotations

from reage.data.folder import IMAGE_SIZE, encode_face
from reage.errors import ImageReadError
from reage.faces.align import crop_face, estimate_similarity
from reage.faces.finder import FaceFinder
from reage.images import read_photo


class FaceAligner:
    """Crops photos as `FaceAger` does, so that training and use see faces alike."""

    def __init__(self) -> None:
        """Loads the packaged networks."""
        self._finder = FaceFinder()

    def __call__(self, encoded: bytes) -> bytes:
        """Returns the photo's largest face as an upright 200x200 RGB JPEG.

        Raises:
            ImageReadError: If the photo is damaged or shows no face.
            MissingExtraError: If it is a HEIC picture and pillow-heif is not installed.
        """
        pixels = read_photo(encoded).pixels
        faces = self._finder.find(pixels)
        if not faces:
            raise ImageReadError(
                "image", "it shows no face that could be found", "leave it out, or crop it"
            )
        matrix = estimate_similarity(faces[0].landmarks, IMAGE_SIZE)
        return encode_face(crop_face(pixels, matrix, IMAGE_SIZE))
