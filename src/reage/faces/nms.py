"""Weighted non-maximum suppression: one steady box from many overlapping ones."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def overlap_with(box: NDArray[np.floating], boxes: NDArray[np.floating]) -> NDArray[np.float64]:
    """Intersection over union of one box (4,) with boxes (N, 4), `x0, y0, x1, y1`; float64 (N,)."""
    low = np.maximum(box[:2], boxes[:, :2])
    high = np.minimum(box[2:4], boxes[:, 2:4])
    shared = np.prod(np.clip(high - low, 0, None), axis=1)
    areas = np.prod(np.clip(boxes[:, 2:4] - boxes[:, :2], 0, None), axis=1)
    own = float(np.prod(np.clip(box[2:4] - box[:2], 0, None)))
    union = own + areas - shared
    return np.asarray(shared / np.maximum(union, np.finfo(np.float64).tiny), np.float64)


def first_of_each(boxes: NDArray[np.float64], max_overlap: float) -> list[int]:
    """Which of some boxes (N, 4) overlap none that was picked before by more than `max_overlap`."""
    picked: list[int] = []
    for index, box in enumerate(boxes):
        if not (overlap_with(box, boxes[picked]) > max_overlap).any():
            picked.append(index)
    return picked


def weighted_nms(
    coordinates: NDArray[np.float64], scores: NDArray[np.float64], min_overlap: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Replaces each cluster of overlapping boxes by its mean, weighted by score.

    Averaging moves less from frame to frame than picking the best box does (Bazarevsky et al.
    2019, "BlazeFace", section 4).

    Args:
        coordinates: float64 (N, 4 + 2 K): a box `x0, y0, x1, y1`, then any points that move
            with it.
        scores: float64 (N,), positive.
        min_overlap: Boxes whose intersection over union with the cluster's best exceeds this
            belong to the cluster.

    Returns:
        The means, float64 (M, 4 + 2 K), and the best score of each cluster, float64 (M,), best
        first.
    """
    order = np.argsort(-scores, kind="stable")
    means, best = [], []
    while order.size:
        head = order[0]
        same = overlap_with(coordinates[head], coordinates[order]) > min_overlap
        same[0] = True
        cluster = order[same]
        means.append(np.average(coordinates[cluster], axis=0, weights=scores[cluster]))
        best.append(scores[head])
        order = order[~same]
    return np.array(means).reshape(-1, coordinates.shape[1]), np.array(best)
