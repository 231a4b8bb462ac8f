"""The mark that says a picture was made by a model, as IPTC and the law ask for it.

IPTC Photo Metadata Standard 2023.1, `Iptc4xmpExt:DigitalSourceType`: a photo into which a trained
model painted is a "composite with trained algorithmic media".
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from reage.images.photo import Photo, PhotoMetadata

SOURCE_TYPE: Final = (
    "http://cv.iptc.org/newscodes/digitalsourcetype/compositeWithTrainedAlgorithmicMedia"
)
WITHOUT_MARK: Final = ("BMP", "PPM", "JPEG2000")
"""Formats that have no place for the mark."""

_NAMESPACE: Final = "https://reage.dev/ns/1.0/"
_MARK: Final = (
    '<rdf:Description rdf:about="" xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"'
    ' xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"'
    ' xmlns:reage="{namespace}"'
    ' Iptc4xmpExt:DigitalSourceType="{source_type}" reage:Software="{software}"'
    ' reage:TargetAge="{ages}"/>'
)
_PACKET: Final = (
    '<?xpacket begin="\N{ZERO WIDTH NO-BREAK SPACE}" id="W5M0MpCehiHzreSzNTczkc9d"?>'
    '<x:xmpmeta xmlns:x="adobe:ns:meta/">'
    '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    '{mark}</rdf:RDF></x:xmpmeta><?xpacket end="w"?>'
)
_CLOSING: Final = re.compile(rb"</rdf:RDF\s*>")
_OWN: Final = re.compile(rb"<rdf:Description[^<>]*reage:TargetAge[^<>]*/>")
_OTHER_SOURCE: Final = re.compile(rb"(:DigitalSourceType(?:\s*=\s*[\"']|\s*>))[^\"'<>]*")
_FIELD: Final = rb"%s\s*=\s*[\"']([^\"']*)"


@dataclass(frozen=True)
class Mark:
    """What a marked picture says of itself.

    Attributes:
        source_type: IPTC's digital source type, a URL.
        software: Name and version of the program; empty if it was another that says none.
        target_ages: Ages shown, in years, in the order they were given.
    """

    source_type: str
    software: str
    target_ages: tuple[float, ...]


def mark_photo(photo: Photo, software: str, target_ages: Sequence[float]) -> Photo:
    """The photo with metadata that mark what is written from it; all other metadata stay.

    Args:
        photo: The photo that new pixels were made from.
        software: Name and version of the program.
        target_ages: Ages shown, in years.
    """
    ages = ", ".join(f"{age:g}" for age in target_ages)
    marked = replace(
        photo.metadata,
        xmp=_add_mark(photo.metadata.xmp, software, ages),
        short_xmp=_add_mark(None, software, ages),
        mark=mark_in_words(software, target_ages),
    )
    return replace(photo, metadata=marked)


def mark_in_words(software: str, target_ages: Sequence[float]) -> bytes:
    """The mark as a comment, for formats without XMP such as GIF."""
    ages = ", ".join(f"{age:g}" for age in target_ages)
    return f"{software}; target age {ages}; {SOURCE_TYPE}".encode()


def read_mark(photo: Photo) -> Mark | None:
    """The mark of a picture as it was read; None if it has none."""
    return mark_in(photo.metadata)


def made_here(mark: Mark | None) -> bool:
    """Whether a mark says that this tool made the picture."""
    return mark is not None and mark.software.startswith("reage")


def mark_in(metadata: PhotoMetadata) -> Mark | None:
    """The mark that a picture's metadata hold; None if they hold none."""
    packet = metadata.xmp or b""
    found = re.search(rb":DigitalSourceType(?:\s*=\s*[\"']|\s*>)([^\"'<>]*)", packet)
    if found is None:
        return read_words(metadata.comment or b"")
    software = re.search(_FIELD % b"reage:Software", packet)
    ages = re.search(_FIELD % b"reage:TargetAge", packet)
    return Mark(
        _text(found.group(1)),
        _text(software.group(1)) if software else "",
        _ages(_text(ages.group(1))) if ages else (),
    )


def is_synthetic(mark: Mark | None) -> bool:
    """Whether a mark says that a model had a part in the picture."""
    return mark is not None and "algorithmicmedia" in mark.source_type.lower()


def _add_mark(packet: bytes | None, software: str, ages: str) -> bytes:
    mark = _MARK.format(
        namespace=_NAMESPACE, source_type=SOURCE_TYPE, software=software, ages=ages
    ).encode()
    others = _OTHER_SOURCE.sub(rb"\g<1>" + SOURCE_TYPE.encode(), _OWN.sub(b"", packet or b""))
    endings = list(_CLOSING.finditer(others))
    if not endings:
        # Nothing to add to: there is no packet, or it is broken.
        return _PACKET.format(mark=mark.decode()).encode()
    place = endings[-1].start()
    return others[:place] + mark + others[place:]


def read_words(comment: bytes) -> Mark | None:
    """The mark that the last line of a comment is; None if it is none."""
    parts = [part.strip() for part in _text(comment).split("\n")[-1].split(";")]
    if len(parts) != 3 or not parts[2].startswith("http://cv.iptc.org/"):
        return None
    return Mark(parts[2], parts[0], _ages(parts[1].removeprefix("target age ")))


def _ages(text: str) -> tuple[float, ...]:
    ages = []
    for part in text.split(","):
        try:
            ages.append(float(part))
        except ValueError:
            continue
    return tuple(ages)


def _text(value: bytes) -> str:
    return value.decode("utf-8", "replace").strip()
