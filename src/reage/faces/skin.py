"""Which pixels of a face are bare skin, told by the face's own colours.

The skin of one face is nearly one colour under light that varies slowly: its ratios of red, green
and blue stay, its brightness changes from side to side. So a Gaussian over two log ratios and the
brightness that is left over is fitted to cheeks and nose, then to all of the face that agrees with
them. Frames, hair and headwear lie far from it, on skin of any tone; on a face without colour the
brightness alone decides.

What has the colour of skin cannot be told from it: a hand in front of the face, blond or thin hair
on the forehead, grey stubble. A cloth over nose and mouth is taken for the skin, and skin in deep
shade with a sharp edge for something else; see docs/mask.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from reage.faces.align import crop_face, estimate_similarity, scale_of, transform_points
from reage.faces.blend import face_mask, fill_outline, smoothstep, stretch_forehead
from reage.faces.types import Face

_MAX_SIDE: Final = 320
_FEATHER_SIDE: Final = 128
# The model is fitted on a crop of at most this side.
_FIT_SIDE: Final = 64
_ROUNDS: Final = 3
# Where the fit begins: the way from an eye to its corner of the mouth, and from between the eyes to
# the tip of the nose; radii in distances of the eyes.
_CHEEK: Final = 0.55
_CHEEK_RADIUS: Final = 0.17
_NOSE: Final = 0.65
_NOSE_RADIUS: Final = 0.10
# Added to 0..255 before the logarithm, so that the noise of dark pixels does not count as colour.
_DARK: Final = 12.0
# What skin varies by at least, in natural logarithms: red to green, blue to green, brightness.
_FLOOR: Final = (0.05, 0.05, 0.17)
# Highlights shine: what is brighter than the model counts less than what is darker.
_SHINE: Final = 0.5
# Up to so many standard deviations from the model a pixel is skin, and from so many on it is none.
_NEAR: Final = 2.0
_FAR: Final = 4.0
_FIT_FAR: Final = 3.0
# Keeps the brightness from bending where little skin holds it.
_STIFFNESS: Final = (0.0, 0.02, 0.02, 0.05, 0.05, 0.05)
# The guided filter: radius in crop sides, and the contrast, squared, that it takes for an edge.
_RADIUS: Final = 0.012
_EDGE: Final = 4e-4
# Filtered shares below the one count as none, those above the other as skin.
_FAINT: Final = 0.25
_STRONG: Final = 0.85

_Real = TypeVar("_Real", np.float32, np.float64)


@dataclass(frozen=True, eq=False)
class SkinModel:
    """The colour of one face's skin.

    Attributes:
        shading: float64 (6,), the brightness of skin as a quadratic in x and y, both from -1 at
            one edge of the crop to 1 at the other: coefficients of 1, x, y, xx, xy, yy.
        mean: float64 (3,), of red to green, blue to green, and brightness less `shading`, in
            natural logarithms.
        whitening: float64 (3, 3), takes a difference from `mean` to standard deviations.
    """

    shading: NDArray[np.float64]
    mean: NDArray[np.float64]
    whitening: NDArray[np.float64]


def skin_mask(pixels: NDArray[np.uint8], face: Face, side: int) -> NDArray[np.float32]:
    """How much of the change each pixel of a crop may show if only skin is to change.

    `face_mask` times the share of skin. It ends at the outline, so that neck and background stay.

    Args:
        pixels: uint8 (H, W, 3), RGB, the photo.
        face: The face; its coordinates are pixels of the photo.
        side: Side S of the crop.

    Returns:
        float32 (S, S) in [0, 1].
    """
    matrix = estimate_similarity(face.landmarks, side)
    landmarks = transform_points(matrix, face.landmarks)
    outline = stretch_forehead(transform_points(matrix, face.oval), landmarks)
    share = skin_share(crop_face(pixels, matrix, side), landmarks, outline)
    # The feathered mask has no detail that a larger side would show.
    coarse = min(side, _FEATHER_SIDE)
    feather = face_mask(face, estimate_similarity(face.landmarks, coarse), coarse)
    feather = cv2.resize(feather, (side, side), interpolation=cv2.INTER_LINEAR)
    return np.asarray(share * feather, np.float32)


def detailed_side(face: Face, size: int) -> int:
    """The side of crop that shows a face with all its detail, from `size` to 320 pixels."""
    own = round(size / scale_of(estimate_similarity(face.landmarks, size)))
    return max(size, min(own, _MAX_SIDE))


def skin_share(
    crop: NDArray[np.uint8], landmarks: NDArray[np.float64], outline: NDArray[np.float64]
) -> NDArray[np.float32]:
    """How much of each pixel is skin: one on skin, zero on all else and outside the outline.

    Args:
        crop: uint8 (S, S, 3), RGB.
        landmarks: (5, 2), xy in the crop.
        outline: (36, 2), xy in the crop.

    Returns:
        float32 (S, S) in [0, 1].
    """
    side = crop.shape[0]
    model = fit_skin(crop, landmarks, outline)
    rest = _features(crop)
    rest[2] -= _shading(model, side)
    likely = smoothstep((_FAR - _distance(rest, model)) / (_FAR - _NEAR))
    radius = max(1, round(_RADIUS * side))
    guide = cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY).astype(np.float32) / 255
    share = smoothstep((_guided(guide, likely, radius) - _FAINT) / (_STRONG - _FAINT))
    within = cv2.blur(fill_outline(outline, side), (2 * radius + 1, 2 * radius + 1))
    return np.asarray(share * smoothstep(2 * within - 1), np.float32)


def fit_skin(
    crop: NDArray[np.uint8], landmarks: NDArray[np.float64], outline: NDArray[np.float64]
) -> SkinModel:
    """Fits the colour of a face's skin, beginning with cheeks and nose; see `skin_share`."""
    scale = min(1.0, _FIT_SIDE / crop.shape[0])
    if scale < 1:
        crop = cv2.resize(crop, (_FIT_SIDE, _FIT_SIDE), interpolation=cv2.INTER_AREA)
        landmarks, outline = ((points + 0.5) * scale - 0.5 for points in (landmarks, outline))
    side = crop.shape[0]
    inside = fill_outline(outline, side) > 0.5
    seeds = _seeds(landmarks, side) & inside
    if not seeds.any():
        seeds = inside = np.ones_like(inside)
    features = _features(crop)[:, inside].astype(np.float64)
    terms = _quadratic(side)[inside]
    weights = seeds[inside] * _closeness_to_median(features, seeds[inside])
    # Cheeks and nose hold a slope of brightness, but no curve that may be drawn on to the forehead.
    model = _fit(features, terms[:, :3], weights)
    for _ in range(_ROUNDS):
        rest = features - np.outer((0, 0, 1), terms @ model.shading)
        weights = smoothstep(1 - _distance(rest, model) / _FIT_FAR)
        if weights.sum() < 1:
            break
        model = _fit(features, terms, weights)
    return model


