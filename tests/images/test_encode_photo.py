from __future__ import annotations

import io
import sys

import numpy as np
import pytest
from picture_makers import corners, display_p3_profile, encode, encode_heic, noise
from PIL import Image

from reage.errors import ImageWriteError, MissingExtraError
from reage.images import (
    encode_photo,
    read_photo,
    to_pil,
)
from reage.images.color import srgb_profile

LOSSLESS = [
    ("PNG", {}),
    ("TIFF", {}),
    ("TIFF", {"compression": "tiff_lzw"}),
    ("TIFF", {"compression": "tiff_adobe_deflate"}),
    ("WEBP", {"lossless": True, "exact": True}),
    ("JPEG2000", {}),
]


@pytest.mark.parametrize(("format", "options"), LOSSLESS)
@pytest.mark.parametrize("channels", [3, 4])
def test_untouched_pixels_are_identical(format: str, options: dict, channels: int) -> None:
    source = noise(channels)
    photo = read_photo(encode(Image.fromarray(source), format, **options))
    touched = photo.pixels.copy()
    touched[2:6, 3:9] = 77

    back = np.array(Image.open(io.BytesIO(encode_photo(photo, touched))))

    expected = source.copy()
    expected[2:6, 3:9, :3] = 77
    assert np.array_equal(back, expected)


def test_colours_below_transparent_pixels_survive() -> None:
    rgba = noise(4)
    rgba[..., 3] = 0
    for format, options in (("PNG", {}), ("WEBP", {"lossless": True, "exact": True})):
        photo = read_photo(encode(Image.fromarray(rgba), format, **options))
        back = read_photo(encode_photo(photo, photo.pixels))
        assert np.array_equal(back.pixels, rgba[..., :3])


def test_a_wide_gamut_png_with_alpha_is_written_as_its_srgb_conversion() -> None:
    rgba = noise(4)
    photo = read_photo(encode(Image.fromarray(rgba), "PNG", icc_profile=display_p3_profile()))

    data = encode_photo(photo, photo.pixels)
    back = Image.open(io.BytesIO(data))

    assert back.info["icc_profile"] == srgb_profile()
    assert np.array_equal(np.asarray(back)[..., :3], photo.pixels)
    assert np.array_equal(np.asarray(back)[..., 3], rgba[..., 3])
    assert np.array_equal(read_photo(data).pixels, photo.pixels)
    assert data == encode_photo(photo, photo.pixels)


@pytest.mark.parametrize("format", ["BMP", "PPM"])
def test_formats_without_alpha_are_exact_and_put_transparency_on_white(format: str) -> None:
    photo = read_photo(encode(Image.fromarray(noise()), format))
    assert np.array_equal(read_photo(encode_photo(photo, photo.pixels)).pixels, noise())

    rgba = noise(4)
    rgba[..., 3] = 255
    rgba[0, 0] = 9, 9, 9, 0
    back = read_photo(encode_photo(read_photo(rgba), rgba[..., :3], format=format))
    assert back.alpha is None
    assert back.pixels[0, 0].tolist() == [255, 255, 255]
    assert np.array_equal(back.pixels[1:], rgba[1:, :, :3])


@pytest.mark.parametrize("format", ["JPEG", "WEBP", "AVIF"])
def test_lossy_formats_stay_close(format: str) -> None:
    photo = read_photo(encode(corners(), format, quality=90))

    back = read_photo(encode_photo(photo, photo.pixels))

    assert back.format == format
    assert np.abs(back.pixels.astype(int) - photo.pixels).mean() < 3


def test_heic_is_written_back_as_heic() -> None:
    photo = read_photo(encode_heic(corners()))

    back = read_photo(encode_photo(photo, photo.pixels))

    assert back.format == "HEIF"
    assert np.abs(back.pixels.astype(int) - photo.pixels).mean() < 3


def test_heic_without_its_package_names_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    photo = read_photo(noise())

    with pytest.raises(MissingExtraError, match=r"pip install 'reage\[heic\]'"):
        encode_photo(photo, photo.pixels, format="HEIF")


@pytest.mark.parametrize("quality", [30, 85])
@pytest.mark.parametrize("subsampling", [0, 1, 2])
def test_a_jpeg_is_compressed_as_it_was(quality: int, subsampling: int) -> None:
    source = encode(corners(), "JPEG", quality=quality, subsampling=subsampling, progressive=True)
    photo = read_photo(source)

    before = Image.open(io.BytesIO(source))
    after = Image.open(io.BytesIO(encode_photo(photo, photo.pixels)))

    assert after.quantization == before.quantization  # type: ignore[attr-defined]
    assert after.layer == before.layer  # type: ignore[attr-defined]
    assert after.info["progressive"]


def test_the_tables_of_a_turned_jpeg_turn_with_it() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    stored = corners().transpose(Image.Transpose.ROTATE_90)
    photo = read_photo(encode(stored, "JPEG", quality=40, subsampling=1, exif=exif))

    back = Image.open(io.BytesIO(encode_photo(photo, photo.pixels)))

    plain = Image.open(io.BytesIO(encode(stored, "JPEG", quality=40)))
    table = np.array(plain.quantization[0]).reshape(8, 8)  # type: ignore[attr-defined]
    assert not np.array_equal(table, table.T)
    assert back.quantization[0] == table.T.reshape(-1).tolist()  # type: ignore[attr-defined]
    # Halved columns would now be halved rows, which cannot be asked for.
    assert back.layer[0][1:3] == (1, 1)  # type: ignore[attr-defined]


