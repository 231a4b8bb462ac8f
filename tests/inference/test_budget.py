from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from reage.images import count_pixels
from reage.inference.budget import PixelBudget


def test_pixels_are_free_again_even_after_an_error() -> None:
    budget = PixelBudget(10)
    with budget.holding(6):
        assert budget.free == 4
        with budget.holding(4):
            assert budget.free == 0
    with pytest.raises(ZeroDivisionError), budget.holding(6):
        raise ZeroDivisionError
    assert budget.free == 10


def test_a_photo_above_the_limit_takes_it_all() -> None:
    budget = PixelBudget(10)
    with budget.holding(1000):
        assert budget.free == 0
    assert budget.free == 10


def test_who_wants_more_than_are_free_waits() -> None:
    budget, order = PixelBudget(10), []

    def second() -> None:
        with budget.holding(6):
            order.append("second")

    with budget.holding(6):
        thread = threading.Thread(target=second)
        thread.start()
        # A third that fits need not wait.
        with budget.holding(4):
            order.append("third")
        order.append("first leaves")
    thread.join()
    assert order == ["third", "first leaves", "second"]


def test_pixels_are_counted_from_the_header(tmp_path: Path) -> None:
    path = tmp_path / "photo.png"
    Image.fromarray(np.zeros((20, 30, 3), np.uint8)).save(path)
    path.write_bytes(path.read_bytes()[:60])
    assert count_pixels(path) == 600
    path.write_bytes(b"")
    assert count_pixels(path) == count_pixels(tmp_path / "none.png") == 0
