"""Collecting a file's metadata, and turning it into the options Pillow writes a file with.

Everything that a written file says about its pixels passes through `save_options`.
"""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Callable
from typing import Any, Final

from PIL import Image, JpegImagePlugin, PngImagePlugin

from reage.images.exif import DIRECTORY_TAGS, clean_exif, descriptive_exif
from reage.images.photo import JpegSettings, PhotoMetadata

_MAX_JPEG_SEGMENT: Final = 65533
_XMP_OVERHEAD: Final = 29
_IPTC_RESOURCE: Final = 1028
_MAX_DPI: Final = 65535
_XMP_KEYWORD: Final = "XML:com.adobe.xmp"
_XMP_ORIENTATION: Final = re.compile(rb"(tiff:Orientation(?:\s*=\s*[\"']|>))\s*[0-9]+")
_XMP_THUMBNAILS: Final = re.compile(rb"<(xmp:Thumbnails|xap:Thumbnails)\b.*?</\1>", re.DOTALL)
# What motion photos and gain maps say of the parts that follow the picture, and are not written.
_XMP_PARTS: Final = (
    re.compile(
        rb"<((?:G?Camera:(?:MicroVideo|MotionPhoto)|Container:Directory|hdrgm:)\w*)\b"
        rb"(?:[^<>]*/>|.*?</\1\s*>)",
        re.DOTALL,
    ),
    re.compile(
        rb"\s(?:G?Camera:(?:MicroVideo|MotionPhoto)|hdrgm:)\w*\s*=\s*(?:\"[^\"]*\"|'[^']*')"
    ),
)
# Compressions that cannot hold 8-bit colour or that newer writers refuse.
_TIFF_LOSSLESS: Final = ("raw", "tiff_lzw", "tiff_adobe_deflate", "packbits", "zstd", "lzma")
_XMP_TIFF_TAG: Final = 700

Options = dict[str, Any]


def read_metadata(image: Image.Image, icc: bytes | None, *, orientation: int) -> PhotoMetadata:
    """Collects the metadata of a loaded image.

    Args:
        image: The image as its file holds it, not yet turned upright.
        icc: The ICC profile that is true of the pixels that will be written.
        orientation: EXIF orientation by which the picture was turned upright.
    """
    swapped = orientation >= 5
    size = image.size[::-1] if swapped else image.size
    converted = icc != image.info.get("icc_profile")
    dpi = _dpi(image.info.get("dpi"))
    return PhotoMetadata(
        mode=image.mode,
        exif=_exif(image, size, converted),
        icc=icc,
        xmp=_xmp(image),
        iptc=_iptc(image),
        comment=_comment(image),
        text=_text(image),
        dpi=dpi[::-1] if dpi and swapped else dpi,
        jpeg=_jpeg_settings(image, swapped),
        compression=_compression(image),
    )


def read_origin(image: Image.Image) -> PhotoMetadata:
    """The XMP packet and the comment of an image that need not be loaded."""
    return PhotoMetadata(mode=image.mode, xmp=_xmp(image), comment=_comment(image))


def save_options(metadata: PhotoMetadata, format_name: str, mode: str) -> Options:
    """The options for `Image.save` that carry the metadata into a file.

    Args:
        metadata: What the photo's file said about it.
        format_name: Pillow's name of the format to write.
        mode: Mode of the image to write: "L", "LA", "RGB" or "RGBA".
    """
    options = _FORMAT_OPTIONS.get(format_name, _no_options)(metadata)
    profile = _fitting_profile(metadata.icc, mode)
    # An explicit None keeps Pillow from looking for a profile elsewhere.
    return options | {"icc_profile": profile}


def _fitting_profile(icc: bytes | None, mode: str) -> bytes | None:
    space = b"GRAY" if mode in ("L", "LA") else b"RGB "
    return icc if icc and icc[16:20] == space else None


