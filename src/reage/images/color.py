"""Colours: from any mode and ICC profile that a file may hold to 8-bit sRGB and alpha."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms

# A profile that moves no colour by more than this many levels is sRGB itself up to rounding:
# converting would only disturb pixels that are right already.
_SRGB_TOLERANCE: Final = 1
_MODE_OF_SPACE: Final = {"RGB": "RGB", "GRAY": "L", "CMYK": "CMYK", "Lab": "LAB"}
_BAND: Final = 256
_OPAQUE_MODE: Final = {"LA": "L", "RGBA": "RGB"}


def to_srgb(
    image: Image.Image, icc: bytes | None
) -> tuple[NDArray[np.uint8], NDArray[np.uint8] | None, bytes | None]:
    """Converts a loaded image of any mode to 8-bit sRGB.

    Args:
        image: The image; not changed.
        icc: The ICC profile of its file. A broken or unfitting one is ignored, as viewers do.

    Returns:
        Pixels (H, W, 3) uint8, alpha (H, W) uint8 or None, and the ICC profile that is true of
        the returned pixels: the given one if it is sRGB already, an sRGB one if colours were
        converted, None if there was none to use.
    """
    color, alpha = split_alpha(to_8bit(image))
    rgb, profile = _apply_profile(color, icc)
    return _to_array(rgb), None if alpha is None else _to_array(alpha), profile


def to_8bit(image: Image.Image) -> Image.Image:
    """Scales images of more than 8 bits per channel to 8; returns others as they are.

    16-bit modes scale by 255 / 65535. The modes I (32-bit) and F do not say what is white: values
    within 0..1 (F only), 0..255 or 0..65535 are taken as fractions of that range, any others are
    stretched from their minimum to their maximum.
    """
    if not image.mode.startswith(("I", "F")):
        return image
    stored = np.asarray(image)
    extents = [(part.min(), part.max()) for part in map(_finite, _bands(stored))]
    minima, maxima = zip(*extents, strict=True)
    low, high = _value_range(image.mode, float(min(minima)), float(max(maxima)))
    scaled = np.empty(stored.shape, np.uint8)
    for part, target in zip(_bands(stored), _bands(scaled), strict=True):
        levels = (_finite(part) - low) * (255.0 / (high - low))
        target[:] = np.clip(np.rint(levels), 0, 255)
    return Image.fromarray(scaled)


def _bands(values: NDArray[Any]) -> Iterator[NDArray[Any]]:
    """Views of some rows each: what is computed from them is never as large as the picture."""
    return (values[top : top + _BAND] for top in range(0, len(values), _BAND))


def _finite(values: NDArray[Any]) -> NDArray[np.float64]:
    return np.nan_to_num(values.astype(np.float64), posinf=0.0, neginf=0.0)


def _to_array(image: Image.Image) -> NDArray[np.uint8]:
    """The pixels of an image of mode L or RGB; `np.array` would hold them twice for a moment."""
    width, height = image.size
    pixels = np.empty((height, width, 3) if image.mode == "RGB" else (height, width), np.uint8)
    for top, target in zip(range(0, height, _BAND), _bands(pixels), strict=True):
        target[:] = image.crop((0, top, width, top + len(target)))
    return pixels


def _value_range(mode: str, minimum: float, maximum: float) -> tuple[float, float]:
    if mode.startswith("I;16"):
        return 0.0, 65535.0
    whites = (1.0, 255.0, 65535.0) if mode == "F" else (255.0, 65535.0)
    for white in whites:
        if minimum >= 0 and maximum <= white:
            return 0.0, white
    return minimum, maximum if maximum > minimum else minimum + 1.0


def split_alpha(image: Image.Image) -> tuple[Image.Image, Image.Image | None]:
    """Splits an 8-bit image into its opaque part and its straight alpha (mode L, or None)."""
    if not image.has_transparency_data:
        return image, None
    straight = {"La": "LA", "RGBa": "RGBA", "L": "LA", "LA": "LA"}.get(image.mode, "RGBA")
    layered = image if image.mode == straight else image.convert(straight)
    return layered.convert(_OPAQUE_MODE[straight]), layered.getchannel("A")


def srgb_profile() -> bytes:
    """An sRGB ICC profile, the same bytes on every call."""
    made = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    # Bytes 24 to 35 hold the time of creation, which would make equal pictures differ.
    return made[:24] + bytes([7, 208, 0, 1, 0, 1]) + bytes(6) + made[36:]


def _apply_profile(image: Image.Image, icc: bytes | None) -> tuple[Image.Image, bytes | None]:
    """Converts an opaque 8-bit image to RGB; also returns the profile of the result."""
    try:
        return _convert(image, icc)
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError, ImportError):
        return _as_rgb(image), None


def _as_rgb(image: Image.Image) -> Image.Image:
    # Pillow would copy an image that is RGB already.
    return image if image.mode == "RGB" else image.convert("RGB")


def _convert(image: Image.Image, icc: bytes | None) -> tuple[Image.Image, bytes | None]:
    if image.mode == "LAB":
        source = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB"))
    elif not icc:
        return _as_rgb(image), None
    else:
        source = ImageCms.ImageCmsProfile(io.BytesIO(icc))
    native = _MODE_OF_SPACE.get(source.profile.xcolor_space.strip())
    if native is None or not _fits(image.mode, native):
        return _as_rgb(image), None
    transform = _srgb_transform(source, native)
    if native in ("RGB", "L") and _is_identity(transform, native):
        return _as_rgb(image), icc
    converted = _run(transform, image.convert(native))
    return converted, srgb_profile()


def _fits(mode: str, native: str) -> bool:
    if native == "RGB":
        return mode not in ("CMYK", "LAB")
    return mode == native or (native == "L" and mode == "1")


def _srgb_transform(source: ImageCms.ImageCmsProfile, native: str) -> ImageCms.ImageCmsTransform:
    return ImageCms.buildTransform(
        source,
        ImageCms.createProfile("sRGB"),
        native,
        "RGB",
        renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
        flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
    )


def _run(transform: ImageCms.ImageCmsTransform, image: Image.Image) -> Image.Image:
    converted = ImageCms.applyTransform(image, transform)
    if converted is None:
        raise ImageCms.PyCMSError("no image came back")
    if image.mode != "L":
        return converted
    # Rounding may tint a grey by one level; a grey picture has to stay grey.
    green = converted.getchannel("G")
    return Image.merge("RGB", (green, green, green))


def _is_identity(transform: ImageCms.ImageCmsTransform, native: str) -> bool:
    steps = np.linspace(0, 255, 17).round().astype(np.uint8)
    if native == "L":
        sample = Image.fromarray(steps[None])
    else:
        grid = np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), axis=-1)
        sample = Image.fromarray(grid.reshape(1, -1, 3))
    before = np.asarray(sample.convert("RGB"), np.int16)
    after = np.asarray(_run(transform, sample), np.int16)
    return bool(np.abs(after - before).max() <= _SRGB_TOLERANCE)
