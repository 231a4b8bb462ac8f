from __future__ import annotations

import struct

import numpy as np
import pytest
from picture_makers import (
    corners,
    display_p3_profile,
    encode,
    noise,
    png_of,
)
from PIL import Image, ImageCms

from reage.images import read_photo
from reage.images.color import srgb_profile


def grey_values() -> np.ndarray:
    return np.linspace(0, 255, 240).round().astype(np.uint8).reshape(12, 20)


@pytest.mark.parametrize("space", [b"YCbr", b"XYZ ", b"HSV ", b"3CLR"])
def test_a_profile_of_a_space_that_no_picture_has_is_ignored(space: bytes) -> None:
    profile = srgb_profile()
    odd = profile[:16] + space + profile[20:]
    data = encode(corners(), "PNG", icc_profile=odd)
    np.testing.assert_array_equal(read_photo(data).pixels, np.asarray(corners()))


@pytest.mark.parametrize(
    ("data", "mode"),
    [
        (encode(Image.fromarray(grey_values()), "PNG"), "L"),
        (encode(Image.fromarray(grey_values().astype(np.uint16) * 257), "PNG"), "I;16"),
        (encode(Image.fromarray(grey_values().astype(np.uint16) * 257), "TIFF"), "I;16"),
        (encode(Image.fromarray(grey_values().astype(np.int32) * 257), "TIFF"), "I"),
        (encode(Image.fromarray(grey_values().astype(np.int32)), "TIFF"), "I"),
        (encode(Image.fromarray(grey_values() / np.float32(255)), "TIFF"), "F"),
        (encode(Image.fromarray(grey_values().astype(np.float32)), "TIFF"), "F"),
    ],
)
def test_greys_of_any_depth_scale_to_8_bits(data: bytes, mode: str) -> None:
    photo = read_photo(data)

    assert photo.metadata.mode == mode
    assert np.array_equal(photo.pixels, np.stack([grey_values()] * 3, axis=-1))


def test_values_beyond_16_bits_are_stretched() -> None:
    values = np.array([[-1000, 0, 1000]], np.int32)

    assert read_photo(Image.fromarray(values)).pixels[0, :, 0].tolist() == [0, 128, 255]


def test_one_bit_pictures_are_black_and_white() -> None:
    bits = noise(1) > 127

    photo = read_photo(encode(Image.fromarray(bits), "PNG"))

    assert photo.metadata.mode == "1"
    assert np.array_equal(photo.pixels[..., 1], np.where(bits, 255, 0))


def test_16_bit_colour_keeps_its_high_byte() -> None:
    raw = b"".join(b"\0" + row.repeat(2).tobytes() for row in noise().reshape(12, -1))
    header = struct.pack(">IIBBBBB", 20, 12, 16, 2, 0, 0, 0)

    assert np.array_equal(read_photo(png_of(header, raw)).pixels, noise())


@pytest.mark.parametrize("format", ["JPEG", "TIFF"])
def test_cmyk_comes_out_in_its_colours(format: str) -> None:
    cmyk = Image.new("CMYK", (16, 16), (0, 255, 255, 0))

    photo = read_photo(encode(cmyk, format))

    assert photo.metadata.mode == "CMYK"
    assert np.abs(photo.pixels.astype(int) - (255, 0, 0)).max() <= 4


def test_lab_comes_out_in_its_colours() -> None:
    srgb, lab = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
    image = ImageCms.profileToProfile(corners(), srgb, lab, outputMode="LAB")
    assert image is not None

    photo = read_photo(encode(image, "TIFF"))

    # 8-bit Lab is coarse for saturated colours.
    assert np.abs(photo.pixels.astype(int) - np.asarray(corners())).max() <= 16


def test_alpha_is_split_off_straight() -> None:
    for image in (Image.fromarray(noise(4)), Image.fromarray(noise(4)).convert("LA")):
        photo = read_photo(encode(image, "PNG"))
        assert photo.alpha is not None
        assert np.array_equal(photo.alpha, np.asarray(image.getchannel("A")))
        assert np.array_equal(photo.pixels, np.asarray(image.convert("RGB")))