def _exif(image: Image.Image, size: tuple[int, int], converted: bool) -> bytes | None:
    block = image.info.get("exif")
    if not isinstance(block, bytes):
        try:
            described = descriptive_exif(image.getexif())
            block = described.tobytes() if len(described) else None
        except Exception:  # Pillow's parser fails in many ways on broken blocks
            return None
    return clean_exif(block, size, converted=converted) if block else None


def _xmp(image: Image.Image) -> bytes | None:
    packet = image.info.get("xmp") or image.info.get(_XMP_KEYWORD)
    if isinstance(packet, str):
        packet = packet.encode("utf-8", "surrogateescape")
    if not isinstance(packet, bytes) or not packet.strip(b"\0 \r\n"):
        return None
    upright = _XMP_ORIENTATION.sub(rb"\g<1>1", packet.rstrip(b"\0"))
    for gone in (_XMP_THUMBNAILS, *_XMP_PARTS):
        upright = gone.sub(b"", upright)
    return upright


def _iptc(image: Image.Image) -> bytes | None:
    resources = image.info.get("photoshop")
    block = resources.get(_IPTC_RESOURCE) if isinstance(resources, dict) else None
    return block if isinstance(block, bytes) and block else None


def _comment(image: Image.Image) -> bytes | None:
    comment = image.info.get("comment")
    if isinstance(comment, str):
        comment = comment.encode("utf-8", "replace")
    return comment if isinstance(comment, bytes) and comment else None


def _text(image: Image.Image) -> tuple[tuple[str, str], ...]:
    chunks = getattr(image, "text", None)
    if not isinstance(chunks, dict):
        return ()
    return tuple(
        (str(keyword), str(value))
        for keyword, value in chunks.items()
        # Raw profiles are older copies of EXIF and XMP, with the old orientation.
        if keyword != _XMP_KEYWORD and not keyword.startswith("Raw profile type")
    )


def _dpi(value: object) -> tuple[float, float] | None:
    try:
        x, y = (float(part) for part in value)  # type: ignore[attr-defined]
    except (TypeError, ValueError, ZeroDivisionError):
        return None
    # Pillow reports 1 where a TIFF file states none.
    if not all(math.isfinite(part) and 1 < part <= _MAX_DPI for part in (x, y)):
        return None
    return x, y


