from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from reage.inference.ager import FaceAger
from reage.inference.grey import are_grey, keep_grey


def test_only_crops_without_colour_are_grey() -> None:
    crops = np.zeros((4, 8, 8, 3), np.float32)
    crops[1, 2:6, 2:4, 0] = 0.5
    crops[2, :, :, 1] = 2 / 127.5  # As JPEG leaves it.
    crops[3, :, 0, 0] = 0.5  # Beside the face.
    assert are_grey(crops).tolist() == [True, False, True, True]


def test_colour_is_taken_out_of_deltas_of_grey_crops() -> None:
    deltas = np.tile(np.float32([0.3, 0.0, -0.6]), (2, 4, 4, 1))
    kept = keep_grey(deltas, np.array([True, False]))
    np.testing.assert_allclose(kept[0], np.full((4, 4, 3), -0.1), atol=1e-6)
    np.testing.assert_array_equal(kept[1], deltas[1])


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_a_black_and_white_photo_stays_so(mode: str, astronaut_path: Path) -> None:
    grey = Image.open(astronaut_path).convert("L").convert(mode)
    aged = FaceAger(threads=1)(grey, to=5).pixels.astype(int)
    assert np.ptp(aged, axis=-1).max() == 0
    assert (aged[..., 0] != np.asarray(grey.convert("L"))).any()
