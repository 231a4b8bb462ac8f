"""Checks on whole files that Pillow's decoders leave out, so that no half picture passes."""

from __future__ import annotations

import os
import re
import struct
import zlib
from collections.abc import Iterator
from typing import IO, Final

CUT_SHORT: Final = "is cut short: its last part is missing"

_PNG_SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
_HEIC_BRANDS: Final = frozenset(
    (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
)
_AVIF_BRANDS: Final = frozenset((b"avif", b"avis"))
_JPEG_MARKER: Final = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")
_JPEG_END: Final = b"\xd9"
_JPEG_WITHOUT_LENGTH: Final = (b"\x01", b"\xd8")
_FILM_OR_PICTURE: Final = re.compile(rb"\0\0..ftyp|\xff\xd8\xff", re.DOTALL)
_SHORTEST: Final = 7
_PIECE: Final = 1 << 20


def is_heic(header: bytes) -> bool:
    """Whether a file's type box names HEIC pictures (ISO/IEC 23008-12), and not AVIF."""
    if header[4:8] != b"ftyp":
        return False
    box = header[8 : int.from_bytes(header[:4], "big")]
    brands = {box[start : start + 4] for start in range(0, len(box), 4)}
    return bool(brands & _HEIC_BRANDS) and not brands & _AVIF_BRANDS


def is_lossless_webp(stream: IO[bytes]) -> bool:
    """Whether the first picture of a WebP file is stored without loss (a chunk "VP8L")."""
    stream.seek(0)
    if stream.read(4) != b"RIFF":
        return False
    stream.seek(12)
    while len(head := stream.read(8)) == 8:
        kind, length = struct.unpack("<4sI", head)
        if kind in (b"VP8L", b"VP8 "):
            return bool(kind == b"VP8L")
        # A frame of an animation holds its chunks after 16 bytes of its own.
        stream.seek(16 if kind == b"ANMF" else length + length % 2, os.SEEK_CUR)
    return False


def fault_of(stream: IO[bytes]) -> str | None:
    """What is wrong with a file as a whole, a clause; None if nothing was found.

    PNG files have to end with their end chunk, and the checksums of the chunks that make up the
    picture have to be right. JPEG files have to hold their end marker. HEIC, AVIF and WebP files
    have to be as long as they say.
    """
    size = stream.seek(0, os.SEEK_END)
    stream.seek(0)
    header = stream.read(12)
    if header.startswith(_PNG_SIGNATURE):
        return _png_fault(stream, size)
    if header.startswith(b"\xff\xd8"):
        return CUT_SHORT if _jpeg_end(stream) < 0 else None
    if header[:4] == b"RIFF" and header[8:] == b"WEBP":
        return CUT_SHORT if int.from_bytes(header[4:8], "little") + 8 > size else None
    if header[4:8] == b"ftyp":
        return None if _boxes_fit(stream, size) else CUT_SHORT
    return None


def _png_fault(stream: IO[bytes], size: int) -> str | None:
    """Walks the chunks of a PNG file (PNG specification, section 5.3)."""
    stream.seek(len(_PNG_SIGNATURE))
    while len(head := stream.read(8)) == 8:
        length, kind = struct.unpack(">I4s", head)
        if stream.tell() + length + 4 > size:
            return CUT_SHORT
        checksum = zlib.crc32(kind)
        for piece in _pieces(stream, length):
            checksum = zlib.crc32(piece, checksum)
        is_critical = kind[:1].isupper()
        if is_critical and checksum != int.from_bytes(stream.read(4), "big"):
            return "is damaged (a checksum is wrong)"
        if kind == b"IEND":
            return None
        if not is_critical:
            stream.seek(4, os.SEEK_CUR)
    return CUT_SHORT


def _pieces(stream: IO[bytes], length: int) -> Iterator[bytes]:
    while length > 0:
        piece = stream.read(min(length, _PIECE))
        length -= len(piece)
        yield piece


def holds_film(stream: IO[bytes]) -> bool:
    """Whether a film or another picture follows a JPEG or HEIC picture, as in a motion photo.

    Other things that cameras write after a JPEG's end are notes to themselves, and do not count.
    """
    stream.seek(0)
    header = stream.read(12)
    if header.startswith(b"\xff\xd8"):
        stream.seek(max(0, _jpeg_end(stream)))
        tail = b""
        while piece := stream.read(_PIECE):
            if _FILM_OR_PICTURE.search(tail + piece):
                return True
            tail = piece[-_SHORTEST:]
        return False
    return header[4:8] == b"ftyp" and b"mpvd" in _top_boxes(stream)


def _top_boxes(stream: IO[bytes]) -> Iterator[bytes]:
    """The kinds of the boxes of a file, as far as their lengths can be followed."""
    start = 0
    while True:
        stream.seek(start)
        head = stream.read(8)
        length = int.from_bytes(head[:4], "big")
        yield head[4:]
        if length < 8:
            return
        start += length


def _jpeg_end(stream: IO[bytes]) -> int:
    """Where a JPEG picture ends, by its segments; -1 if it does not (ITU-T T.81, section B.1)."""
    position = 2
    while (position := _next_marker(stream, position)) >= 0:
        stream.seek(position + 1)
        kind = stream.read(1)
        if kind == _JPEG_END:
            return position + 2
        position += 2
        if kind not in _JPEG_WITHOUT_LENGTH:
            position += int.from_bytes(stream.read(2), "big")
    return -1


def _next_marker(stream: IO[bytes], position: int) -> int:
    """The offset of the first marker at or after a position, -1 if there is none.

    Restart markers and stuffed bytes belong to the compressed data and do not count.
    """
    stream.seek(position)
    while len(piece := stream.read(_PIECE)) > 1:
        found = _JPEG_MARKER.search(piece)
        if found is not None:
            return position + found.start()
        # The last byte may be the first of a marker.
        position += len(piece) - 1
        stream.seek(position)
    return -1


def _boxes_fit(stream: IO[bytes], size: int) -> bool:
    """Whether all top-level boxes lie inside the file (ISO/IEC 14496-12, section 4.2)."""
    start = 0
    while start + 8 <= size:
        stream.seek(start)
        (length,) = struct.unpack(">I", stream.read(8)[:4])
        if length == 1 and start + 16 <= size:
            (length,) = struct.unpack(">Q", stream.read(8))
        if length < 8:
            # Zero means "to the end of the file"; smaller values end the walk.
            return True
        start += length
    return start <= size