def _jpeg_settings(image: Image.Image, swapped: bool) -> JpegSettings | None:
    if not isinstance(image, JpegImagePlugin.JpegImageFile) or not image.quantization:
        return None
    tables = [tuple(table) for _, table in sorted(image.quantization.items())]
    sampling = JpegImagePlugin.get_sampling(image)
    if swapped:
        # Rows of the file are columns of the upright picture, so its tables turn with it.
        tables = [tuple(table[8 * (i % 8) + i // 8] for i in range(64)) for table in tables]
        sampling = 0 if sampling == 1 else sampling
    return JpegSettings(
        tables=tuple(tables),
        # What Pillow cannot name, such as 4:4:0, becomes 4:4:4, which loses nothing.
        subsampling=max(sampling, 0),
        progressive=bool(image.info.get("progressive")),
        keep_rgb=image.mode == "RGB" and image.info.get("adobe_transform") == 0,
    )


def _compression(image: Image.Image) -> str | None:
    compression = image.info.get("compression")
    return compression if image.format == "TIFF" and isinstance(compression, str) else None


def _no_options(_: PhotoMetadata) -> Options:
    return {}


def _present(**options: object) -> Options:
    return {name: value for name, value in options.items() if value is not None}


def _jpeg_options(metadata: PhotoMetadata) -> Options:
    exif = b"Exif\0\0" + metadata.exif if metadata.exif else b""
    # A longer packet would need a second segment, of which few programs know.
    longest = _MAX_JPEG_SEGMENT - _XMP_OVERHEAD
    xmp = next(
        (xmp for xmp in (metadata.xmp, metadata.short_xmp) if len(xmp or b"") <= longest), b""
    )
    options = _present(
        exif=exif if 0 < len(exif) <= _MAX_JPEG_SEGMENT else None,
        xmp=xmp or None,
        comment=metadata.comment[:_MAX_JPEG_SEGMENT] if metadata.comment else None,
        dpi=metadata.dpi,
        extra=_iptc_segment(metadata.iptc),
    )
    if metadata.jpeg is None:
        return options | {"quality": 95, "subsampling": 0}
    return options | {
        "qtables": [list(table) for table in metadata.jpeg.tables],
        "subsampling": metadata.jpeg.subsampling,
        "progressive": metadata.jpeg.progressive,
        "keep_rgb": metadata.jpeg.keep_rgb,
    }


def _iptc_segment(iptc: bytes | None) -> bytes | None:
    """Wraps IPTC data as a JPEG segment of Photoshop resources (marker APP13)."""
    if iptc is None:
        return None
    resource = struct.pack(">4sHHI", b"8BIM", _IPTC_RESOURCE, 0, len(iptc)) + iptc
    body = b"Photoshop 3.0\0" + resource + bytes(len(iptc) % 2)
    if len(body) > _MAX_JPEG_SEGMENT:
        return None
    return b"\xff\xed" + struct.pack(">H", len(body) + 2) + body


def _png_options(metadata: PhotoMetadata) -> Options:
    chunks = PngImagePlugin.PngInfo()
    for keyword, value in metadata.text:
        chunks.add_text(keyword, value)
    if metadata.xmp:
        chunks.add_itxt(_XMP_KEYWORD, metadata.xmp.decode("utf-8", "replace"))
    return _present(exif=metadata.exif, dpi=metadata.dpi, pnginfo=chunks)


def _webp_options(metadata: PhotoMetadata) -> Options:
    options = _present(exif=metadata.exif, xmp=metadata.xmp)
    if metadata.lossless:
        # `exact` keeps the colours below fully transparent pixels.
        return options | {"lossless": True, "exact": True}
    return options | {"quality": 95}


def _modern_options(metadata: PhotoMetadata) -> Options:
    return _present(exif=metadata.exif, xmp=metadata.xmp, quality=90)


def _avif_options(metadata: PhotoMetadata) -> Options:
    return _modern_options(metadata) | {"subsampling": "4:4:4"}


def _heif_options(metadata: PhotoMetadata) -> Options:
    # The encoder's own default takes three times as long for files of the same size.
    return _modern_options(metadata) | {"chroma": 444, "enc_params": {"preset": "fast"}}


def _tiff_options(metadata: PhotoMetadata) -> Options:
    tags = Image.Exif()
    if metadata.exif:
        stored = Image.Exif()
        stored.load(metadata.exif)
        tags = descriptive_exif(stored)
    # Pillow's compressing writer cannot nest directories; details weigh more than size.
    nested = any(tag in tags for tag in DIRECTORY_TAGS)
    kept = metadata.compression if metadata.compression in _TIFF_LOSSLESS else "tiff_adobe_deflate"
    if metadata.xmp:
        tags[_XMP_TIFF_TAG] = metadata.xmp
    return _present(exif=tags.tobytes(), dpi=metadata.dpi, compression="raw" if nested else kept)


def _gif_options(metadata: PhotoMetadata) -> Options:
    return _present(comment=metadata.mark or metadata.comment)


def _bmp_options(metadata: PhotoMetadata) -> Options:
    return _present(dpi=metadata.dpi)


_FORMAT_OPTIONS: Final[dict[str, Callable[[PhotoMetadata], Options]]] = {
    "JPEG": _jpeg_options,
    "PNG": _png_options,
    "WEBP": _webp_options,
    "AVIF": _avif_options,
    "HEIF": _heif_options,
    "TIFF": _tiff_options,
    "GIF": _gif_options,
    "BMP": _bmp_options,
}
