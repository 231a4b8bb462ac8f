"""Reading a photo from a path, bytes, a Pillow image or an array."""

from __future__ import annotations

import io
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import IO, Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from reage.errors import ImageReadError, MissingExtraError, ReageError
from reage.images.color import to_srgb
from reage.images.container import (
    fault_of,
    holds_film,
    is_heic,
    is_lossless_webp,
)
from reage.images.metadata import read_metadata, read_origin
from reage.images.photo import Photo, PhotoMetadata, PhotoSource
from reage.images.primaries import read_color_code, to_srgb_levels
from reage.images.refusal import FETCH_AGAIN, pillow_errors

DEFAULT_MAX_PIXELS: Final = 100_000_000
# A picture of that many pixels, 16 bits deep, not compressed, has less.
DEFAULT_MAX_BYTES: Final = 1_000_000_000

# Named, so that no file reaches a plugin that starts other programs (EPS) or guesses (TGA).
_FORMATS: Final = (
    *("JPEG", "PNG", "WEBP", "AVIF", "TIFF", "GIF"),
    *("BMP", "DIB", "JPEG2000", "PPM", "PSD"),
)
_WRITE_AS: Final = {"MPO": "JPEG", "DIB": "BMP"}
_WRITABLE: Final = ("JPEG", "PNG", "WEBP", "AVIF", "HEIF", "TIFF", "GIF", "BMP", "JPEG2000", "PPM")
_HEADER_SIZE: Final = 512
_REDUCED_COPY_TAG: Final = 254
_UPRIGHT: Final = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def read_photo(
    source: PhotoSource,
    *,
    max_pixels: int = DEFAULT_MAX_PIXELS,
    max_bytes: int = DEFAULT_MAX_BYTES,
) -> Photo:
    """Reads a photo as upright 8-bit sRGB.

    The content decides the format, not the file's ending; of several pictures the first is read.
    EXIF orientation is applied (a broken or unknown one is ignored), ICC profiles are converted to
    sRGB (a broken one is ignored), 16-bit channels are scaled to 8 bits.

    Args:
        source: A path, the bytes of a file, a Pillow image, or an array of uint8 in RGB order and
            of shape (H, W), (H, W, 1), (H, W, 3) or (H, W, 4) with straight alpha. It is not
            changed. A photo that was read already is returned as it is.
        max_pixels: Refuse pictures of more pixels, from their header alone. Pillow refuses to open
            files of more than `2 * PIL.Image.MAX_IMAGE_PIXELS` by itself.
        max_bytes: Refuse files of more bytes, before they are opened.

    Raises:
        ImageReadError: If there is no such file, it is no whole and sound picture, or it is over a
            limit.
        MissingExtraError: If it is a HEIC picture and `pillow-heif` is not installed.
    """
    if isinstance(source, Photo):
        return source
    if isinstance(source, np.ndarray):
        return _from_array(source)
    if isinstance(source, Image.Image):
        return _from_image(source, max_pixels)
    if isinstance(source, bytes | bytearray | memoryview):
        _check_bytes(len(source), "<bytes>", max_bytes)
        return _from_stream(io.BytesIO(source), "<bytes>", max_pixels)
    if not isinstance(source, str | os.PathLike):
        raise ImageReadError(
            f"<{type(source).__name__}>",
            "is no photo",
            "give a path, bytes, a Pillow image or a NumPy array",
        )
    with _open_file(os.fspath(source), max_bytes) as stream:
        return _from_stream(stream, os.fspath(source), max_pixels)


def read_marks(path: Path) -> PhotoMetadata:
    """What a file says of its origin: its XMP packet and its comment, without decoding a pixel.

    Raises:
        ImageReadError: If it cannot be read, or is no picture.
        MissingExtraError: If it is a HEIC picture and `pillow-heif` is not installed.
    """
    with _opened(os.fspath(path)) as image:
        return read_origin(image)


def count_pixels(path: Path) -> int:
    """How many pixels a file claims, without decoding one; 0 where `read_photo` will say why."""
    try:
        with _opened(os.fspath(path)) as image:
            return image.width * image.height
    except ReageError:
        return 0


@contextmanager
def _opened(name: str) -> Iterator[Image.Image]:
    """An image whose header alone was read."""
    with _open_file(name, DEFAULT_MAX_BYTES) as stream:
        header = stream.read(_HEADER_SIZE)
        stream.seek(0)
        with pillow_errors(name, header), _open_image(stream, name, header) as image:
            yield image


def _from_array(array: NDArray[Any]) -> Photo:
    shape = "x".join(map(str, array.shape))
    name = "<array>"
    if array.dtype != np.uint8:
        raise ImageReadError(
            name,
            f"has values of type {array.dtype} instead of uint8",
            "scale them to 0..255, round, and convert with .astype(numpy.uint8)",
        )
    grey = array.ndim == 2 or (array.ndim == 3 and array.shape[2] == 1)
    if not (grey or (array.ndim == 3 and array.shape[2] in (3, 4))) or array.size == 0:
        raise ImageReadError(
            name,
            f"has the shape {shape or 'of a single number'}, which is no picture",
            "give height x width, with nothing or 1, 3 (RGB) or 4 (RGB and alpha) channels after",
        )
    stacked = array.reshape(*array.shape[:2], -1)
    pixels = np.repeat(stacked, 3, axis=2) if grey else stacked[..., :3].copy()
    alpha = stacked[..., 3].copy() if stacked.shape[2] == 4 else None
    mode = "L" if grey else "RGB" if alpha is None else "RGBA"
    return Photo(pixels, alpha, "PNG", name, PhotoMetadata(mode=mode))