def test_transparent_palette_entries_and_colour_keys_become_alpha() -> None:
    index = Image.fromarray(np.arange(240, dtype=np.uint8).reshape(12, 20) // 60, "P")
    index.putpalette([10, 20, 30, 40, 50, 60, 70, 80, 90, 100, 110, 120])
    for data in (
        encode(index, "PNG", transparency=2),
        encode(index, "GIF", transparency=2),
        encode(index.convert("RGB"), "PNG", transparency=(70, 80, 90)),
    ):
        photo = read_photo(data)
        assert photo.alpha is not None
        assert np.array_equal(photo.alpha, np.where(np.asarray(index) == 2, 0, 255))
        assert photo.pixels[0, 0].tolist() == [10, 20, 30]


def p3_to_srgb(pixels: np.ndarray) -> np.ndarray:
    """Display P3 to sRGB by the published matrix (both have the sRGB curve and white)."""
    matrix = np.array([[1.2249, -0.2247, 0], [-0.0420, 1.0419, 0], [-0.0197, -0.0786, 1.0979]])
    encoded = pixels / 255
    linear = np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)
    srgb = np.clip(linear @ matrix.T, 0, 1)
    curve = np.where(srgb <= 0.0031308, srgb * 12.92, 1.055 * srgb ** (1 / 2.4) - 0.055)
    return 255 * curve


def test_a_wide_gamut_profile_is_converted_to_srgb() -> None:
    pixels = noise() // 2 + 64

    photo = read_photo(encode(Image.fromarray(pixels), "PNG", icc_profile=display_p3_profile()))

    assert np.abs(photo.pixels - p3_to_srgb(pixels)).max() < 2
    assert np.abs(photo.pixels.astype(int) - pixels).max() > 10
    assert photo.metadata.icc == srgb_profile()


def test_an_srgb_profile_and_no_profile_change_nothing() -> None:
    data = encode(Image.fromarray(noise()), "PNG", icc_profile=srgb_profile())

    assert np.array_equal(read_photo(data).pixels, noise())
    assert read_photo(data).metadata.icc == srgb_profile()
    assert read_photo(encode(Image.fromarray(noise()), "PNG")).metadata.icc is None


def test_a_broken_or_unfitting_profile_is_ignored() -> None:
    for icc in (b"no profile at all", srgb_profile()[:200]):
        photo = read_photo(encode(Image.fromarray(noise()), "PNG", icc_profile=icc))
        assert np.array_equal(photo.pixels, noise())
        assert photo.metadata.icc is None
    cmyk = encode(Image.new("CMYK", (8, 8), (0, 255, 255, 0)), "TIFF", icc_profile=srgb_profile())
    assert read_photo(cmyk).pixels[0, 0].tolist() == [255, 0, 0]


def test_a_grey_picture_with_an_rgb_profile_stays_grey() -> None:
    image = Image.fromarray(grey_values())

    photo = read_photo(encode(image, "PNG", icc_profile=display_p3_profile()))

    assert np.ptp(photo.pixels.astype(int), axis=2).max() <= 1


def test_tall_pictures_of_any_depth_are_read_whole() -> None:
    levels = np.random.default_rng(3).integers(0, 256, (700, 9), np.uint8)
    grey = np.repeat(levels[..., None], 3, axis=2)
    colors = np.stack([levels, levels[::-1], levels[:, ::-1]], axis=-1)
    alpha = np.dstack([colors, levels])
    deep = levels.astype(np.uint16) * 257

    assert np.array_equal(read_photo(Image.fromarray(levels)).pixels, grey)
    assert np.array_equal(read_photo(Image.fromarray(deep)).pixels, grey)
    assert np.array_equal(read_photo(Image.fromarray(colors)).pixels, colors)
    read = read_photo(Image.fromarray(alpha))
    assert np.array_equal(read.pixels, colors)
    assert read.alpha is not None
    assert np.array_equal(read.alpha, levels)
