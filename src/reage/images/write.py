"""Writing pixels back as the kind of file that the photo came from."""

from __future__ import annotations

import io
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from reage.errors import ImageWriteError, MissingExtraError, ReageError
from reage.images.metadata import save_options
from reage.images.photo import Photo, flattened
from reage.images.quiet import quiet_pillow
from reage.scratch import scratch

_FORMAT_OF_SUFFIX: Final = {
    **dict.fromkeys((".jpg", ".jpeg", ".jpe", ".jfif", ".mpo"), "JPEG"),
    **dict.fromkeys((".heic", ".heif", ".hif"), "HEIF"),
    **dict.fromkeys((".tif", ".tiff"), "TIFF"),
    **dict.fromkeys((".jp2", ".j2k", ".jpx"), "JPEG2000"),
    **dict.fromkeys((".ppm", ".pgm", ".pnm"), "PPM"),
    **dict.fromkeys((".bmp", ".dib"), "BMP"),
    ".png": "PNG",
    ".webp": "WEBP",
    ".avif": "AVIF",
    ".gif": "GIF",
}
_WITHOUT_ALPHA: Final = ("JPEG", "PPM", "BMP")
_GREY_MODES: Final = ("1", "L", "LA", "La", "I", "F")


def to_pil(photo: Photo, pixels: NDArray[np.uint8]) -> Image.Image:
    """Puts new pixels into a Pillow image, with the photo's alpha and metadata.

    Args:
        photo: The photo that the pixels were made from.
        pixels: (H, W, 3) uint8, sRGB in RGB order, upright. Of another size than the photo, the
            image is opaque.

    Returns:
        An image of mode "RGB", or "RGBA" if the photo has alpha. Its `info` holds what
        `Image.save` takes up by itself or by name: "icc_profile", "exif", "xmp", "dpi".
    """
    image = _layered(photo, pixels)
    metadata = photo.metadata
    known = {
        "icc_profile": metadata.icc,
        "exif": metadata.exif,
        "xmp": metadata.xmp,
        "dpi": metadata.dpi,
    }
    image.info.update({key: value for key, value in known.items() if value is not None})
    return image


def encode_photo(photo: Photo, pixels: NDArray[np.uint8], *, format: str | None = None) -> bytes:
    """Encodes new pixels as a file of the photo's format, with its alpha and metadata.

    Untouched pixels stay as they were read in PNG, TIFF, BMP, JPEG 2000, PPM and WebP files that
    were stored without loss. A JPEG is compressed with its own quantisation tables and subsampling,
    anything else that becomes a JPEG at quality 95 without subsampling. Pictures that were grey
    and still are stay grey. What a format cannot hold changes as little as possible: 16-bit and
    palette pictures become 8-bit grey or RGB, CMYK becomes RGB, an animation its first picture,
    transparent parts turn white in formats without alpha (JPEG, BMP, PPM), and a GIF of more than
    256 colours is reduced to the best 256.

    Args:
        photo: The photo that the pixels were made from.
        pixels: (H, W, 3) uint8, sRGB in RGB order, upright. Of another size than the photo, the
            file is opaque.
        format: Pillow's name of another format to write, e.g. "PNG".

    Raises:
        ImageWriteError: If the picture cannot be written in that format.
        MissingExtraError: If that format is "HEIF" and `pillow-heif` is not installed.
    """
    return _encode(photo, pixels, format or photo.format, photo.name)


def write_photo(
    path: str | os.PathLike[str],
    photo: Photo,
    pixels: NDArray[np.uint8],
    *,
    format: str | None = None,
    finish: Callable[[bytes, str], bytes] | None = None,
) -> None:
    """Writes new pixels to a file; see `encode_photo` for what becomes of each format.

    The file is there whole or not at all: it is written beside its place and then moved into it.

    Args:
        path: Where to write. Its ending decides the format, without one the photo's own does.
        photo: The photo that the pixels were made from.
        pixels: (H, W, 3) uint8, sRGB in RGB order, upright.
        format: Pillow's name of a format that overrides the ending, e.g. "PNG".
        finish: Takes the encoded file and the name of its format, returns what is written.

    Raises:
        ImageWriteError: If the folder is missing or cannot be written to, the ending is unknown,
            or the picture cannot be written in that format.
        MissingExtraError: If the format is "HEIF" and `pillow-heif` is not installed.
    """
    check_output_path(path)
    chosen = format or format_for_path(path) or photo.format
    data = _encode(photo, pixels, chosen, os.fspath(path))
    replace_file(path, finish(data, chosen) if finish else data)


def replace_file(path: str | os.PathLike[str], data: bytes) -> None:
    """Writes a file that is there whole or not at all, in place of an older one.

    A link keeps leading to the file that it names, which keeps its permissions.

    Raises:
        ImageWriteError: If that fails; the older file is as it was then.
    """
    target = Path(os.path.realpath(path))
    try:
        replaces = target.exists()
        with scratch(target.parent) as temporary:
            with temporary.open("xb") as stream:
                stream.write(data)
                if replaces:
                    # Else a power cut might leave neither the old file nor the new one.
                    stream.flush()
                    os.fsync(stream.fileno())
            if replaces:
                shutil.copymode(target, temporary)
            temporary.replace(target)
    except OSError as error:
        raise _unwritable(path, error) from error


