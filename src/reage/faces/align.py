"""The similarity transform from a photo to the framing of a UTKFace crop, and the crop itself."""

from __future__ import annotations

import math
from typing import Final

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

# Right eye, left eye, nose tip, right and left mouth corner in units of the crop side, edge to
# edge: pixel x of a crop of side S has its center at (x + 0.5) / S. Medians over UTKFace, measured
# by benchmarks/measure_template.py.
TEMPLATE: Final[tuple[tuple[float, float], ...]] = (
    (0.2907, 0.2942),
    (0.6857, 0.2921),
    (0.4844, 0.5437),
    (0.3163, 0.6838),
    (0.6599, 0.6831),
)


def template_pixels(crop_size: int) -> NDArray[np.float64]:
    """Where a face's five landmarks belong in a crop, float64 (5, 2), pixels."""
    return np.asarray(TEMPLATE, np.float64) * crop_size - 0.5


def estimate_similarity(landmarks: ArrayLike, crop_size: int) -> NDArray[np.float64]:
    """The rotation, uniform scale and shift that best put landmarks on the template.

    The least-squares solution without reflection (Umeyama 1991, "Least-squares estimation of
    transformation parameters between two point patterns"), which in the plane is one complex
    division.

    Args:
        landmarks: (5, 2) xy in pixels of the photo, in the order of `TEMPLATE`.
        crop_size: Side of the crop in pixels.

    Returns:
        float64 (2, 3), photo pixels -> crop pixels.

    Raises:
        ValueError: If all landmarks coincide or are not finite.
    """
    source = np.asarray(landmarks, np.float64)
    target = template_pixels(crop_size)
    source_mean, target_mean = source.mean(axis=0), target.mean(axis=0)
    source_plane = (source - source_mean) @ (1, 1j)
    target_plane = (target - target_mean) @ (1, 1j)
    spread = np.vdot(source_plane, source_plane).real
    if not (np.isfinite(spread) and spread > 0):
        raise ValueError(f"landmarks span no area: {source.tolist()}")
    factor = np.vdot(source_plane, target_plane) / spread
    linear = np.array([[factor.real, -factor.imag], [factor.imag, factor.real]])
    return np.column_stack([linear, target_mean - linear @ source_mean])


def scale_of(matrix: NDArray[np.float64]) -> float:
    """How many crop pixels one photo pixel becomes along each axis."""
    return math.sqrt(abs(float(np.linalg.det(matrix[:, :2]))))


def invert(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """The transform back, float64 (2, 3)."""
    linear = np.linalg.inv(matrix[:, :2])
    return np.column_stack([linear, -linear @ matrix[:, 2]])


def transform_points(matrix: NDArray[np.float64], points: ArrayLike) -> NDArray[np.float64]:
    """Applies a (2, 3) transform to points (N, 2); float64 (N, 2)."""
    return np.asarray(np.asarray(points, np.float64) @ matrix[:, :2].T + matrix[:, 2])


def crop_face(
    pixels: NDArray[np.uint8], matrix: NDArray[np.float64], crop_size: int
) -> NDArray[np.uint8]:
    """Samples the crop that a transform describes.

    A source more than twice as large as its crop is averaged over whole blocks of pixels first, and
    a Gaussian does the rest, so that fine texture does not turn into moire. Beyond the photo's edge
    the border pixels are repeated.

    Args:
        pixels: uint8 (H, W, 3), RGB.
        matrix: (2, 3), photo pixels -> crop pixels.
        crop_size: Side S of the crop.

    Returns:
        uint8 (S, S, 3), RGB.
    """
    block = max(1, math.floor(0.5 / scale_of(matrix)))
    source, to_crop = _block_average(pixels, matrix, crop_size, block)
    sigma = antialias_sigma(scale_of(to_crop))
    if sigma > 0:
        source = cv2.GaussianBlur(source, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE)
    crop = cv2.warpAffine(
        source,
        to_crop,
        (crop_size, crop_size),
        flags=cv2.INTER_CUBIC,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return np.asarray(crop, np.uint8)


def antialias_sigma(scale: float) -> float:
    """The Gaussian blur, in source pixels, that an image needs before shrinking by `scale`.

    Both the source and the result count as blurred by half a pixel of their own (Lowe 2004).
    """
    return 0.5 * math.sqrt(scale**-2 - 1) if scale < 1 else 0.0


def bounds_of(
    matrix: NDArray[np.float64], rect: tuple[float, float, float, float]
) -> tuple[int, int, int, int]:
    """The smallest whole-pixel `x0, y0, x1, y1` (ends open) around a transformed rectangle."""
    x0, y0, x1, y1 = rect
    corners = transform_points(matrix, [(x0, y0), (x1, y0), (x0, y1), (x1, y1)])
    low, high = np.floor(corners.min(axis=0)), np.ceil(corners.max(axis=0)) + 1
    return int(low[0]), int(low[1]), int(high[0]), int(high[1])


def _block_average(
    pixels: NDArray[np.uint8], matrix: NDArray[np.float64], crop_size: int, block: int
) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    """The part of the photo under the crop, shrunk by whole blocks, and its way to the crop."""
    height, width = pixels.shape[:2]
    margin = 4 * block
    edge = crop_size - 1.0
    x0, y0, x1, y1 = bounds_of(invert(matrix), (0.0, 0.0, edge, edge))
    # At least one pixel of the photo stays in, for its border to be repeated.
    x0, y0 = min(max(x0 - margin, 0), width - 1), min(max(y0 - margin, 0), height - 1)
    x1, y1 = max(min(x1 + margin, width), x0 + 1), max(min(y1 + margin, height), y0 + 1)
    region = pixels[y0:y1, x0:x1]
    right, bottom = -(x1 - x0) % block, -(y1 - y0) % block
    if right or bottom:
        region = cv2.copyMakeBorder(region, 0, bottom, 0, right, cv2.BORDER_REPLICATE)
    if block > 1:
        size = region.shape[1] // block, region.shape[0] // block
        region = cv2.resize(region, size, interpolation=cv2.INTER_AREA)
    to_crop = matrix.copy()
    center = (block - 1) / 2
    to_crop[:, 2] += matrix[:, :2] @ (x0 + center, y0 + center)
    to_crop[:, :2] *= block
    return np.ascontiguousarray(region, np.uint8), to_crop