def _from_image(image: Image.Image, max_pixels: int) -> Photo:
    name = str(getattr(image, "filename", "")) or "<image>"
    with pillow_errors(name):
        _check_pixels(image.size, name, max_pixels)
        return _to_photo(image, name)


def _from_stream(stream: IO[bytes], name: str, max_pixels: int) -> Photo:
    header = stream.read(_HEADER_SIZE)
    if not header:
        raise ImageReadError(name, "is empty (0 bytes)", FETCH_AGAIN)
    fault = fault_of(stream)
    if fault is not None:
        raise ImageReadError(name, fault, FETCH_AGAIN)
    stream.seek(0)
    with pillow_errors(name, header), _open_image(stream, name, header) as image:
        _check_pixels(image.size, name, max_pixels)
        _check_not_raw(image, name, header)
        has_more = _is_animated(image) or holds_film(stream)
        image.load()
        photo = _in_srgb(_to_photo(image, name), stream, header)
        lossless = is_lossless_webp(stream)
    return replace(photo, metadata=replace(photo.metadata, has_more=has_more, lossless=lossless))


def _to_photo(image: Image.Image, name: str) -> Photo:
    image.load()
    orientation = _orientation(image)
    method = _UPRIGHT.get(orientation)
    upright = image if method is None else image.transpose(method)
    pixels, alpha, icc = to_srgb(upright, image.info.get("icc_profile"))
    found = _WRITE_AS.get(image.format or "PNG", image.format or "PNG")
    metadata = read_metadata(image, icc, orientation=orientation)
    return Photo(pixels, alpha, found if found in _WRITABLE else "PNG", name, metadata)


def _in_srgb(photo: Photo, stream: IO[bytes], header: bytes) -> Photo:
    """Converts what a HEIC or AVIF file gives in other primaries, or in high dynamic range."""
    # Where there is a profile as well, it says the same, and was converted already.
    if header[4:8] != b"ftyp" or photo.metadata.icc is not None:
        return photo
    code = read_color_code(stream)
    if code is None or code.is_srgb:
        return photo
    return replace(photo, pixels=to_srgb_levels(photo.pixels, code))


def _orientation(image: Image.Image) -> int:
    try:
        value = image.getexif().get(0x0112, 1)
    except Exception:  # Pillow's parser fails in many ways on broken blocks
        return 1
    return value if isinstance(value, int) and value in _UPRIGHT else 1


@contextmanager
def _open_file(name: str, max_bytes: int) -> Iterator[IO[bytes]]:
    path = Path(name)
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            raise ImageReadError(path, "is a folder", "give the pictures in it")
        if not stat.S_ISREG(status.st_mode):
            raise ImageReadError(path, "is no regular file", "save the picture to a file first")
        _check_bytes(status.st_size, name, max_bytes)
        stream = path.open("rb")
    except (FileNotFoundError, NotADirectoryError) as error:
        raise ImageReadError(path, "does not exist", "check the path") from error
    except PermissionError as error:
        raise ImageReadError(path, "may not be read", "check its permissions") from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ImageReadError(path, f"cannot be opened ({reason})", "check the path") from error
    with stream:
        yield stream


def _check_pixels(size: tuple[int, int], name: str, max_pixels: int) -> None:
    width, height = size
    if width * height > max_pixels:
        raise ImageReadError(
            name,
            f"claims {width} x {height} pixels, over the limit of {max_pixels:,}",
            "make it smaller, or raise the limit",
        )


def _check_bytes(size: int, name: str, max_bytes: int) -> None:
    if size > max_bytes:
        raise ImageReadError(
            name,
            f"has {size:,} bytes, over the limit of {max_bytes:,}",
            "make it smaller, or raise the limit",
        )


def _open_image(stream: IO[bytes], name: str, header: bytes) -> Image.Image:
    """Opens a file by its content, reading no more than its header where the format allows."""
    if not is_heic(header):
        return Image.open(stream, formats=_FORMATS)
    try:
        from pillow_heif import HeifImageFile
    except ImportError as error:
        raise MissingExtraError(
            name, "is a HEIC picture, which needs pillow-heif", "run pip install 'reage[heic]'"
        ) from error
    try:
        image: Image.Image = HeifImageFile(stream, name)
    except SyntaxError as error:
        raise UnidentifiedImageError(str(error)) from error
    return image


def _is_animated(image: Image.Image) -> bool:
    try:
        return bool(getattr(image, "is_animated", False))
    except Exception:  # a later picture may be damaged while the first is sound
        return True


def _check_not_raw(image: Image.Image, name: str, header: bytes) -> None:
    """Refuses camera raw files, whose first TIFF picture is a small preview."""
    tags = getattr(image, "tag_v2", None)
    if tags is not None and (header[8:10] == b"CR" or tags.get(_REDUCED_COPY_TAG, 0) & 1):
        raise ImageReadError(
            name, "is a camera raw file", "develop it to a JPEG or TIFF file first"
        )