def format_for_path(path: str | os.PathLike[str]) -> str | None:
    """Pillow's name of the format that a path's ending stands for; None without an ending.

    Raises:
        ImageWriteError: If the ending is unknown.
    """
    suffix = Path(path).suffix.lower()
    if not suffix:
        return None
    if suffix not in _FORMAT_OF_SUFFIX:
        raise ImageWriteError(
            path, f"ends in {suffix}, which is no picture format", "use .jpg, .png, .webp or .tif"
        )
    return _FORMAT_OF_SUFFIX[suffix]


def check_output_path(path: str | os.PathLike[str]) -> None:
    """Checks that a picture can be written to a path, before any work is spent on it.

    Raises:
        ImageWriteError: If the ending is unknown, the folder is missing or cannot be written to,
            or the path leads to something that is no regular file.
    """
    format_for_path(path)
    check_writable_path(path)


def check_writable_path(path: str | os.PathLike[str]) -> None:
    """Checks that a file of any kind can be written to a path.

    Raises:
        ImageWriteError: If the folder is missing or cannot be written to, or the path leads to
            something that is no regular file.
    """
    target = Path(path)
    try:
        if target.is_dir():
            raise ImageWriteError(path, "is a folder", "name a file in it")
        if target.exists() and not target.is_file():
            raise ImageWriteError(path, "is no regular file", "name another file")
        if not target.parent.is_dir():
            raise ImageWriteError(
                path, f"lies in the folder {target.parent}, which does not exist", "create it first"
            )
        writable = os.access(target.parent, os.W_OK) and (
            not target.exists() or os.access(target, os.W_OK)
        )
    except (OSError, ValueError) as error:
        raise _unwritable(path, error) from error
    if not writable:
        raise ImageWriteError(path, "may not be written", "check permissions, or name another file")


def _layered(photo: Photo, pixels: NDArray[np.uint8]) -> Image.Image:
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3:
        raise ValueError(f"pixels must be (H, W, 3) uint8, not {pixels.shape} {pixels.dtype}")
    image = Image.fromarray(np.ascontiguousarray(pixels))
    if photo.alpha is not None and photo.alpha.shape == pixels.shape[:2]:
        image.putalpha(Image.fromarray(photo.alpha))
    return image


def _encode(photo: Photo, pixels: NDArray[np.uint8], format_name: str, subject: str) -> bytes:
    image = _layered(photo, pixels)
    mode = photo.metadata.mode
    if (mode in _GREY_MODES or mode.startswith("I;")) and _is_grey(pixels):
        image = image.convert("LA" if image.mode == "RGBA" else "L")
    if format_name in _WITHOUT_ALPHA and image.mode in ("LA", "RGBA"):
        image = flattened(image)
    if format_name == "GIF":
        image = _reduced(image)
    options = save_options(photo.metadata, format_name, image.mode)
    try:
        with quiet_pillow():
            return _save(image, format_name, options, subject)
    except ReageError:
        raise
    except Exception as error:  # encoders raise anything on what they cannot hold
        detail = " ".join(str(error).split()).rstrip(".") or type(error).__name__
        raise ImageWriteError(
            subject, f"cannot be written as {format_name} ({detail})", "choose PNG instead"
        ) from error


def _is_grey(pixels: NDArray[np.uint8]) -> bool:
    red, green, blue = pixels[..., 0], pixels[..., 1], pixels[..., 2]
    return bool(np.array_equal(red, green) and np.array_equal(green, blue))


def _reduced(image: Image.Image) -> Image.Image:
    """Reduces an image to a palette: exactly, if its colours fit into one.

    GIF knows transparent or not: what is less than half opaque becomes the last palette entry.
    """
    hidden = np.asarray(image.convert("RGBA").getchannel("A")) < 128
    room = 255 if hidden.any() else 256
    rgb = image.convert("RGB")
    codes = np.asarray(rgb, np.int32) @ np.array([1 << 16, 1 << 8, 1], np.int32)
    colors, index = np.unique(np.where(hidden, codes.flat[0], codes), return_inverse=True)
    if len(colors) > room:
        reduced = rgb.quantize(room)
    else:
        reduced = Image.fromarray(index.reshape(codes.shape).astype(np.uint8), "P")
        reduced.putpalette(
            np.stack([colors >> 16, colors >> 8, colors], -1).astype(np.uint8).tobytes()
        )
    if hidden.any():
        reduced.paste(room, mask=Image.fromarray(hidden))
        reduced.info["transparency"] = room
    return reduced


def _save(image: Image.Image, format_name: str, options: dict[str, Any], subject: str) -> bytes:
    buffer = io.BytesIO()
    if format_name != "HEIF":
        image.save(buffer, format_name, **options)
        return buffer.getvalue()
    try:
        from pillow_heif import from_pillow
    except ImportError as error:
        raise MissingExtraError(
            subject,
            "is to be a HEIC file, which needs pillow-heif",
            "run pip install 'reage[heic]'",
        ) from error
    from_pillow(image).save(buffer, **options)
    return buffer.getvalue()


def _unwritable(path: str | os.PathLike[str], error: Exception) -> ImageWriteError:
    reason = getattr(error, "strerror", None) or error
    return ImageWriteError(path, f"cannot be written ({reason})", "name another file or folder")
