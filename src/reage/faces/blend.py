"""Puts what a model changed in a crop back into the photo, without a seam."""

from __future__ import annotations

import math
from typing import Final, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from reage.faces.align import antialias_sigma, bounds_of, invert, scale_of, transform_points
from reage.faces.change import delta_of, flow_of, move_pixels
from reage.faces.types import Face

# One unit of an image in [-1, 1] in units of 0..255.
LEVELS_PER_UNIT: Final = 127.5

# All in units of the crop side. The mesh's outline ends below the hairline: the part above the eyes
# is stretched away from them by a factor.
_FOREHEAD_STRETCH: Final = 1.3
_FEATHER_SIGMA: Final = 0.05
_EDGE_CLEAR: Final = 0.02
_EDGE_FULL: Final = 0.18
# Where the blurred outline is this faint the mask is zero, where it is this strong it is one. The
# middle lies below one half: the cheek's and chin's own edge still gets most of the change.
_FAINT: Final = 0.02
_STRONG: Final = 0.70
_SUBPIXEL_BITS: Final = 6
_CUBIC_REACH: Final = 3

_Real = TypeVar("_Real", np.float32, np.float64)


def face_mask(face: Face, matrix: NDArray[np.float64], crop_size: int) -> NDArray[np.float32]:
    """How much of the change each pixel of a crop may show.

    One over the face, feathered across its outline, zero elsewhere and along the crop's edge. The
    outline is the mesh's, with the forehead drawn up to the hairline.

    Args:
        face: The face; its coordinates are pixels of the photo.
        matrix: (2, 3), photo pixels -> crop pixels.
        crop_size: Side S of the crop.

    Returns:
        float32 (S, S) in [0, 1].
    """
    outline = stretch_forehead(
        transform_points(matrix, face.oval), transform_points(matrix, face.landmarks)
    )
    sharp = fill_outline(outline, crop_size)
    sigma = _FEATHER_SIGMA * crop_size
    soft = cv2.GaussianBlur(sharp, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE)
    mask = smoothstep((soft - _FAINT) / (_STRONG - _FAINT)) * edge_window(crop_size)
    return np.asarray(mask, np.float32)


def fill_outline(outline: NDArray[np.float64], crop_size: int) -> NDArray[np.float32]:
    """One inside an outline (36, 2), xy in the crop, zero outside; float32 (S, S)."""
    canvas = np.zeros((crop_size, crop_size), np.uint8)
    # Fixed point keeps the mask from jumping by whole pixels between the frames of a video.
    fixed = np.round(outline * (1 << _SUBPIXEL_BITS)).astype(np.int32)
    cv2.fillPoly(canvas, [fixed], 255, lineType=cv2.LINE_AA, shift=_SUBPIXEL_BITS)
    return canvas.astype(np.float32) / np.float32(255)


