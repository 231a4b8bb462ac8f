"""Every real and hostile file of the shared folder has a known outcome."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from reage.errors import ImageReadError
from reage.images import encode_photo, read_photo

pytestmark = pytest.mark.shared

# file name: (width, height) upright, format to write back, mode in the file, alpha
SOUND = {
    "01_exif_rot_face__hopper_orientation_2.jpg": (128, 128, "JPEG", "RGB", False),
    "02_exif_rot_face__hopper_orientation_3.jpg": (128, 128, "JPEG", "RGB", False),
    "04_exif_rot_face__hopper_orientation_8.jpg": (128, 128, "JPEG", "RGB", False),
    "06_exif_rot_noface__Portrait_6.jpg": (1200, 1800, "JPEG", "RGB", False),
    "07_pixel_rot_face_90__r90.jpg": (409, 330, "JPEG", "RGB", False),
    "09_cmyk_jpeg_noface__pil_sample_cmyk.jpg": (100, 100, "JPEG", "CMYK", False),
    "10_png16_noface__RGB_16__128x128.png": (128, 128, "PNG", "RGB", False),
    "11_png16_apng_noface__mode_16bit.png": (128, 64, "PNG", "RGBA", True),
    "12_grey_face__hopper_gray.jpg": (128, 128, "JPEG", "L", False),
    "14_palette_gif_face__hopper.gif": (128, 128, "GIF", "P", False),
    "15_alpha_png_face__32bit.png": (626, 1200, "PNG", "RGBA", True),
    "17_alpha_png_face_old__b.png": (256, 256, "PNG", "RGBA", True),
    "18_webp_face__hopper_orientation_8.webp": (128, 128, "WEBP", "RGB", False),
    "20_avif_face__hopper.avif": (128, 128, "AVIF", "RGB", False),
    "21_heif_face__hopper.heif": (128, 128, "HEIF", "RGB", False),
    "23_heic_noface__pug.heic": (4032, 3024, "HEIF", "RGB", False),
    "26_ext_mismatch_webp_as_jpg_face__img47.jpg": (1350, 1800, "WEBP", "RGB", False),
    "28_animated_gif_noface__iss634.gif": (245, 245, "GIF", "P", False),
    "29_animated_webp_noface__iss634.webp": (245, 245, "WEBP", "RGBA", True),
    "31_mpo_multi__sugarshack.mpo": (640, 480, "JPEG", "RGB", False),
    "39_bad_exif_jpeg_grey__hopper_bad_exif.jpg": (500, 500, "JPEG", "L", False),
    "42_tiny_10px__test.png": (10, 10, "PNG", "RGBA", True),
    "43_group_3__2008_001322.jpg": (500, 375, "JPEG", "RGB", False),
    "45_group_selfie__selfie-many-people.jpg": (600, 604, "JPEG", "RGB", False),
    "47_group_hundreds_tiny__17.jpg": (1600, 898, "JPEG", "RGB", False),
    "50_group_5_film__multiface.jpg": (1200, 630, "JPEG", "RGB", False),
    "51_two_people__two_people.jpg": (1126, 661, "JPEG", "RGB", False),
    "52_collage_bald__bald_guys.jpg": (1986, 1545, "JPEG", "RGB", False),
    "54_profile__image00475.jpg": (450, 450, "JPEG", "RGB", False),
    "55_profile__left_face.jpeg": (640, 821, "JPEG", "RGB", False),
    "57_tilted__left_wryneck.png": (393, 437, "PNG", "RGBA", True),
    "59_cap_low_angle_grey__image01038.jpg": (450, 450, "JPEG", "RGB", False),
    "60_sunglasses__image02420.jpg": (450, 450, "JPEG", "RGB", False),
    "62_glasses_beard__img24.jpg": (1200, 1120, "JPEG", "RGB", False),
    "63_heavy_shadow__image02283.jpg": (450, 450, "JPEG", "RGB", False),
    "65_partial_face__obama_partial_face.jpg": (491, 1137, "JPEG", "RGB", False),
    "67_mask_worn__mask.png": (656, 904, "PNG", "RGBA", True),
    "68_glasses_woman_desk__5.jpg": (1024, 769, "JPEG", "RGB", False),
    "69_cartoon_avatars__img1.jpeg": (1122, 935, "JPEG", "RGB", False),
    "70_child__image00081.jpg": (450, 450, "JPEG", "RGB", False),
    "72_child_old_print__s11.jpg": (708, 648, "JPEG", "RGB", False),
    "73_elderly_grey__einstein.png": (1200, 1200, "PNG", "RGB", False),
    "75_blurred__blur.jpg": (500, 500, "JPEG", "RGB", False),
    "76_low_res_group__01.jpg": (248, 189, "JPEG", "RGB", False),
    "78_painting__s10.jpg": (1092, 1280, "JPEG", "RGB", False),
    "79_sculpture__s6.jpg": (725, 725, "JPEG", "RGB", False),
    "81_cartoon_drawn__kun_cartoon_crop.jpg": (325, 325, "JPEG", "RGB", False),
    "82_cartoon_disney__5.jpg": (500, 257, "JPEG", "RGB", False),
    "84_dogs__dogs.jpg": (900, 916, "JPEG", "RGB", False),
    "85_monkey__s22.jpg": (1050, 700, "JPEG", "RGB", False),
    "87_no_face__grass.jpg": (780, 519, "JPEG", "RGB", False),
    "89_studio_512__astronaut.png": (512, 512, "PNG", "RGB", False),
    "91_portrait_hi_res__img40.jpg": (3061, 4600, "JPEG", "RGB", False),
    "92_portrait_dslr__src_portrait1.jpg": (1280, 1920, "JPEG", "RGB", False),
    "94_beard__alex-lacamoire.png": (424, 394, "PNG", "RGBA", True),
}
REFUSED = {
    "25_heic_truncated__truncated.heic": "is cut short",
    "32_bomb_gif__decompression_bomb.gif": "claims more pixels",
    "34_bomb_png_text__png_decompression_dos.png": "unpacks to megabytes",
    "35_truncated_jpeg__truncated_jpeg.jpg": "is cut short",
    "37_corrupt_png__broken_data_stream.png": "is damaged",
    "41_empty_file__empty.heic": "is empty",
    "MANIFEST.csv": "is no picture of a known format",
}
NEEDS_HEIC = {"21_heif_face__hopper.heif", "23_heic_noface__pug.heic"}
HOPPER = (
    "01_exif_rot_face__hopper_orientation_2.jpg",
    "02_exif_rot_face__hopper_orientation_3.jpg",
    "04_exif_rot_face__hopper_orientation_8.jpg",
    "18_webp_face__hopper_orientation_8.webp",
    "20_avif_face__hopper.avif",
)
LOSSLESS = ("PNG", "GIF")


@pytest.mark.parametrize("name", SOUND)
def test_a_sound_photo_is_read_upright_and_written_back(shared_data: Path, name: str) -> None:
    if name in NEEDS_HEIC:
        pytest.importorskip("pillow_heif")
    width, height, format, mode, has_alpha = SOUND[name]

    photo = read_photo(shared_data / "photos" / name)

    assert photo.pixels.shape == (height, width, 3)
    assert (photo.format, photo.metadata.mode) == (format, mode)
    assert (photo.alpha is not None) == has_alpha
    if photo.pixels.size > 10_000_000:
        return  # writing a dozen megapixels takes seconds and tells nothing new
    back = read_photo(encode_photo(photo, photo.pixels))
    assert back.format == format
    assert back.pixels.shape == photo.pixels.shape
    assert np.abs(back.pixels.astype(int) - photo.pixels).mean() < 3
    if format in LOSSLESS:
        assert np.array_equal(back.pixels, photo.pixels)
    if photo.alpha is not None and photo.alpha.min() < 255:
        assert back.alpha is not None
        assert np.array_equal(back.alpha, photo.alpha)


@pytest.mark.parametrize("name", REFUSED)
def test_a_hostile_file_is_refused(shared_data: Path, name: str) -> None:
    if name.startswith("25_"):
        pytest.importorskip("pillow_heif")

    with pytest.raises(ImageReadError, match=REFUSED[name]) as caught:
        read_photo(shared_data / "photos" / name)

    assert name in str(caught.value)


def test_all_files_have_an_expectation(shared_data: Path) -> None:
    names = {path.name for path in (shared_data / "photos").iterdir()}

    assert names == SOUND.keys() | REFUSED.keys()


def test_hopper_looks_the_same_however_she_was_stored(shared_data: Path) -> None:
    portraits = [
        read_photo(shared_data / "photos" / name).pixels.astype(np.float64) for name in HOPPER
    ]

    for portrait in portraits[1:]:
        assert np.abs(portrait - portraits[0]).mean() < 6
        mirrored = np.abs(portrait[:, ::-1] - portraits[0]).mean()
        assert mirrored > 30
