"""Colours of HEIC and AVIF files that name a colour space by numbers instead of an ICC profile.

ITU-T H.273 gives the numbers; ISO/IEC 23008-12 and 14496-12 say where in a file they are.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, Final

import numpy as np
from numpy.typing import NDArray

_PQ, _HLG = 16, 18
# Chromaticities (x, y) of red, green, blue; the white of all of them is D65.
_PRIMARIES: Final = {
    9: ((0.708, 0.292), (0.170, 0.797), (0.131, 0.046)),
    12: ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060)),
}
_SRGB: Final = ((0.640, 0.330), (0.300, 0.600), (0.150, 0.060))
_WHITE: Final = (0.3127, 0.3290)
# What BT.2408 calls HDR reference white: in nits, and as a share of HLG's range.
_PQ_WHITE_NITS: Final = 203.0
_HLG_WHITE: Final = 0.75
_BAND: Final = 256
_MAX_META: Final = 1 << 24


@dataclass(frozen=True)
class ColorCode:
    """How a file says what its numbers mean.

    Attributes:
        primaries: ColourPrimaries of H.273.
        transfer: TransferCharacteristics of H.273.
    """

    primaries: int
    transfer: int

    @property
    def is_srgb(self) -> bool:
        """Whether viewers show the numbers as they are; unknown codes are taken for sRGB."""
        return self.primaries not in _PRIMARIES and self.transfer not in (_PQ, _HLG)


def read_color_code(stream: IO[bytes]) -> ColorCode | None:
    """The colour code of the main picture of a HEIC or AVIF file, if it has one."""
    stream.seek(0)
    try:
        meta = _meta_box(stream)
        return None if meta is None else _of_main_picture(meta)
    except (struct.error, IndexError):  # what is cut short has none
        return None


def to_srgb_levels(pixels: NDArray[np.uint8], code: ColorCode) -> NDArray[np.uint8]:
    """Converts pixels (H, W, 3) uint8 of a colour code to sRGB.

    Light brighter than reference white is cut off; colours outside sRGB are clipped.
    """
    linear = _linear_light(np.arange(256) / 255.0, code.transfer).astype(np.float32)
    matrix = _to_srgb_primaries(code.primaries).astype(np.float32)
    converted = np.empty_like(pixels)
    for top in range(0, len(pixels), _BAND):
        band = np.clip(linear[pixels[top : top + _BAND]] @ matrix.T, 0.0, 1.0)
        encoded = np.where(
            band <= 0.0031308, 12.92 * band, 1.055 * np.power(band, np.float32(1 / 2.4)) - 0.055
        )
        converted[top : top + _BAND] = np.rint(255.0 * encoded)
    return converted


def _linear_light(signal: NDArray[np.float64], transfer: int) -> NDArray[np.float64]:
    """Light of a signal in 0..1, where 1 is white on paper."""
    if transfer == _PQ:
        return _pq_nits(signal) / _PQ_WHITE_NITS
    if transfer == _HLG:
        return _hlg_light(signal) / _hlg_light(np.array([_HLG_WHITE]))
    # BT.709's curve and its kin are shown as sRGB's, by all viewers.
    return np.where(signal <= 0.04045, signal / 12.92, ((signal + 0.055) / 1.055) ** 2.4)


def _pq_nits(signal: NDArray[np.float64]) -> NDArray[np.float64]:
    """SMPTE ST 2084, equation 4.1."""
    power = signal ** (32 / 2523)
    ratio = np.maximum(power - 0.8359375, 0.0) / (18.8515625 - 18.6875 * power)
    return np.asarray(10000.0 * ratio ** (8192 / 1305))


def _hlg_light(signal: NDArray[np.float64]) -> NDArray[np.float64]:
    """Scene light, ITU-R BT.2100, table 5."""
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    return np.where(signal <= 0.5, signal**2 / 3.0, (np.exp((signal - c) / a) + b) / 12.0)


def _to_srgb_primaries(primaries: int) -> NDArray[np.float64]:
    if primaries not in _PRIMARIES:
        return np.eye(3)
    return np.linalg.inv(_to_xyz(_SRGB)) @ _to_xyz(_PRIMARIES[primaries])


def _to_xyz(chromaticities: tuple[tuple[float, float], ...]) -> NDArray[np.float64]:
    """The matrix from linear RGB to XYZ; SMPTE RP 177."""
    columns = np.array([(x / y, 1.0, (1.0 - x - y) / y) for x, y in chromaticities]).T
    x, y = _WHITE
    scale = np.linalg.solve(columns, [x / y, 1.0, (1.0 - x - y) / y])
    return np.asarray(columns * scale)


def _meta_box(stream: IO[bytes]) -> bytes | None:
    """The content of a file's `meta` box."""
    while len(head := stream.read(8)) == 8:
        length, kind = struct.unpack(">I4s", head)
        if kind == b"meta":
            return stream.read(min(length - 8, _MAX_META)) if length >= 8 else None
        if length < 8:
            return None
        stream.seek(length - 8, 1)
    return None


def _boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Kind and content of the boxes that follow one another in `data`."""
    start = 0
    while start + 8 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, start)
        if length < 8:
            return
        yield kind, data[start + 8 : start + length]
        start += length


def _of_main_picture(meta: bytes) -> ColorCode | None:
    boxes = dict(_boxes(meta[4:]))
    if b"pitm" not in boxes or b"iprp" not in boxes:
        return None
    main = boxes[b"pitm"]
    (item,) = struct.unpack_from(">I" if main[0] else ">H", main, 4)
    inner = dict(_boxes(boxes[b"iprp"]))
    properties = list(_boxes(inner.get(b"ipco", b"")))
    for index in _property_indices(inner.get(b"ipma", b""), item):
        kind, content = properties[index - 1] if 1 <= index <= len(properties) else (b"", b"")
        if kind == b"colr" and content[:4] == b"nclx":
            return ColorCode(*struct.unpack_from(">HH", content, 4))
    return None


def _property_indices(ipma: bytes, wanted: int) -> list[int]:
    """Which properties an item has, counted from 1 (ISO/IEC 23008-12, section 9.3.2)."""
    if not ipma:
        return []
    version, wide = ipma[0], bool(ipma[3] & 1)
    (count,) = struct.unpack_from(">I", ipma, 4)
    at = 8
    for _ in range(count):
        (item,) = struct.unpack_from(">H" if version < 1 else ">I", ipma, at)
        at += 2 if version < 1 else 4
        associations, size = ipma[at], 2 if wide else 1
        at += 1
        if item == wanted:
            places = range(at, at + associations * size, size)
            if wide:
                return [struct.unpack_from(">H", ipma, place)[0] & 0x7FFF for place in places]
            return [ipma[place] & 0x7F for place in places]
        at += associations * size
    return []
