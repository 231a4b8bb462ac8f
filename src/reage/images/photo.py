"""What a photo is once it is read: upright pixels, and what is needed to write it back."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image


@dataclass(frozen=True)
class JpegSettings:
    """How a JPEG file was compressed, so that it can be compressed the same way again.

    Attributes:
        tables: Quantisation tables, each 64 values in row order, by table number.
        subsampling: Chroma subsampling in Pillow's numbers: 0 is 4:4:4, 1 is 4:2:2, 2 is 4:2:0.
        progressive: Whether it was stored in several scans.
        keep_rgb: Whether it stored RGB instead of YCbCr.
    """

    tables: tuple[tuple[int, ...], ...]
    subsampling: int = 0
    progressive: bool = False
    keep_rgb: bool = False


@dataclass(frozen=True)
class PhotoMetadata:
    """What a file says about its pixels, cleaned so that it is true of the pixels we write.

    Attributes:
        mode: Pillow mode of the file as it was, e.g. "RGB", "L", "P", "CMYK", "I;16".
        exif: EXIF block starting with its TIFF header, orientation 1, without thumbnails.
        icc: ICC profile of `Photo.pixels`; None means sRGB without a profile.
        xmp: XMP packet, orientation 1, without thumbnails.
        iptc: IPTC captions and credits as stored in a JPEG's Photoshop block.
        comment: The comment of a JPEG or GIF file.
        text: Text chunks of a PNG file as (keyword, text).
        dpi: Horizontal and vertical resolution in pixels per inch, of the upright picture.
        jpeg: How the file was compressed, if it was a JPEG.
        lossless: Whether a WebP file was stored without loss.
        compression: Name of a TIFF file's compression in Pillow's words.
        has_more: Whether the file holds more pictures than the one that was read, or a film.
        short_xmp: The mark of `xmp` alone, for files that cannot hold all of it.
        mark: What marks the picture as synthetic, in words, for formats without XMP.
    """

    mode: str = "RGB"
    exif: bytes | None = None
    icc: bytes | None = None
    xmp: bytes | None = None
    iptc: bytes | None = None
    comment: bytes | None = None
    text: tuple[tuple[str, str], ...] = ()
    dpi: tuple[float, float] | None = None
    jpeg: JpegSettings | None = None
    lossless: bool = False
    compression: str | None = None
    has_more: bool = False
    short_xmp: bytes | None = None
    mark: bytes | None = None


@dataclass(frozen=True, eq=False)
class Photo:
    """A photo as read from a file, from bytes, from a Pillow image or from an array.

    Attributes:
        pixels: (H, W, 3) uint8, sRGB in RGB order, upright.
        alpha: (H, W) uint8, upright, 255 is opaque, not premultiplied; None if there is none.
        format: Pillow's name of the format to write back, e.g. "JPEG", "PNG", "WEBP", "HEIF".
        name: What messages call it: the path, "<bytes>", "<image>" or "<array>".
        metadata: What the file says about its pixels.
    """

    pixels: NDArray[np.uint8]
    alpha: NDArray[np.uint8] | None
    format: str
    name: str
    metadata: PhotoMetadata = field(default_factory=PhotoMetadata)

    @property
    def visible(self) -> NDArray[np.uint8]:
        """What a viewer shows on white paper: (H, W, 3) uint8, `pixels` itself if all is opaque."""
        return on_white(self.pixels, self.alpha)


def on_white(pixels: NDArray[np.uint8], alpha: NDArray[np.uint8] | None) -> NDArray[np.uint8]:
    """Puts pixels (H, W, 3) uint8 with straight alpha (H, W) uint8, or None, on white paper."""
    if alpha is None:
        return pixels
    image = Image.fromarray(pixels)
    image.putalpha(Image.fromarray(alpha))
    return np.asarray(flattened(image))


def flattened(image: Image.Image) -> Image.Image:
    """Puts an image of mode LA or RGBA on white paper."""
    opaque = "L" if image.mode == "LA" else "RGB"
    paper = Image.new(opaque, image.size, "white")
    paper.paste(image.convert(opaque), mask=image.getchannel("A"))
    return paper


PhotoSource = str | os.PathLike[str] | bytes | Image.Image | NDArray[Any] | Photo
"""What a photo can be read from; one that was read already is taken as it is."""
