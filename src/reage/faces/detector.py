"""BlazeFace: boxes and key points of the faces in one view (Bazarevsky et al. 2019)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from reage.faces.nms import weighted_nms
from reage.onnx_session import open_session

RIGHT_EYE: Final = 0
LEFT_EYE: Final = 1
_NUM_KEYPOINTS: Final = 6
# Both networks predict two anchors per cell of a 16x16 grid, then six per cell of an 8x8 grid.
_ANCHOR_GRIDS: Final = ((16, 2), (8, 6))
_LOGIT_LIMIT: Final = 80.0


@dataclass(frozen=True)
class Detections:
    """Candidate faces of one view.

    Attributes:
        boxes: float64 (N, 4), `x0, y0, x1, y1` from the brows to the chin, pixels.
        keypoints: float64 (N, 6, 2), xy of right eye, left eye, nose tip, mouth center, right and
            left ear as the person has them, pixels.
        scores: float64 (N,), 0..1.
    """

    boxes: NDArray[np.float64]
    keypoints: NDArray[np.float64]
    scores: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.scores)

    @property
    def smallest(self) -> float:
        """The longer side of the smallest box, pixels; infinite if there is none."""
        sides = (self.boxes[:, 2:] - self.boxes[:, :2]).max(axis=1)
        return float(sides.min(initial=np.inf))

    def select(self, index: NDArray[np.bool_] | NDArray[np.intp]) -> Detections:
        """The candidates that a mask or an index array picks."""
        return Detections(self.boxes[index], self.keypoints[index], self.scores[index])

    def mapped(self, scale: float, offset: tuple[float, float]) -> Detections:
        """The same candidates after `xy -> (xy + offset) / scale`, the view's way to the photo.

        The half pixel keeps pixel centers at integers on both sides.
        """
        shift = np.asarray(offset, np.float64) + 0.5
        return Detections(
            (self.boxes + np.tile(shift, 2)) / scale - 0.5,
            (self.keypoints + shift) / scale - 0.5,
            self.scores,
        )


def join(parts: list[Detections]) -> Detections:
    """One list of candidates from several."""
    return Detections(
        np.concatenate([np.empty((0, 4)), *(part.boxes for part in parts)]),
        np.concatenate([np.empty((0, _NUM_KEYPOINTS, 2)), *(part.keypoints for part in parts)]),
        np.concatenate([np.empty(0), *(part.scores for part in parts)]),
    )


def merge_overlapping(candidates: Detections, min_overlap: float) -> Detections:
    """Averages candidates that show the same face (weighted non-maximum suppression)."""
    coordinates = np.concatenate(
        [candidates.boxes, candidates.keypoints.reshape(-1, 2 * _NUM_KEYPOINTS)], axis=1
    )
    merged, scores = weighted_nms(coordinates, candidates.scores, min_overlap)
    return Detections(merged[:, :4], merged[:, 4:].reshape(-1, _NUM_KEYPOINTS, 2), scores)


class BlazeFace:
    """One BlazeFace network: `short_range` (128 px input) or `back` (256 px input)."""

    def __init__(self, model: bytes, *, threads: int | None = None) -> None:
        self._session = open_session(model, threads=threads)
        entry = self._session.get_inputs()[0]
        self._input_name = entry.name
        self.input_side = int(entry.shape[1])
        self._anchors = anchor_centers()

    def detect(
        self, view: NDArray[np.uint8], *, min_score: float, min_overlap: float = 0.3
    ) -> Detections:
        """Finds faces that fill about 8 to 90 % of a view.

        Args:
            view: uint8 (H, W, 3), RGB, any size; it is shrunk or enlarged to the network's input.
            min_score: Candidates below this score, 0..1, are dropped.
            min_overlap: Candidates whose intersection over union exceeds this are averaged.

        Returns:
            Candidates in pixels of the view, best first.
        """
        image, scale = letterbox(view, self.input_side)
        batch = image[None].astype(np.float32) / np.float32(127.5) - np.float32(1)
        regressors, logits = self._session.run(
            ["regressors", "classificators"], {self._input_name: batch}
        )
        candidates = self._decode(regressors[0], logits[0, :, 0], min_score)
        return merge_overlapping(candidates, min_overlap).mapped(scale, (0.0, 0.0))

    def _decode(
        self, regressors: NDArray[np.float32], logits: NDArray[np.float32], min_score: float
    ) -> Detections:
        scores = sigmoid(logits)
        keep = (scores >= min_score) & (regressors[:, 2:4] > 0).all(axis=1)
        values = regressors[keep].astype(np.float64)
        anchors = self._anchors[keep] * self.input_side - 0.5
        center = values[:, 0:2] + anchors
        half = values[:, 2:4] / 2
        keypoints = values[:, 4:].reshape(-1, _NUM_KEYPOINTS, 2) + anchors[:, None]
        return Detections(np.hstack([center - half, center + half]), keypoints, scores[keep])


def anchor_centers() -> NDArray[np.float64]:
    """The centers of the 896 anchors, float64 (896, 2), xy in units of the input side."""
    parts = []
    for cells, per_cell in _ANCHOR_GRIDS:
        ticks = (np.arange(cells) + 0.5) / cells
        grid = np.stack(np.meshgrid(ticks, ticks), axis=-1).reshape(-1, 2)
        parts.append(np.repeat(grid, per_cell, axis=0))
    return np.concatenate(parts)


def letterbox(view: NDArray[np.uint8], side: int) -> tuple[NDArray[np.uint8], float]:
    """Fits a view into the top left of a black square of `side` pixels; also returns the scale."""
    height, width = view.shape[:2]
    scale = side / max(height, width)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    canvas = np.zeros((side, side, 3), np.uint8)
    canvas[: size[1], : size[0]] = cv2.resize(view, size, interpolation=method)
    return canvas, scale


def sigmoid(logits: NDArray[np.float32]) -> NDArray[np.float64]:
    """The logistic function, float64, without overflow."""
    clipped = np.clip(logits.astype(np.float64), -_LOGIT_LIMIT, _LOGIT_LIMIT)
    return np.asarray(1 / (1 + np.exp(-clipped)))
