from __future__ import annotations

import numpy as np
import pytest

from reage.faces.align import estimate_similarity, template_pixels
from reage.faces.blend import face_mask, paste_change
from reage.faces.skin import detailed_side, fit_skin, skin_mask, skin_share
from reage.faces.types import Face

SIDE = 128
LIGHT, DARK = (224, 172, 150), (92, 58, 44)
BACKGROUND = (70, 110, 160)
FRINGE, BAR = slice(0, 26), slice(36, 42)
TONES = pytest.mark.parametrize("skin", [LIGHT, DARK], ids=["light", "dark"])


def outline(scale: float = 1.0) -> np.ndarray:
    angles = np.linspace(-np.pi / 2, 1.5 * np.pi, 36, endpoint=False)
    points = np.array([0.49, 0.52]) + np.column_stack(
        [0.36 * np.cos(angles), 0.45 * np.sin(angles)]
    )
    return points * SIDE * scale - 0.5


def face(scale: float = 1.0) -> Face:
    points = outline(scale).astype(np.float32)
    landmarks = template_pixels(SIDE) * scale + (scale - 1) / 2
    box = np.concatenate([points.min(axis=0), points.max(axis=0)])
    return Face(box, landmarks.astype(np.float32), points, 1.0)


def picture(skin: tuple[int, int, int], *, noise: float = 2.0) -> np.ndarray:
    """A skin-coloured ellipse, lit from the left, with a dark fringe and a dark bar for glasses."""
    y, x = np.mgrid[:SIDE, :SIDE] / SIDE
    inside = ((x - 0.49) / 0.36) ** 2 + ((y - 0.52) / 0.45) ** 2 < 1
    colours = np.where(inside[..., None], skin, BACKGROUND) * (1.1 - 0.3 * x)[..., None]
    hair = 0.25 * np.array(skin)
    colours[FRINGE] = hair
    colours[BAR, 15:115] = 0.2 * np.array(skin)
    colours += np.random.default_rng(0).normal(0, noise, colours.shape)
    return np.clip(np.rint(colours), 0, 255).astype(np.uint8)


def share(pixels: np.ndarray) -> np.ndarray:
    return skin_share(pixels, template_pixels(SIDE), outline())


@TONES
def test_skin_is_let_through_and_glasses_fringe_and_background_are_not(
    skin: tuple[int, int, int],
) -> None:
    found = share(picture(skin))
    assert found.dtype == np.float32
    assert found[48:110, 40:85].min() > 0.9
    assert found[BAR, 30:100][1:-1].max() < 0.1
    assert found[:23].max() == 0
    assert found[:, :12].max() == 0
    assert found[60:, -12:].max() == 0


@TONES
def test_without_colour_the_brightness_decides(skin: tuple[int, int, int]) -> None:
    grey = np.repeat(picture(skin).mean(axis=-1, keepdims=True).astype(np.uint8), 3, axis=-1)
    found = share(grey)
    assert found[48:110, 40:85].min() > 0.9
    assert found[BAR, 30:100][1:-1].max() < 0.1
    assert found[:23].max() == 0


def test_the_fit_recovers_colour_and_light() -> None:
    model = fit_skin(picture(LIGHT, noise=0), template_pixels(SIDE), outline())
    red, green, blue = (np.log((value * 0.95 + 12) / 255) for value in LIGHT)
    np.testing.assert_allclose(model.mean, [red - green, blue - green, 0], atol=0.02)
    assert model.shading[1] == pytest.approx(-0.15, abs=0.03)


def test_a_picture_of_one_colour_is_all_skin() -> None:
    found = share(np.full((SIDE, SIDE, 3), 128, np.uint8))
    assert found[20:110, 40:85].min() == 1
    assert found[0].max() == 0


def test_landmarks_beside_the_outline_do_no_harm() -> None:
    found = skin_share(picture(LIGHT), template_pixels(SIDE) + 500, outline())
    assert np.isfinite(found).all()


def test_the_mask_lies_within_the_face_mask() -> None:
    pixels, whole = (
        picture(LIGHT),
        face_mask(face(), estimate_similarity(face().landmarks, SIDE), SIDE),
    )
    mask = skin_mask(pixels, face(), SIDE)
    assert (mask <= whole + 1e-6).all()
    assert mask[60:100, 50:75].min() > 0.9


def test_what_is_no_skin_keeps_its_exact_pixels() -> None:
    pixels = picture(LIGHT)
    mask = skin_mask(pixels, face(), SIDE)
    delta = np.full((64, 64, 3), -0.5, np.float32)
    aged = paste_change(pixels, delta, mask, estimate_similarity(face().landmarks, 64))
    untouched = np.zeros((SIDE, SIDE), bool)
    untouched[:22] = untouched[38:40] = untouched[:, :12] = True
    np.testing.assert_array_equal(aged[untouched], pixels[untouched])
    lost = pixels[70, 60].astype(int) - aged[70, 60]
    np.testing.assert_allclose(lost, 0.5 * 127.5, atol=1)


def test_the_mask_is_as_fine_as_the_face_within_bounds() -> None:
    assert [detailed_side(face(scale), SIDE) for scale in (0.5, 2.0, 10.0)] == [128, 256, 320]
