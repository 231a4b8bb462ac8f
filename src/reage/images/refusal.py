"""What is said of a file that is no picture, or whose decoder fails."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from PIL import Image, UnidentifiedImageError

from reage.errors import ImageReadError, ReageError
from reage.images.container import CUT_SHORT
from reage.images.quiet import quiet_pillow

FETCH_AGAIN: Final = "copy or download it again"
_KNOWN_STARTS: Final = (b"\xff\xd8\xff", b"\x89PNG", b"GIF8", b"II*\0", b"MM\0*", b"BM")


@contextmanager
def pillow_errors(name: str, header: bytes = b"") -> Iterator[None]:
    """Silences Pillow's warnings and turns whatever its decoders raise into one error."""
    try:
        with quiet_pillow():
            yield
    except ReageError:
        raise
    except Image.DecompressionBombError as error:
        raise ImageReadError(
            name, "claims more pixels than any photo has", "make it smaller"
        ) from error
    except UnidentifiedImageError as error:
        raise _unidentified(name, header) from error
    except MemoryError as error:
        raise ImageReadError(
            name, "does not fit into memory", "make it smaller or free some memory"
        ) from error
    except Exception as error:  # decoders raise anything on damaged data
        raise _damaged(name, error) from error


def _unidentified(name: str, header: bytes) -> ImageReadError:
    if header.startswith(_KNOWN_STARTS) or header[4:8] == b"ftyp" or header[8:12] == b"WEBP":
        return ImageReadError(
            name, "has a damaged or unknown header", "copy or download it again, or convert it"
        )
    return ImageReadError(
        name,
        "is no picture of a known format",
        "give a JPEG, PNG, WebP, AVIF, HEIC, TIFF, GIF or BMP file",
    )


def _damaged(name: str, error: Exception) -> ImageReadError:
    detail = " ".join(str(error).split()).rstrip(".") or type(error).__name__
    if "truncated" in detail.lower():
        return ImageReadError(name, CUT_SHORT, FETCH_AGAIN)
    if "MAX_TEXT" in detail:
        return ImageReadError(
            name, "holds a text that unpacks to megabytes", "save it anew without its texts"
        )
    return ImageReadError(name, f"is damaged ({detail})", FETCH_AGAIN)
