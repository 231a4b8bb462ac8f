from __future__ import annotations

import io
import struct

import numpy as np
import pytest
from picture_makers import corners, display_p3_profile, encode, encode_heic
from PIL import Image, PngImagePlugin

from reage.images import encode_photo, read_photo
from reage.images.exif import clean_exif

JPEG_BYTES = encode(Image.new("RGB", (8, 8), "red"), "JPEG")
XMP = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description tiff:Orientation="6" '
    b'dc:title="Hopper"><xmp:Thumbnails><rdf:Alt>AAAA</rdf:Alt></xmp:Thumbnails>'
    b"</rdf:Description></x:xmpmeta>"
)


def exif_block(order: str, *, note: bytes = b"", thumbnail: bytes = b"") -> bytes:
    """An EXIF block: maker, orientation 6, width 320; EXIF part with colour space and a note."""
    maker, note = b"Acme\0\0", note.ljust(5, b"\0")
    first, second = 8, 8 + 2 + 4 * 12 + 4
    third = second + 2 + 3 * 12 + 4
    data_at = third + 2 + 2 * 12 + 4
    note_at, thumbnail_at = data_at + len(maker), data_at + len(maker) + len(note)

    def entry(tag: int, kind: int, count: int, value: int) -> bytes:
        packed = struct.pack(order + ("H" if kind == 3 else "I"), value).ljust(4, b"\0")
        return struct.pack(order + "HHI", tag, kind, count) + packed

    def directory(entries: list[bytes], following: int) -> bytes:
        count = struct.pack(order + "H", len(entries))
        return count + b"".join(entries) + struct.pack(order + "I", following)

    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "I", first)
    main = [
        entry(0x0100, 4, 1, 320),
        entry(0x010F, 2, len(maker) - 1, data_at),
        entry(0x0112, 3, 1, 6),
        entry(0x8769, 4, 1, second),
    ]
    details = [
        entry(0x927C, 7, len(note), note_at),
        entry(0xA001, 3, 1, 2),
        entry(0xA003, 4, 1, 320),
    ]
    small = [entry(0x0201, 4, 1, thumbnail_at), entry(0x0202, 4, 1, len(thumbnail))]
    blocks = (
        directory(main, third if thumbnail else 0),
        directory(details, 0),
        directory(small, 0),
    )
    return head + b"".join(blocks) + maker + note + thumbnail


@pytest.mark.parametrize("order", ["<", ">"])
def test_an_exif_block_becomes_true_of_the_upright_picture(order: str) -> None:
    cleaned = clean_exif(b"Exif\0\0" + exif_block(order), (200, 320), converted=True)

    assert cleaned is not None
    exif = Image.Exif()
    exif.load(cleaned)
    details = exif.get_ifd(0x8769)
    assert (exif[0x0112], exif[0x0100], exif[0x010F]) == (1, 200, "Acme")
    assert (details[0xA001], details[0xA003]) == (1, 320)


def test_the_colour_space_stays_unless_colours_were_converted() -> None:
    cleaned = clean_exif(exif_block("<"), (200, 320), converted=False)

    assert cleaned is not None
    exif = Image.Exif()
    exif.load(cleaned)
    assert exif.get_ifd(0x8769)[0xA001] == 2


@pytest.mark.parametrize("order", ["<", ">"])
def test_the_thumbnail_is_gone_and_everything_else_stays_in_place(order: str) -> None:
    block = exif_block(order, note=b"maker's note", thumbnail=JPEG_BYTES)

    cleaned = clean_exif(block, (1, 1), converted=False)

    assert cleaned is not None
    assert len(cleaned) == len(block) - len(JPEG_BYTES)
    assert cleaned.index(b"maker's note") == block.index(b"maker's note")
    exif = Image.Exif()
    exif.load(cleaned)
    assert exif.get_ifd(1) == {}


def test_pictures_in_makers_notes_are_wiped() -> None:
    block = exif_block("<", note=b"before" + JPEG_BYTES + b"after")

    cleaned = clean_exif(block, (1, 1), converted=False)

    assert cleaned is not None
    assert len(cleaned) == len(block)
    assert b"\xff\xd8\xff" not in cleaned
    assert b"before" + bytes(len(JPEG_BYTES)) + b"after" in cleaned


@pytest.mark.parametrize(
    "block",
    [b"", b"II", b"XX*\0\x08\0\0\0", b"II*\0\xff\xff\xff\xff", exif_block("<")[:60]],
)
def test_a_broken_block_is_dropped(block: bytes) -> None:
    assert clean_exif(block, (1, 1), converted=False) is None


def test_a_hostile_block_ends_quickly() -> None:
    self_linked = bytearray(exif_block("<"))
    position = self_linked.index(struct.pack("<H", 0x8769))
    struct.pack_into("<I", self_linked, position + 8, 8)

    assert clean_exif(bytes(self_linked), (1, 1), converted=True) is not None
    starts_only = exif_block("<", note=b"\xff\xd8\xff\xe0" * 200_000)
    assert clean_exif(starts_only, (1, 1), converted=True) is not None