def _fit(
    features: NDArray[np.float64], terms: NDArray[np.float64], weights: NDArray[np.float64]
) -> SkinModel:
    """The model of N weighted pixels: ridge regression of the brightness, then a Gaussian."""
    count = terms.shape[1]
    weighted = terms * weights[:, None]
    stiff = np.diag(_STIFFNESS[:count]) * weights.sum()
    shading = np.zeros(len(_STIFFNESS))
    shading[:count] = np.linalg.solve(weighted.T @ terms + stiff, weighted.T @ features[2])
    rest = features - np.outer((0, 0, 1), terms @ shading[:count])
    mean = rest @ weights / weights.sum()
    spread = rest - mean[:, None]
    covariance = (spread * weights) @ spread.T / weights.sum()
    precision = np.linalg.inv(covariance + np.diag(np.square(_FLOOR)))
    return SkinModel(shading, mean, np.linalg.cholesky(precision).T)


def _distance(rest: NDArray[_Real], model: SkinModel) -> NDArray[_Real]:
    """How far colours (3, ...), less their shading, lie from the model, in standard deviations."""
    spread = rest.reshape(3, -1) - model.mean[:, None].astype(rest.dtype)
    spread[2] -= (1 - _SHINE) * np.maximum(spread[2], 0)
    whitened = model.whitening.astype(rest.dtype) @ spread
    squared: NDArray[_Real] = np.square(whitened).sum(axis=0)
    return np.sqrt(squared).reshape(rest.shape[1:])