def test_what_becomes_a_jpeg_has_quality_95_and_full_colour() -> None:
    photo = read_photo(noise())

    back = Image.open(io.BytesIO(encode_photo(photo, photo.pixels, format="JPEG")))

    wanted = Image.open(io.BytesIO(encode(corners(), "JPEG", quality=95, subsampling=0)))
    assert back.quantization == wanted.quantization  # type: ignore[attr-defined]
    assert back.layer == wanted.layer  # type: ignore[attr-defined]


@pytest.mark.parametrize("format", ["JPEG", "PNG", "TIFF", "AVIF"])
def test_grey_stays_grey_until_it_is_coloured(format: str) -> None:
    photo = read_photo(encode(corners().convert("L"), format))

    assert Image.open(io.BytesIO(encode_photo(photo, photo.pixels))).mode in ("L", "RGB")
    if format != "AVIF":
        assert Image.open(io.BytesIO(encode_photo(photo, photo.pixels))).mode == "L"
    coloured = np.asarray(corners())
    back = read_photo(encode_photo(photo, coloured))
    assert back.metadata.mode == "RGB"
    assert np.abs(back.pixels.astype(int) - coloured).mean() < 6


@pytest.mark.parametrize(
    ("mode", "format", "written"),
    [
        ("1", "PNG", "L"),
        ("P", "PNG", "RGB"),
        ("I;16", "PNG", "L"),
        ("LA", "PNG", "LA"),
        ("CMYK", "TIFF", "RGB"),
        ("CMYK", "JPEG", "RGB"),
    ],
)
def test_other_modes_become_the_nearest_8_bit_one(mode: str, format: str, written: str) -> None:
    if mode == "I;16":
        image = Image.fromarray(np.asarray(corners().convert("L")).astype(np.uint16) * 257)
    else:
        image = corners().convert(mode)
    photo = read_photo(encode(image, format))
    assert photo.metadata.mode == mode

    data = encode_photo(photo, photo.pixels)

    assert Image.open(io.BytesIO(data)).mode == written
    if format != "JPEG":
        assert np.array_equal(read_photo(data).pixels, photo.pixels)


def test_a_gif_keeps_up_to_256_colours_exactly() -> None:
    colors = np.random.default_rng(0).integers(0, 256, (256, 3), np.uint8)
    pixels = colors.reshape(16, 16, 3)
    photo = read_photo(pixels)
    assert np.array_equal(read_photo(encode_photo(photo, pixels, format="GIF")).pixels, pixels)

    alpha = np.full((16, 16, 1), 255, np.uint8)
    alpha[0, :2] = 0
    photo = read_photo(np.concatenate([pixels, alpha], axis=2))
    back = read_photo(encode_photo(photo, pixels, format="GIF"))
    assert back.alpha is not None
    assert np.array_equal(back.alpha, alpha[..., 0])
    assert np.array_equal(back.pixels[1:], pixels[1:])


def test_a_gif_of_more_colours_is_close() -> None:
    ramp = np.stack(np.meshgrid(*[np.arange(0, 256, 8, np.uint8)] * 2), axis=-1)
    pixels = np.concatenate([ramp, np.full((32, 32, 1), 90, np.uint8)], axis=2)

    back = read_photo(encode_photo(read_photo(pixels), pixels, format="GIF"))

    assert np.abs(back.pixels.astype(int) - pixels).mean() < 6


def test_a_picture_too_large_for_its_format_says_so() -> None:
    wide = np.zeros((1, 20_000, 3), np.uint8)

    with pytest.raises(ImageWriteError, match=r"cannot be written as WEBP.*choose PNG"):
        encode_photo(read_photo(wide), wide, format="WEBP")


def test_pixels_that_are_no_picture_are_a_programming_error() -> None:
    photo = read_photo(noise())
    for pixels in (noise(4), noise(1), noise().astype(np.float32)):
        with pytest.raises(ValueError, match="must be"):
            encode_photo(photo, pixels)


def test_another_size_is_written_opaque() -> None:
    photo = read_photo(noise(4))

    assert to_pil(photo, np.zeros((5, 6, 3), np.uint8)).mode == "RGB"


def test_to_pil_gives_an_upright_image_with_metadata() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    stored = corners().transpose(Image.Transpose.ROTATE_90)
    photo = read_photo(encode(stored, "PNG", exif=exif, icc_profile=srgb_profile()))

    image = to_pil(photo, photo.pixels)

    assert (image.mode, image.size) == ("RGB", (48, 32))
    assert image.getexif()[0x0112] == 1
    assert Image.open(io.BytesIO(encode(image, "PNG"))).info["icc_profile"] == srgb_profile()
    assert to_pil(read_photo(noise(4)), noise()).mode == "RGBA"