def rewritten(data: bytes) -> Image.Image:
    photo = read_photo(data)
    return Image.open(io.BytesIO(encode_photo(photo, photo.pixels)))


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "AVIF", "HEIF"])
def test_exif_and_xmp_are_kept_with_the_picture_upright(format: str) -> None:
    photo = read_photo(
        encode(corners(), "JPEG", exif=b"Exif\0\0" + exif_block("<", thumbnail=JPEG_BYTES), xmp=XMP)
    )
    if format == "HEIF":
        encode_heic(corners())

    back = read_photo(encode_photo(photo, photo.pixels, format=format))

    assert back.pixels.shape == photo.pixels.shape == (48, 32, 3)
    assert back.metadata.exif is not None
    assert back.metadata.xmp is not None
    exif = Image.Exif()
    exif.load(back.metadata.exif)
    assert (exif[0x010F], exif.get(0x0112, 1)) == ("Acme", 1)
    assert exif.get_ifd(1) == {}
    assert b'dc:title="Hopper"' in back.metadata.xmp
    assert b'Orientation="6"' not in back.metadata.xmp
    assert b"Thumbnails" not in back.metadata.xmp


def test_what_a_motion_photo_says_of_its_film_is_dropped() -> None:
    packet = (
        b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description dc:title="Hopper"'
        b' GCamera:MicroVideo="1" GCamera:MicroVideoOffset="200000"'
        b" Camera:MotionPhoto='1' hdrgm:Version=\"1.0\">"
        b"<GCamera:MotionPhotoVersion>1</GCamera:MotionPhotoVersion>"
        b"<hdrgm:GainMapMax/><Container:Directory><rdf:Seq><rdf:li><Container:Item"
        b' Item:Mime="video/mp4"/></rdf:li></rdf:Seq></Container:Directory>'
        b"<dc:rights>Navy</dc:rights></rdf:Description></x:xmpmeta>"
    )
    kept = read_photo(encode(corners(), "JPEG", xmp=packet)).metadata.xmp
    assert kept == (
        b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description dc:title="Hopper">'
        b"<dc:rights>Navy</dc:rights></rdf:Description></x:xmpmeta>"
    )


def test_a_tiff_keeps_what_describes_the_photo() -> None:
    tags = Image.Exif()
    tags[0x0112], tags[0x010F], tags[0x013B] = 8, "Acme", "Grace"
    tags.get_ifd(0x8769)[0x9003] = "2001:02:03 04:05:06"

    back = rewritten(encode(corners(), "TIFF", exif=tags.tobytes(), dpi=(200, 200)))

    exif = back.getexif()
    assert (exif[0x010F], exif[0x013B], exif.get(0x0112, 1)) == ("Acme", "Grace", 1)
    assert exif.get_ifd(0x8769)[0x9003] == "2001:02:03 04:05:06"
    assert back.size == (32, 48)
    assert back.info["dpi"] == (200, 200)


def test_a_tiff_keeps_its_compression() -> None:
    tags = Image.Exif()
    tags[0x013B] = "Grace"

    back = rewritten(encode(corners(), "TIFF", exif=tags, compression="tiff_lzw"))

    assert back.info["compression"] == "tiff_lzw"
    assert back.getexif()[0x013B] == "Grace"


def test_a_jpeg_that_becomes_a_tiff_keeps_exif_and_xmp() -> None:
    photo = read_photo(encode(corners(), "JPEG", exif=b"Exif\0\0" + exif_block(">"), xmp=XMP))

    back = Image.open(io.BytesIO(encode_photo(photo, photo.pixels, format="TIFF")))

    assert back.getexif()[0x010F] == "Acme"
    assert b"Hopper" in back.info["xmp"]


@pytest.mark.parametrize("format", ["JPEG", "PNG", "TIFF", "BMP"])
def test_resolution_is_kept(format: str) -> None:
    back = rewritten(encode(corners(), format, dpi=(300, 300)))

    assert np.allclose(np.array(back.info["dpi"], float), 300, atol=0.1)


def test_captions_and_comments_of_a_jpeg_are_kept() -> None:
    iptc = b"\x1c\x02\x78\x00\x05Grace"
    resource = b"8BIM" + struct.pack(">HHI", 1028, 0, len(iptc)) + iptc + b"\0"
    body = b"Photoshop 3.0\0" + resource
    segment = b"\xff\xed" + struct.pack(">H", len(body) + 2) + body

    back = rewritten(encode(corners(), "JPEG", comment=b"a comment", extra=segment))

    assert back.info["photoshop"][1028] == iptc
    assert back.info["comment"] == b"a comment"


def test_texts_of_a_png_are_kept_but_raw_profiles_are_not() -> None:
    texts = PngImagePlugin.PngInfo()
    texts.add_text("Author", "Grace")
    texts.add_itxt("Title", "Übung")
    texts.add_text("Raw profile type iptc", "\niptc\n 0\n")

    back = rewritten(encode(corners(), "PNG", pnginfo=texts))

    assert back.text == {"Author": "Grace", "Title": "Übung"}  # type: ignore[attr-defined]


def test_the_comment_of_a_gif_is_kept() -> None:
    assert rewritten(encode(corners(), "GIF", comment=b"hello")).info["comment"] == b"hello"


def test_blocks_too_long_for_a_jpeg_are_left_out() -> None:
    photo = read_photo(
        encode(corners(), "PNG", exif=exif_block("<", note=bytes(70_000)), icc_profile=None)
    )

    back = read_photo(encode_photo(photo, photo.pixels, format="JPEG"))

    assert photo.metadata.exif is not None
    assert back.metadata.exif is None


def test_converted_colours_are_declared_in_exif() -> None:
    photo = read_photo(
        encode(
            corners(),
            "JPEG",
            exif=b"Exif\0\0" + exif_block("<"),
            icc_profile=display_p3_profile(),
        )
    )

    assert photo.metadata.exif is not None
    exif = Image.Exif()
    exif.load(photo.metadata.exif)
    assert exif.get_ifd(0x8769)[0xA001] == 1
