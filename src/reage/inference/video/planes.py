"""Adds a change of colour to the planes of a decoded frame, and leaves every other sample alone.

A whole frame that goes to RGB and back loses a little everywhere. What changes in the face is
therefore converted on its own: the step from RGB to luma and chroma is linear, so it holds for
differences too.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from av.video.format import VideoFormat
    from av.video.frame import VideoFrame

_PLANAR: Final = re.compile(r"yuvj?4\d\dp(\d+le)?|gray(\d+le)?")
# Codes of ITU-T H.273, "MatrixCoefficients" and FFmpeg's colour ranges.
_UNSPECIFIED: Final = 2
_BT709: Final = 1
_BT601: Final = 5
_LIMITED_RANGE: Final = 1
_FULL_RANGE: Final = 2
# Weights of red and blue in luma. BT.601 has two codes.
_LUMA_WEIGHTS: Final = {
    _BT709: (0.2126, 0.0722),
    4: (0.30, 0.11),
    _BT601: (0.299, 0.114),
    6: (0.299, 0.114),
    7: (0.212, 0.087),
    9: (0.2627, 0.0593),
    10: (0.2627, 0.0593),
}
# Players take untagged pictures of at least this height for BT.709.
_HD_HEIGHT: Final = 720


def is_planar_yuv(video_format: VideoFormat) -> bool:
    """Whether `add_change` knows the pixel format: luma and chroma in planes of their own."""
    return _PLANAR.fullmatch(video_format.name) is not None


def to_rgb(frame: VideoFrame) -> NDArray[np.uint8]:
    """The frame's picture as it is stored, uint8 (H, W, 3), RGB, by its own colour tags."""
    pixels = frame.to_ndarray(format="rgb24", src_colorspace=_matrix_of(frame))
    return np.asarray(pixels, np.uint8)


def fit_frame(frame: VideoFrame, width: int, height: int, pixel_format: str) -> VideoFrame:
    """The frame in the size and format that is written; the frame itself where it fits already."""
    if (frame.width, frame.height, frame.format.name) == (width, height, pixel_format):
        return frame
    kind = frame.format
    colors: dict[str, Any] = (
        {"dst_colorspace": _BT709, "dst_color_range": _LIMITED_RANGE}
        if kind.is_rgb or kind.has_palette
        else {}
    )
    return frame.reformat(width, height, pixel_format, **colors)


def add_change(frame: VideoFrame, change: NDArray[np.integer], x: int, y: int) -> None:
    """Adds a change of colour to a part of a frame, in place.

    Args:
        frame: Planar YUV or grey; see `is_planar_yuv`. Its memory must not be shared.
        change: (h, w, 3), RGB, in levels of 0..255.
        x: Where the part begins, pixels from the left.
        y: Where the part begins, pixels from the top.
    """
    shifts = _chroma_shifts(frame.format)
    across, down = 1 << shifts[0], 1 << shifts[1]
    padded, x, y = _align(change.astype(np.float32), x, y, across, down)
    components = padded @ change_matrix(frame).T
    _add(frame, 0, components[..., 0], x, y)
    if len(frame.format.components) == 1:
        return
    size = padded.shape[1] // across, padded.shape[0] // down
    chroma = np.ascontiguousarray(components[..., 1:])
    if (across, down) != (1, 1):
        chroma = cv2.resize(chroma, size, interpolation=cv2.INTER_AREA)
    for plane in (1, 2):
        _add(frame, plane, chroma[..., plane - 1], x >> shifts[0], y >> shifts[1])


def change_matrix(frame: VideoFrame) -> NDArray[np.float32]:
    """From a difference of RGB in levels of 0..255 to one of Y, Cb, Cr in samples, (3, 3)."""
    red, blue = _LUMA_WEIGHTS.get(_matrix_of(frame), _LUMA_WEIGHTS[_BT709])
    luma = np.array([red, 1 - red - blue, blue])
    blueness = (np.array([0.0, 0.0, 1.0]) - luma) / (2 * (1 - blue))
    redness = (np.array([1.0, 0.0, 0.0]) - luma) / (2 * (1 - red))
    matrix = np.stack([luma, blueness, redness])
    bits = frame.format.components[0].bits
    if is_full_range(frame):
        return np.asarray(matrix * (((1 << bits) - 1) / 255), np.float32)
    spans = np.array([219.0, 224.0, 224.0]) / 255 * (1 << (bits - 8))
    return np.asarray(matrix * spans[:, None], np.float32)


def is_full_range(frame: VideoFrame) -> bool:
    """Whether black and white are the lowest and highest sample value."""
    return frame.color_range == _FULL_RANGE or frame.format.name.startswith("yuvj")


def _matrix_of(frame: VideoFrame) -> int:
    code = int(frame.colorspace)
    if code != _UNSPECIFIED:
        return code
    return _BT709 if frame.height >= _HD_HEIGHT else _BT601


def _chroma_shifts(video_format: VideoFormat) -> tuple[int, int]:
    """How often chroma is halved across and down."""
    if len(video_format.components) == 1:
        return 0, 0
    side = 1 << 8
    across = side // video_format.chroma_width(side)
    down = side // video_format.chroma_height(side)
    return across.bit_length() - 1, down.bit_length() - 1


def _align(
    change: NDArray[np.float32], x: int, y: int, across: int, down: int
) -> tuple[NDArray[np.float32], int, int]:
    """Widens a part with zeros until it covers whole samples of chroma."""
    left, top = x % across, y % down
    right, bottom = -(x + change.shape[1]) % across, -(y + change.shape[0]) % down
    padded = np.pad(change, ((top, bottom), (left, right), (0, 0)))
    return padded, x - left, y - top


def _add(frame: VideoFrame, index: int, change: NDArray[np.float32], x: int, y: int) -> None:
    """Adds to one plane, rounding, where the change lies within it."""
    component = frame.format.components[index]
    kind: np.dtype[Any] = np.dtype("u1" if component.bits == 8 else "<u2")
    plane: Any = frame.planes[index]
    samples = np.frombuffer(plane, kind).reshape(plane.height, plane.line_size // kind.itemsize)
    part = samples[y : y + change.shape[0], x : min(x + change.shape[1], plane.width)]
    summed = np.rint(part + change[: part.shape[0], : part.shape[1]])
    part[...] = np.clip(summed, 0, (1 << component.bits) - 1)
