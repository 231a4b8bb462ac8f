"""HEIC and AVIF files that name their colours by H.273's numbers."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from reage.images import read_photo
from reage.images.primaries import (
    ColorCode,
    _to_srgb_primaries,
    read_color_code,
    to_srgb_levels,
)

P3, BT2020, SRGB = 12, 9, 1
SRGB_CURVE, PQ, HLG = 13, 16, 18
ROSE = (200, 100, 110)


def heic(primaries: int, transfer: int, color: tuple[int, int, int] = ROSE) -> bytes:
    pillow_heif = pytest.importorskip("pillow_heif")
    buffer = io.BytesIO()
    pillow_heif.from_pillow(Image.new("RGB", (64, 64), color)).save(
        buffer,
        quality=-1,
        chroma=444,
        color_primaries=primaries,
        transfer_characteristics=transfer,
        matrix_coefficients=6,
        full_range_flag=1,
    )
    return buffer.getvalue()


def avif(primaries: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (64, 64), ROSE).save(buffer, "AVIF", quality=100, subsampling="4:4:4")
    data = buffer.getvalue()
    assert data.count(b"colrnclx") == 1
    place = data.index(b"colrnclx") + 8
    return data[:place] + primaries.to_bytes(2, "big") + data[place + 2 :]


def middle(data: bytes) -> list[int]:
    return read_photo(data).pixels[32, 32].tolist()


def test_display_p3_becomes_srgb() -> None:
    # The matrix of CSS Color Module Level 4, section 10.4, by way of XYZ.
    np.testing.assert_allclose(
        _to_srgb_primaries(P3),
        [[1.22494, -0.22494, 0.0], [-0.04206, 1.04206, 0.0], [-0.01964, -0.07864, 1.09827]],
        atol=1e-5,
    )
    # By hand: linear light 0.5776, 0.1274, 0.1559, through that matrix, and the curve of sRGB.
    for data in (heic(P3, SRGB_CURVE), avif(P3)):
        assert middle(data) == pytest.approx([215, 93, 108], abs=2)


@pytest.mark.parametrize("primaries", [P3, BT2020])
@pytest.mark.parametrize("level", [0, 1, 90, 255])
def test_grey_stays_grey(primaries: int, level: int) -> None:
    pixels = np.full((3, 2, 3), level, np.uint8)
    np.testing.assert_array_equal(to_srgb_levels(pixels, ColorCode(primaries, SRGB_CURVE)), pixels)


def test_srgb_stays_as_it_is() -> None:
    for data in (heic(SRGB, SRGB_CURVE), avif(SRGB), avif(2)):
        assert middle(data) == pytest.approx(ROSE, abs=2)


@pytest.mark.parametrize(
    ("transfer", "level", "expected"),
    [
        (PQ, 148, 255),  # 58 % is 203 nits, white on paper (BT.2408, table 1);
        (PQ, 255, 255),  # light beyond it is cut off.
        (PQ, 97, 100),  # 38 % is 26 nits, a grey card: 12.8 % of it, 0.394 of sRGB;
        (HLG, 191, 255),  # HLG has its white at 75 %,
        (HLG, 97, 118),  # and a grey card at 38 %: 18 % of the scene's light, 0.463 of sRGB.
        (HLG, 0, 0),
    ],
)
def test_high_dynamic_range_keeps_its_white(transfer: int, level: int, expected: int) -> None:
    found = to_srgb_levels(np.full((1, 1, 3), level, np.uint8), ColorCode(BT2020, transfer))
    assert found[0, 0].tolist() == pytest.approx([expected] * 3, abs=2)


def test_high_dynamic_range_of_a_file() -> None:
    white = middle(heic(BT2020, PQ, (148, 148, 148)))
    assert white == pytest.approx([255] * 3, abs=6)


def test_a_file_cut_short_names_no_colours() -> None:
    whole = heic(P3, SRGB_CURVE)
    assert read_color_code(io.BytesIO(whole)) == ColorCode(P3, SRGB_CURVE)
    place = whole.index(b"nclx")
    for length in range(0, place, 7):
        assert read_color_code(io.BytesIO(whole[:length])) is None
