"""Cleaning EXIF blocks in place.

An EXIF block is a small TIFF file. Camera makers' notes hold offsets that break when the block is
written anew, so values are patched where they stand (EXIF 2.32, section 4.6; TIFF 6.0, section 2).
"""

from __future__ import annotations

import re
import struct
from typing import Final, NamedTuple

from PIL import Image

_SHORT: Final = 3
_LONG: Final = 4
_ORIENTATION: Final = 0x0112
_EXIF_IFD: Final = 0x8769
_COLOR_SPACE: Final = 0xA001
_WIDTH_TAGS: Final = (0x0100, 0xA002)
_HEIGHT_TAGS: Final = (0x0101, 0xA003)
_THUMBNAIL_TAGS: Final = ((0x0201, 0x0202), (0x0111, 0x0117))  # (offset, byte count)
DIRECTORY_TAGS: Final = (0x8769, 0x8825)  # EXIF, GPS
_INTEROP_LINK: Final = 0xA005
# Title, maker, model, software, date, artist, host, ratings, copyright, and Windows' own.
_DESCRIPTIVE_TAGS: Final = (
    *(0x010E, 0x010F, 0x0110, 0x0131, 0x0132, 0x013B, 0x013C, 0x4746, 0x4749, 0x8298),
    *(0x9C9B, 0x9C9C, 0x9C9D, 0x9C9E, 0x9C9F),
)
_JPEG_START: Final = re.compile(rb"\xff\xd8\xff[\xc0-\xfe]")
_JPEG_END: Final = b"\xff\xd9"
_HEADER_SIZE: Final = 8
_PREFIX: Final = re.compile(rb"^(?:Exif\x00\x00)+")


class _Entry(NamedTuple):
    position: int
    tag: int
    value: int


def clean_exif(block: bytes, size: tuple[int, int], *, converted: bool) -> bytes | None:
    """Makes an EXIF block true of an upright sRGB picture.

    Args:
        block: The block, with or without its "Exif" prefix.
        size: Width and height of the upright picture in pixels.
        converted: Whether its colours were converted to sRGB.

    Returns:
        The block without prefix, orientation 1, sizes as given, thumbnails wiped out; None if it
        is too broken to be sure of that.
    """
    data = bytearray(_PREFIX.sub(b"", block))
    try:
        order = {b"II": "<", b"MM": ">"}[bytes(data[:2])]
        (first,) = struct.unpack_from(order + "I", data, 4)
        entries = _entries(data, order, first)
        for entry in entries:
            if entry.tag == _EXIF_IFD:
                _patch(data, order, _entries(data, order, entry.value), size, converted)
        _patch(data, order, entries, size, converted)
        _cut_thumbnail(data, order, first + 2 + 12 * len(entries))
    except (KeyError, struct.error):
        return None
    _wipe_jpegs(data)
    return bytes(data)


def descriptive_exif(exif: Image.Exif) -> Image.Exif:
    """Copies the tags that describe the photo and leaves those that describe a TIFF's storage."""
    copy = Image.Exif()
    for tag in _DESCRIPTIVE_TAGS:
        if tag in exif:
            copy[tag] = exif[tag]
    for tag in DIRECTORY_TAGS:
        if tag in exif:
            # The link to the interoperability directory is an offset into the file as it was.
            copy[tag] = {k: v for k, v in exif.get_ifd(tag).items() if k != _INTEROP_LINK}
    return copy


def _entries(data: bytearray, order: str, offset: int) -> list[_Entry]:
    (count,) = struct.unpack_from(order + "H", data, offset)
    entries = []
    for position in range(offset + 2, offset + 2 + 12 * count, 12):
        tag, kind, _ = struct.unpack_from(order + "HHI", data, position)
        (value,) = struct.unpack_from(order + ("H" if kind == _SHORT else "I"), data, position + 8)
        entries.append(_Entry(position, tag, value))
    return entries


def _patch(
    data: bytearray, order: str, entries: list[_Entry], size: tuple[int, int], converted: bool
) -> None:
    for position, tag, _ in entries:
        if tag == _ORIENTATION or (tag == _COLOR_SPACE and converted):
            struct.pack_into(order + "HHIHH", data, position, tag, _SHORT, 1, 1, 0)
        elif tag in _WIDTH_TAGS + _HEIGHT_TAGS:
            length = size[0] if tag in _WIDTH_TAGS else size[1]
            struct.pack_into(order + "HHII", data, position, tag, _LONG, 1, length)


def _cut_thumbnail(data: bytearray, order: str, link: int) -> None:
    """Unlinks the directory that the offset at `link` leads to and wipes its picture."""
    (offset,) = struct.unpack_from(order + "I", data, link)
    struct.pack_into(order + "I", data, link, 0)
    if offset == 0:
        return
    try:
        values = {entry.tag: entry.value for entry in _entries(data, order, offset)}
    except struct.error:
        return
    for start_tag, length_tag in _THUMBNAIL_TAGS:
        start = values.get(start_tag, len(data))
        end = min(start + values.get(length_tag, 0), len(data))
        if link + 4 <= start and end == len(data):
            del data[start:]
        elif _HEADER_SIZE <= start < end:
            data[start:end] = bytes(end - start)


def _wipe_jpegs(data: bytearray) -> None:
    """Zeroes pictures inside makers' notes, which show the photo as it was."""
    end = 0
    while (found := _JPEG_START.search(data, end)) is not None:
        start, end = found.start(), data.find(_JPEG_END, found.end()) + len(_JPEG_END)
        if end < start:
            return
        data[start:end] = bytes(end - start)