def _features(crop: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Natural logarithms of red to green, of blue to green, and of the brightness, (3, S, S)."""
    logarithms = np.log((np.arange(256) + _DARK) / 255).astype(np.float32)
    red, green, blue = cv2.split(cv2.LUT(crop, logarithms))
    return np.asarray([red - green, blue - green, (red + green + blue) / 3], np.float32)


def _shading(model: SkinModel, side: int) -> NDArray[np.float32]:
    """The brightness that the model expects of skin, (S, S)."""
    x = _positions(side).astype(np.float32)
    y = x[:, None]
    one, by_x, by_y, by_xx, by_xy, by_yy = model.shading.astype(np.float32)
    along, down = one + (by_x + by_xx * x) * x, (by_y + by_yy * y) * y
    return np.asarray(along + down + by_xy * y * x, np.float32)


def _quadratic(side: int) -> NDArray[np.float64]:
    """1, x, y, xx, xy and yy at each pixel, (S, S, 6)."""
    x, y = np.meshgrid(_positions(side), _positions(side))
    return np.stack([np.ones_like(x), x, y, x * x, x * y, y * y], axis=-1)


def _positions(side: int) -> NDArray[np.float64]:
    """Where the centers of pixels lie between the edges of the crop, -1 and 1, (S,)."""
    return (np.arange(side) + 0.5) * 2 / side - 1


def _seeds(landmarks: NDArray[np.float64], side: int) -> NDArray[np.bool_]:
    """Discs on both cheeks and the bridge of the nose, (S, S)."""
    eyes, mouth = landmarks[:2], landmarks[3:]
    apart = float(np.linalg.norm(eyes[1] - eyes[0]))
    cheeks = eyes + _CHEEK * (mouth - eyes)
    bridge = eyes.mean(axis=0) + _NOSE * (landmarks[2] - eyes.mean(axis=0))
    canvas = np.zeros((side, side), np.uint8)
    radii = (_CHEEK_RADIUS, _CHEEK_RADIUS, _NOSE_RADIUS)
    for center, radius in zip((*cheeks, bridge), radii, strict=True):
        x, y = np.round(center).astype(int).tolist()
        cv2.circle(canvas, (x, y), max(1, round(radius * apart)), 255, cv2.FILLED)
    return np.asarray(canvas > 0)


def _closeness_to_median(
    features: NDArray[np.float64], seeds: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Weights that keep a lens or a lock of hair among the seeds out of the first fit."""
    chosen = features[:, seeds]
    median = np.median(chosen, axis=1, keepdims=True)
    spread = 1.5 * np.median(np.abs(chosen - median), axis=1, keepdims=True)
    distance = (features - median) / np.maximum(spread, np.reshape(_FLOOR, (3, 1)))
    weights: NDArray[np.float64] = np.exp(-np.square(distance).sum(axis=0) / 8)
    return weights


def _guided(
    guide: NDArray[np.float32], values: NDArray[np.float32], radius: int
) -> NDArray[np.float32]:
    """Values smoothed except across the guide's edges: the guided filter (He et al. 2013)."""

    def mean(plane: NDArray[np.floating]) -> NDArray[np.float32]:
        return np.asarray(cv2.blur(plane, (2 * radius + 1, 2 * radius + 1)), np.float32)

    guide_mean, value_mean = mean(guide), mean(values)
    variance = mean(guide * guide) - guide_mean * guide_mean
    covariance = mean(guide * values) - guide_mean * value_mean
    slope = covariance / (variance + np.float32(_EDGE))
    offset = value_mean - slope * guide_mean
    return np.asarray(mean(slope) * guide + mean(offset), np.float32)
