"""Small pictures and files for the tests."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from reage.images.color import srgb_profile


def encode(image: Image.Image, format: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


def encode_heic(image: Image.Image) -> bytes:
    pillow_heif = pytest.importorskip("pillow_heif")
    buffer = io.BytesIO()
    pillow_heif.from_pillow(image).save(buffer, quality=95)
    return buffer.getvalue()


def corners() -> Image.Image:
    """A picture of 48 x 32 pixels whose four quarters differ."""
    pixels = np.zeros((32, 48, 3), np.uint8)
    pixels[:16, :24] = 200, 30, 30
    pixels[:16, 24:] = 30, 200, 30
    pixels[16:, :24] = 30, 30, 200
    pixels[16:, 24:] = 220, 220, 220
    return Image.fromarray(pixels)


def noise(channels: int = 3) -> np.ndarray:
    shape = (12, 20, channels) if channels > 1 else (12, 20)
    return np.random.default_rng(0).integers(0, 256, shape, np.uint8)


def with_orientation(value: int) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = value
    return exif


def png_chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_of(header: bytes, rows: bytes) -> bytes:
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(png_chunk(*chunk) for chunk in chunks)


def png_claiming(width: int, height: int) -> bytes:
    return png_of(struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0), b"\0")


def display_p3_profile() -> bytes:
    """An sRGB profile whose primaries are replaced by those of Display P3 (D50-adapted)."""
    data = bytearray(srgb_profile())
    primaries = {
        b"rXYZ": (0.5151, 0.2412, -0.0011),
        b"gXYZ": (0.2920, 0.6922, 0.0419),
        b"bXYZ": (0.1571, 0.0666, 0.7841),
    }
    (count,) = struct.unpack_from(">I", data, 128)
    for position in range(132, 132 + 12 * count, 12):
        tag, offset, _ = struct.unpack_from(">4sII", data, position)
        if tag in primaries:
            values = [round(value * 65536) for value in primaries[tag]]
            struct.pack_into(">3i", data, offset + 8, *values)
    return bytes(data)
