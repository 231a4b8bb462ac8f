from __future__ import annotations

import os
import zlib
from pathlib import Path

import numpy as np
import pytest
from picture_makers import (
    corners,
    encode,
    encode_heic,
    png_chunk,
    png_claiming,
)
from PIL import Image

from reage.errors import ImageReadError
from reage.images import Photo, read_photo


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (np.zeros((4, 4, 3), np.float32), "float32.*0..255"),
        (np.zeros((4, 4), bool), "bool"),
        (np.zeros((3, 40, 40), np.uint8), "3x40x40.*height x width"),
        (np.zeros((4, 4, 2), np.uint8), "4x4x2"),
        (np.zeros((0, 4, 3), np.uint8), "0x4x3"),
        (np.zeros((), np.uint8), "single number"),
    ],
)
def test_unfit_arrays_are_refused(array: np.ndarray, words: str) -> None:
    with pytest.raises(ImageReadError, match=words):
        read_photo(array)


def expect_refusal(source: object, words: str, **options: int) -> None:
    with pytest.raises(ImageReadError, match=words) as caught:
        read_photo(source, **options)  # type: ignore[arg-type]
    message = str(caught.value)
    assert "\n" not in message
    assert message.endswith(".")


def test_paths_that_are_no_files_are_refused(tmp_path: Path) -> None:
    expect_refusal(tmp_path / "none.jpg", "none.jpg: does not exist; check the path")
    expect_refusal(tmp_path, "is a folder")
    expect_refusal("", "is a folder|does not exist")
    expect_refusal("a\0b.jpg", "cannot be opened")
    expect_refusal("x" * 5000, "cannot be opened")
    expect_refusal(None, "NoneType")


@pytest.mark.skipif(os.name != "posix", reason="pipes and devices that only POSIX has")
def test_pipes_and_devices_are_refused(tmp_path: Path) -> None:
    fifo = tmp_path / "pipe.jpg"
    os.mkfifo(fifo)
    expect_refusal(fifo, "is no regular file")
    expect_refusal("/dev/zero", "is no regular file")


def test_an_unreadable_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "photo.jpg"
    path.write_bytes(b"x")

    def deny(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", deny)
    expect_refusal(path, "may not be read; check its permissions")


def test_what_is_no_picture_is_refused(tmp_path: Path) -> None:
    text = tmp_path / "notes.jpg"
    text.write_text("Dear diary, today I took a photo.\n" * 50)
    vector = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\nshowpage\n"

    expect_refusal(text, "notes.jpg: is no picture of a known format; give a JPEG")
    expect_refusal(b"", "is empty")
    expect_refusal(b"\xff\xd8\xff\xe0", "is cut short")
    expect_refusal(b"II*\0\xff\xff\xff\x7f", "has a damaged or unknown header")
    expect_refusal(vector, "is no picture of a known format")


@pytest.mark.parametrize(
    ("format", "options"),
    [
        ("JPEG", {}),
        ("JPEG", {"progressive": True}),
        ("PNG", {}),
        ("WEBP", {}),
        ("WEBP", {"lossless": True}),
        ("AVIF", {}),
        ("TIFF", {}),
        ("GIF", {}),
        ("BMP", {}),
        ("JPEG2000", {}),
        ("PPM", {}),
    ],
)
@pytest.mark.parametrize("share", [0.3, 0.6, 0.9, 0.99])
def test_a_file_cut_short_is_refused(format: str, options: dict, share: float) -> None:
    image = Image.fromarray(np.random.default_rng(1).integers(0, 256, (64, 64, 3), np.uint8))
    data = encode(image, format, **options)

    expect_refusal(data[: int(share * len(data))], "cut short|damaged")


def test_a_heic_file_cut_short_is_refused() -> None:
    data = encode_heic(corners())

    expect_refusal(data[:-1], "is cut short")


def test_a_jpeg_or_png_whose_end_was_never_written_is_refused() -> None:
    image = Image.fromarray(np.random.default_rng(1).integers(0, 256, (64, 64, 3), np.uint8))
    for format in ("JPEG", "PNG"):
        data = encode(image, format)
        half = len(data) // 2
        expect_refusal(data[:half] + bytes(len(data) - half), "cut short|damaged")


def test_a_png_without_its_end_or_with_a_changed_byte_is_refused() -> None:
    data = bytearray(encode(corners(), "PNG"))

    expect_refusal(bytes(data[:-12]), "is cut short")
    data[data.index(b"IDAT") + 10] ^= 1
    expect_refusal(bytes(data), "is damaged")


def test_too_many_pixels_are_refused_from_the_header_alone() -> None:
    limit = Image.MAX_IMAGE_PIXELS

    expect_refusal(png_claiming(60_000, 60_000), "more pixels than any photo")
    expect_refusal(png_claiming(12_000, 12_000), "12000 x 12000 pixels, .* 100,000,000")
    expect_refusal(encode(corners(), "PNG"), "limit of 1,535", max_pixels=1535)
    expect_refusal(corners(), "limit of 1,535", max_pixels=1535)
    assert isinstance(read_photo(encode(corners(), "PNG"), max_pixels=1536), Photo)
    assert limit == Image.MAX_IMAGE_PIXELS


def test_a_text_that_unpacks_to_megabytes_is_refused() -> None:
    bomb = png_chunk(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(20_000_000)))
    data = encode(corners(), "PNG")

    expect_refusal(data[:33] + bomb + data[33:], "unpacks to megabytes")


def test_a_camera_raw_file_is_not_mistaken_for_its_preview() -> None:
    tags = Image.Exif()
    tags[254] = 1

    expect_refusal(encode(corners(), "TIFF", exif=tags), "is a camera raw file; develop it")