def stretch_forehead(
    outline: NDArray[np.float64], landmarks: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Moves the outline's points above the eyes further away from them.

    Args:
        outline: (36, 2), xy.
        landmarks: (5, 2), xy in the same coordinates.
    """
    eyes, mouth = landmarks[:2].mean(axis=0), landmarks[3:].mean(axis=0)
    up = eyes - mouth
    length = np.linalg.norm(up)
    if length == 0:
        return outline
    up = up / length
    height = np.clip((outline - eyes) @ up, 0, None)
    return np.asarray(outline + (_FOREHEAD_STRETCH - 1) * height[:, None] * up)


def edge_window(crop_size: int) -> NDArray[np.float64]:
    """Zero along the crop's edge, one well inside; float64 (S, S)."""
    position = (np.arange(crop_size) + 0.5) / crop_size
    distance = np.minimum(position, 1 - position)
    ramp = smoothstep((distance - _EDGE_CLEAR) / (_EDGE_FULL - _EDGE_CLEAR))
    return np.outer(ramp, ramp)


def smoothstep(value: NDArray[_Real]) -> NDArray[_Real]:
    """A ramp from 0 at 0 to 1 at 1 that starts and ends level: `3 t**2 - 2 t**3`."""
    ramp = np.clip(value, 0, 1)
    return ramp * ramp * (3 - 2 * ramp)


def paste_change(
    pixels: NDArray[np.uint8],
    change: NDArray[np.float32],
    mask: NDArray[np.float32],
    matrix: NDArray[np.float64],
    *,
    in_place: bool = False,
) -> NDArray[np.uint8]:
    """Makes a change, computed in a crop, in the photo at the photo's own resolution.

    The delta is added, enlarged bicubically, and the photo's own pixels are moved by the flow, so
    the photo keeps its detail however small the crop is; a mask may be finer than the change.
    Pixels where the mask is zero keep their exact values, so several faces, even overlapping ones,
    can be pasted one after another.

    Args:
        pixels: uint8 (H, W, 3), RGB.
        change: float32 (S, S, 3 or 5), see `reage.faces.change`; 2.0 of a delta is 255 levels.
        mask: float32 (M, M) in [0, 1], of the same square, zero along its edge.
        matrix: (2, 3), photo pixels -> crop pixels of the change.
        in_place: Changes `pixels` themselves, which spares a copy per face.

    Returns:
        uint8 (H, W, 3), a new array unless `in_place`.
    """
    result = pixels if in_place else pixels.copy()
    change, matrix = _enlarged(change, matrix, mask.shape[0])
    rect = _masked_rect(mask, matrix, pixels.shape)
    if rect is None:
        return result
    x0, y0, x1, y1 = rect
    to_crop = matrix.copy()
    to_crop[:, 2] += matrix[:, :2] @ (x0, y0)
    size = x1 - x0, y1 - y0
    covered = _warp(mask, to_crop, size, cv2.INTER_LINEAR) > 0
    levels = (delta_of(change) * mask[..., None] * LEVELS_PER_UNIT).astype(np.float32)
    sigma = antialias_sigma(scale_of(invert(matrix)))
    if sigma > 0:
        levels = cv2.GaussianBlur(levels, (0, 0), sigma, borderType=cv2.BORDER_CONSTANT)
    region = result[y0:y1, x0:x1]
    aged = _warp(levels, to_crop, size, cv2.INTER_CUBIC)
    aged += region
    np.clip(np.rint(aged, out=aged), 0, 255, out=aged)
    cv2.copyTo(aged.astype(np.uint8), covered.view(np.uint8), region)
    flow = flow_of(change)
    if flow is not None and flow.any():
        moved = _moved(result, rect, to_crop, flow * mask[..., None])
        cv2.copyTo(moved, covered.view(np.uint8), region)
    return result


def _moved(
    pixels: NDArray[np.uint8],
    rect: tuple[int, int, int, int],
    to_crop: NDArray[np.float64],
    flow: NDArray[np.float32],
) -> NDArray[np.uint8]:
    """A part of the photo after its pixels are moved by the flow of a crop, in sides of the crop.

    Args:
        pixels: uint8 (H, W, 3).
        rect: The part, `x0, y0, x1, y1`.
        to_crop: (2, 3), pixels of the part -> crop pixels.
        flow: float32 (S, S, 2), zero along its edge.
    """
    x0, y0, x1, y1 = rect
    turn = invert(to_crop)[:, :2] * flow.shape[0]
    in_photo = np.ascontiguousarray(flow @ turn.T.astype(np.float32))
    reach = math.ceil(float(np.abs(in_photo).max())) + _CUBIC_REACH
    left, top = max(x0 - reach, 0), max(y0 - reach, 0)
    around = pixels[top : y1 + reach, left : x1 + reach]
    offsets = _warp(in_photo, to_crop, (x1 - x0, y1 - y0), cv2.INTER_LINEAR)
    x = np.arange(x0 - left, x1 - left, dtype=np.float32) + offsets[..., 0]
    y = np.arange(y0 - top, y1 - top, dtype=np.float32)[:, None] + offsets[..., 1]
    return move_pixels(around, x, y)


def _enlarged(
    change: NDArray[np.float32], matrix: NDArray[np.float64], side: int
) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """A crop's change and its transform at another side."""
    scale = side / change.shape[0]
    if scale == 1:
        return change, matrix
    resized = cv2.resize(change, (side, side), interpolation=cv2.INTER_CUBIC)
    # Pixel centers are at integers, so it is the edges, half a pixel off, that scale.
    center = np.array([[0, 0, (scale - 1) / 2]])
    return np.asarray(resized, np.float32), matrix * scale + center


def _warp(
    crop: NDArray[np.float32], to_crop: NDArray[np.float64], size: tuple[int, int], method: int
) -> NDArray[np.float32]:
    """Samples a crop at each pixel of a part of the photo, `size` wide and high; zero outside."""
    flags = method | cv2.WARP_INVERSE_MAP
    return np.asarray(cv2.warpAffine(crop, to_crop, size, flags=flags), np.float32)


def _masked_rect(
    mask: NDArray[np.float32], matrix: NDArray[np.float64], shape: tuple[int, ...]
) -> tuple[int, int, int, int] | None:
    """The photo's rectangle that the mask reaches, or None where it reaches nothing."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not rows.size:
        return None
    # Interpolation carries the mask to within one pixel of its neighbors.
    around = (columns[0] - 1.0, rows[0] - 1.0, columns[-1] + 1.0, rows[-1] + 1.0)
    x0, y0, x1, y1 = bounds_of(invert(matrix), around)
    x0, y0, x1, y1 = max(x0, 0), max(y0, 0), min(x1, shape[1]), min(y1, shape[0])
    return (x0, y0, x1, y1) if x0 < x1 and y0 < y1 else None
