from __future__ import annotations

import io
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
from picture_makers import (
    corners,
    encode,
    encode_heic,
    noise,
    with_orientation,
)
from PIL import Image

from reage.errors import MissingExtraError
from reage.images import read_photo

Transpose = Image.Transpose
# How a camera that was held so that orientation N is right stored the upright picture.
STORED_AS = {
    1: None,
    2: Transpose.FLIP_LEFT_RIGHT,
    3: Transpose.ROTATE_180,
    4: Transpose.FLIP_TOP_BOTTOM,
    5: Transpose.TRANSPOSE,
    6: Transpose.ROTATE_90,
    7: Transpose.TRANSVERSE,
    8: Transpose.ROTATE_270,
}


def test_a_plain_file_is_read_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "photo.png"
    Image.fromarray(noise()).save(path)

    photo = read_photo(path)

    assert photo.pixels.dtype == np.uint8
    assert np.array_equal(photo.pixels, noise())
    assert photo.alpha is None
    assert (photo.format, photo.name) == ("PNG", str(path))
    assert np.array_equal(read_photo(str(path)).pixels, noise())
    assert read_photo(path.read_bytes()).name == "<bytes>"


@pytest.mark.parametrize("format", ["JPEG", "PNG", "TIFF", "WEBP", "AVIF"])
@pytest.mark.parametrize("orientation", STORED_AS)
def test_every_orientation_comes_out_upright(format: str, orientation: int) -> None:
    method = STORED_AS[orientation]
    stored = corners() if method is None else corners().transpose(method)

    photo = read_photo(encode(stored, format, exif=with_orientation(orientation)))

    assert photo.pixels.shape == (32, 48, 3)
    for row, column in ((8, 12), (8, 36), (24, 12), (24, 36)):
        assert np.allclose(photo.pixels[row, column], np.asarray(corners())[row, column], atol=8)


@pytest.mark.parametrize(
    "exif",
    [with_orientation(9).tobytes(), b"Exif\0\0II*\0\xff\xff\xff\xff", b"Exif\0\0garbage"],
    ids=["unknown value", "bad offset", "no TIFF"],
)
def test_a_broken_orientation_leaves_the_picture_as_it_is(exif: bytes) -> None:
    photo = read_photo(encode(corners(), "JPEG", exif=exif))

    assert photo.pixels.shape == (32, 48, 3)
    assert photo.pixels[8, 12, 0] > 150


def test_orientation_from_xmp_alone_is_applied() -> None:
    xmp = b'<x:xmpmeta><rdf:Description tiff:Orientation="6"/></x:xmpmeta>'
    stored = corners().transpose(Transpose.ROTATE_90)

    photo = read_photo(encode(stored, "JPEG", xmp=xmp))

    assert photo.pixels.shape == (32, 48, 3)
    assert photo.metadata.xmp is not None
    assert b'tiff:Orientation="1"' in photo.metadata.xmp


def test_an_image_object_is_turned_upright_and_left_alone() -> None:
    data = encode(corners().transpose(Transpose.ROTATE_90), "JPEG", exif=with_orientation(6))
    image = Image.open(io.BytesIO(data))

    photo = read_photo(image)

    assert (photo.format, photo.name) == ("JPEG", "<image>")
    assert photo.pixels.shape == (32, 48, 3)
    assert image.size == (32, 48)
    assert image.getexif()[0x0112] == 6


def test_arrays_are_copied_and_take_any_channel_count() -> None:
    rgba = noise(4)
    photo = read_photo(rgba)
    assert photo.alpha is not None
    assert np.array_equal(photo.pixels, rgba[..., :3])
    assert np.array_equal(photo.alpha, rgba[..., 3])
    rgba[:] = 0
    assert photo.pixels.any()
    assert photo.alpha.any()

    grey = noise(1)
    for array in (grey, grey[..., None]):
        assert np.array_equal(read_photo(array).pixels, np.stack([grey] * 3, axis=-1))
    turned = noise().transpose(1, 0, 2)
    assert np.array_equal(read_photo(turned).pixels, turned)


@pytest.mark.parametrize("format", ["GIF", "WEBP", "PNG", "TIFF", "AVIF"])
def test_the_first_of_several_pictures_is_read(format: str) -> None:
    other = Image.new("RGB", corners().size, "black")

    photo = read_photo(encode(corners(), format, save_all=True, append_images=[other]))

    assert photo.metadata.has_more
    assert np.allclose(photo.pixels[24, 36], (220, 220, 220), atol=8)


def test_of_a_multi_picture_jpeg_the_first_is_read_as_a_jpeg() -> None:
    data = encode(corners(), "MPO", save_all=True, append_images=[corners().rotate(180)])

    photo = read_photo(data)

    assert (photo.format, photo.metadata.has_more) == ("JPEG", True)
    assert photo.pixels[8, 12, 0] > 150


@pytest.mark.parametrize(
    ("tail", "has_more"),
    [
        (b"\0\0\0\x18ftypmp42" + bytes(40), True),  # a motion photo's film
        (bytes((1 << 20) - 3) + b"\0\0\0\x18ftypmp42", True),
        (encode(Image.new("L", (8, 8)), "JPEG"), True),  # a gain map
        (b"SEFH" + bytes(8) + b"Image_UTC_Data1700000000000SEFT", False),  # a camera's note
        (bytes(512), False),
    ],
)
def test_a_film_after_a_jpeg_is_noticed(tail: bytes, has_more: bool) -> None:
    photo = read_photo(encode(corners(), "JPEG") + tail)
    assert photo.metadata.has_more is has_more


def test_a_film_in_a_heic_file_is_noticed() -> None:
    data = encode_heic(corners())
    assert not read_photo(data).metadata.has_more
    assert read_photo(data + b"\0\0\0\x10mpvd" + bytes(8)).metadata.has_more


def test_what_lies_below_transparency_is_not_visible() -> None:
    pixels = np.full((2, 2, 4), 100, np.uint8)
    pixels[..., 3] = [[255, 0], [51, 255]]
    photo = read_photo(pixels)
    assert photo.visible[..., 0].tolist() == [[100, 255], [224, 100]]
    opaque = read_photo(pixels[..., :3])
    assert opaque.visible is opaque.pixels


def test_content_and_not_the_ending_decides(tmp_path: Path) -> None:
    path = tmp_path / "photo.jpg"
    path.write_bytes(encode(corners(), "WEBP"))

    assert read_photo(path).format == "WEBP"


def test_heic_is_read_without_registering_anything() -> None:
    data = encode_heic(corners())

    photo = read_photo(data)

    assert photo.format == "HEIF"
    assert np.allclose(photo.pixels[8, 12], (200, 30, 30), atol=8)
    assert "HEIF" not in Image.OPEN


def test_heic_without_its_package_names_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    data = encode_heic(corners())
    monkeypatch.setitem(sys.modules, "pillow_heif", None)

    with pytest.raises(MissingExtraError, match=r"pip install 'reage\[heic\]'"):
        read_photo(data)


def test_no_warning_leaks_and_filters_stay_as_they_were() -> None:
    exif = b"Exif\0\0II*\0\x08\0\0\0\x09\0" + bytes(20)
    data = encode(corners(), "JPEG", exif=exif)
    with warnings.catch_warnings(record=True) as leaked:
        warnings.simplefilter("always")
        before = list(warnings.filters)
        read_photo(data)
        assert list(warnings.filters) == before
    assert leaked == []
