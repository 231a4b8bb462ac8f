"""Photos to damage, and ways to damage them, always the same for the same seed."""

from __future__ import annotations

import io
import random
import struct
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageCms

ASTRONAUT = Path(__file__).parents[1] / "examples" / "astronaut.png"
FACE = (150, 20, 310, 180)
MAX_SEED_BYTES = 60_000
EXTREMES = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)


@dataclass(frozen=True)
class Seed:
    """A sound photo to damage."""

    format: str
    data: bytes


def made_seeds() -> list[Seed]:
    """A face of 64 and 128 pixels in every format and variant that decoders treat differently."""
    from pillow_heif import register_heif_opener

    register_heif_opener()
    face = Image.open(ASTRONAUT).convert("RGB").crop(FACE)
    seeds = []
    for side in (64, 128):
        picture = face.resize((side, side))
        exif = Image.Exif()
        exif[0x0112], exif[0x010E] = 6, "a face"
        profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
        rich = {"exif": exif.tobytes(), "icc_profile": profile}
        translucent = picture.convert("RGBA")
        translucent.putalpha(Image.linear_gradient("L").resize(picture.size))
        deep = Image.fromarray(np.asarray(picture.convert("L")).astype(np.uint16) * 257)
        mirrored = picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        many = {"save_all": True, "append_images": [mirrored]}
        for format_name, image, settings in (
            ("JPEG", picture, {}),
            ("JPEG", picture, {"progressive": True, **rich}),
            ("JPEG", picture.convert("CMYK"), {}),
            ("PNG", picture, rich),
            ("PNG", translucent, {}),
            ("PNG", deep, {}),
            ("PNG", picture.quantize(16), {}),
            ("WEBP", picture, rich),
            ("WEBP", translucent, {"lossless": True}),
            ("WEBP", picture, many),
            ("GIF", picture, {}),
            ("GIF", picture, many),
            ("TIFF", picture, rich),
            ("TIFF", picture, {"compression": "tiff_lzw"}),
            ("TIFF", picture, {"compression": "jpeg"}),
            ("TIFF", deep, {"compression": "tiff_adobe_deflate"}),
            ("HEIF", picture, rich),
            ("HEIF", translucent, {}),
            ("AVIF", picture, rich),
            ("AVIF", translucent, {}),
        ):
            seeds.append(Seed(format_name, encoded(image, format_name, settings)))
    return seeds


def encoded(image: Image.Image, format_name: str, settings: dict[str, object]) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format_name, **settings)
    return buffer.getvalue()


def photo_seeds(folder: Path | None) -> list[Seed]:
    """The photos of a folder that are small enough to damage often, sound or not."""
    formats = {".jpg": "JPEG", ".heic": "HEIF"}
    return [
        Seed(formats.get(path.suffix, path.suffix[1:].upper()), path.read_bytes())
        for path in sorted(folder.iterdir() if folder else ())
        if path.suffix != ".csv" and 0 < path.stat().st_size <= MAX_SEED_BYTES
    ]


def seed_of(seeds: Sequence[Seed], index: int) -> Seed:
    return seeds[index % len(seeds)]


def mutated(seeds: Sequence[Seed], seed: int, index: int) -> bytes:
    """The damaged file of this number."""
    chance = random.Random(f"{seed} {index}")
    source = seed_of(seeds, index)
    data = bytearray(source.data)
    for _ in range(chance.choice((1, 1, 2, 3, 6, 12))):
        donor = chance.choice(seeds).data
        chance.choice(MUTATIONS)(chance, data, donor)
    # A wrong checksum ends most files before their contents are looked at.
    if source.format == "PNG" and chance.random() < 0.7:
        return with_right_checksums(bytes(data))
    return bytes(data)


def flip_bit(chance: random.Random, data: bytearray, _donor: bytes) -> None:
    if data:
        data[place(chance, data)] ^= 1 << chance.randrange(8)


def set_number(chance: random.Random, data: bytearray, _donor: bytes) -> None:
    """Overwrites 1, 2 or 4 bytes by a number at the edge of its range."""
    start, size = place(chance, data), chance.choice((1, 2, 4))
    order = chance.choice(("big", "little"))
    value = chance.choice(EXTREMES) & (256**size - 1)
    data[start : start + size] = value.to_bytes(size, order)


def remove(chance: random.Random, data: bytearray, _donor: bytes) -> None:
    start = place(chance, data)
    del data[start : start + chance.choice((1, 4, 64, 1024))]


def repeat(chance: random.Random, data: bytearray, _donor: bytes) -> None:
    start = place(chance, data)
    data[start:start] = data[start : start + chance.choice((1, 12, 256))] * chance.choice((1, 40))


def cut_short(chance: random.Random, data: bytearray, _donor: bytes) -> None:
    del data[place(chance, data) :]


def splice(chance: random.Random, data: bytearray, donor: bytes) -> None:
    """Overwrites a piece by one of another file."""
    start, size = place(chance, data), chance.choice((4, 32, 512))
    source = place(chance, donor)
    data[start : start + size] = donor[source : source + size]


def noise(chance: random.Random, data: bytearray, _donor: bytes) -> None:
    start = place(chance, data)
    size = min(chance.choice((2, 8, 64)), len(data) - start)
    data[start : start + size] = chance.randbytes(size)


MUTATIONS: tuple[Callable[[random.Random, bytearray, bytes], None], ...] = (
    *(flip_bit, flip_bit, flip_bit, set_number, set_number, set_number),
    *(remove, repeat, splice, noise, cut_short),
)


def place(chance: random.Random, data: bytes | bytearray) -> int:
    """A position, half of the time among the headers."""
    size = min(len(data), 512) if chance.random() < 0.5 else len(data)
    return chance.randrange(size) if size else 0


def with_right_checksums(data: bytes) -> bytes:
    """A PNG file whose chunks have the checksums that fit them, as far as it can be walked."""
    parts, start = [data[:8]], 8
    while start + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, start)
        body = data[start + 4 : start + 8 + length]
        if len(body) < length + 4:
            break
        parts += [data[start : start + 4], body, struct.pack(">I", zlib.crc32(body))]
        start += length + 12
    return b"".join(parts) + data[start:]
