"""The 468-point face mesh: landmarks, outline, and a check that there is a face at all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from reage.faces.align import crop_face, invert, transform_points
from reage.faces.detector import LEFT_EYE, RIGHT_EYE, sigmoid
from reage.faces.types import Face
from reage.onnx_session import open_session

# Points of the canonical face mesh (Kartynnik et al. 2019); "right" is the person's own right.
# fmt: off
RIGHT_EYE_CONTOUR: Final = (
    33, 7, 163, 144, 145, 153, 154, 155, 133, 173, 157, 158, 159, 160, 161, 246)
LEFT_EYE_CONTOUR: Final = (
    263, 249, 390, 373, 374, 380, 381, 382, 362, 398, 384, 385, 386, 387, 388, 466)
OUTLINE: Final = (
    10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377,
    152, 148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109)
# fmt: on
NOSE_AND_MOUTH_CORNERS: Final = (1, 61, 291)
# The network was trained on squares half as large again as the face.
CROP_MARGIN: Final = 1.5


@dataclass(frozen=True)
class Mesh:
    """Where the mesh lies in the photo.

    Attributes:
        points: float64 (468, 2), xy in pixels of the photo.
        score: How sure the model is that this is a face, 0..1, in the least sure of its passes.
    """

    points: NDArray[np.float64]
    score: float

    def to_face(self, width: int, height: int, detection_score: float = 1.0) -> Face:
        """The face as the finder reports it, for a photo of this size."""
        oval = self.points[list(OUTLINE)]
        limit = np.array([width - 1, height - 1], np.float64)
        box = np.concatenate(
            [np.clip(oval.min(axis=0), 0, limit), np.clip(oval.max(axis=0), 0, limit)]
        )
        landmarks = np.stack(
            [*eye_centers(self.points), *self.points[list(NOSE_AND_MOUTH_CORNERS)]]
        )
        return Face(
            box.astype(np.float32),
            landmarks.astype(np.float32),
            oval.astype(np.float32),
            self.score * detection_score,
        )


class FaceMesh:
    """The face mesh network."""

    def __init__(self, model: bytes, *, threads: int | None = None) -> None:
        self._session = open_session(model, threads=threads)
        entry = self._session.get_inputs()[0]
        self._input_name = entry.name
        self._side = int(entry.shape[1])

    def locate(
        self,
        pixels: NDArray[np.uint8],
        box: NDArray[np.float64],
        keypoints: NDArray[np.float64],
        *,
        passes: int = 3,
        min_score: float = 0.0,
    ) -> Mesh:
        """Fits the mesh to a detected face.

        The detector's box is coarse and axis-aligned. Each further pass crops again by the mesh of
        the pass before, which brings the mesh to rest.

        Args:
            pixels: uint8 (H, W, 3), RGB.
            box: (4,) `x0, y0, x1, y1` of the detection, pixels.
            keypoints: (6, 2) of the detection, pixels.
            passes: Times the network runs, at least 1.
            min_score: A pass below this score is the last.
        """
        center = (box[:2] + box[2:]) / 2
        size = float((box[2:] - box[:2]).max())
        right = keypoints[LEFT_EYE] - keypoints[RIGHT_EYE]
        mesh = self._run(pixels, square_matrix(center, right, CROP_MARGIN * size, self._side))
        for _ in range(passes - 1):
            if mesh.score < min_score:
                break
            again = self._run(pixels, upright_square(mesh.points, CROP_MARGIN, self._side))
            mesh = Mesh(again.points, min(mesh.score, again.score))
        return mesh

    def follow(self, pixels: NDArray[np.uint8], face: Face) -> Mesh:
        """Fits the mesh to a face where it was a moment ago, in the frame before of a video.

        Args:
            pixels: uint8 (H, W, 3), RGB.
            face: The face as it was; it may have moved by a quarter of its size since.
        """
        outline = np.vstack([face.oval, face.landmarks]).astype(np.float64)
        eyes = face.landmarks[:2].astype(np.float64)
        return self._run(pixels, level_square(outline, eyes, CROP_MARGIN, self._side))

    def _run(self, pixels: NDArray[np.uint8], matrix: NDArray[np.float64]) -> Mesh:
        crop = crop_face(pixels, matrix, self._side)
        batch = crop[None].astype(np.float32) / np.float32(255)
        points, logit = self._session.run(["conv2d_20", "conv2d_30"], {self._input_name: batch})
        in_crop = points.reshape(-1, 3)[:, :2].astype(np.float64) - 0.5
        return Mesh(transform_points(invert(matrix), in_crop), float(sigmoid(logit).item()))


def eye_centers(
    points: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The middle of the right and of the left eye's contour, xy each; steadier than the pupils."""
    return (
        points[list(RIGHT_EYE_CONTOUR)].mean(axis=0),
        points[list(LEFT_EYE_CONTOUR)].mean(axis=0),
    )


def square_matrix(
    center: NDArray[np.float64], right: NDArray[np.float64], size: float, side: int
) -> NDArray[np.float64]:
    """The transform that cuts a turned square out of a photo.

    Args:
        center: xy of the square's middle, pixels of the photo.
        right: xy direction in the photo that becomes the crop's x axis, any length.
        size: Side of the square in pixels of the photo.
        side: Side of the crop in pixels.

    Returns:
        float64 (2, 3), photo pixels -> crop pixels.
    """
    length = float(np.hypot(*right))
    cosine, sine = (right / length) if length > 0 else (1.0, 0.0)
    linear = np.array([[cosine, sine], [-sine, cosine]]) * (side / size)
    return np.column_stack([linear, np.full(2, (side - 1) / 2) - linear @ center])


def upright_square(points: NDArray[np.float64], margin: float, side: int) -> NDArray[np.float64]:
    """The transform that crops a face with its eyes level.

    Args:
        points: (468, 2), xy of the mesh in pixels of the photo.
        margin: Side of the square, in sides of the face.
        side: Side of the crop in pixels.

    Returns:
        float64 (2, 3), photo pixels -> crop pixels.
    """
    return level_square(points, np.stack(eye_centers(points)), margin, side)


def level_square(
    points: NDArray[np.float64], eyes: NDArray[np.float64], margin: float, side: int
) -> NDArray[np.float64]:
    """The transform that crops around points so that two eyes lie level.

    Args:
        points: (N, 2), xy of what the square goes around, in pixels of the photo.
        eyes: (2, 2), xy of the right and of the left eye.
        margin: Side of the square, in sides of what it goes around.
        side: Side of the crop in pixels.

    Returns:
        float64 (2, 3), photo pixels -> crop pixels.
    """
    right = eyes[1] - eyes[0]
    level = square_matrix(np.zeros(2), right, 1.0, 1)[:, :2]
    turned = points @ level.T
    low, high = turned.min(axis=0), turned.max(axis=0)
    center = (low + high) / 2 @ level
    return square_matrix(center, right, margin * float((high - low).max()), side)
