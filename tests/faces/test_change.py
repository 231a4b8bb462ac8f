"""A delta and a flow as one array."""

from __future__ import annotations

import numpy as np

from reage.faces.change import delta_of, flow_of, join_change, move_pixels


def test_joined_parts_come_apart_again() -> None:
    rng = np.random.default_rng(0)
    delta = rng.normal(size=(2, 8, 8, 3)).astype(np.float32)
    flow = rng.normal(size=(2, 8, 8, 2)).astype(np.float32)
    change = join_change(delta, flow)
    assert change.shape == (2, 8, 8, 5)
    np.testing.assert_array_equal(delta_of(change), delta)
    np.testing.assert_array_equal(flow_of(change), flow)


def test_a_delta_alone_moves_nothing() -> None:
    delta = np.ones((2, 8, 8, 3), np.float32)
    assert join_change(delta, None) is delta
    assert flow_of(delta) is None


def test_a_coarse_flow_is_enlarged_between_cell_centers() -> None:
    flow = np.zeros((1, 2, 2, 2), np.float32)
    flow[0, :, 1, 0] = 1.0
    fine = flow_of(join_change(np.zeros((1, 4, 4, 3), np.float32), flow))
    assert fine is not None
    np.testing.assert_allclose(fine[0, :, :, 0], [[0, 0.25, 0.75, 1]] * 4)
    np.testing.assert_array_equal(fine[..., 1], 0)


def test_pixels_are_taken_from_whole_places_exactly_and_from_the_edge_beyond() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (6, 7, 3), np.uint8)
    y, x = np.mgrid[:6, :7].astype(np.float32)
    moved = move_pixels(pixels, x + 2, y - 1)
    np.testing.assert_array_equal(moved[1:, :-2], pixels[:-1, 2:])
    np.testing.assert_array_equal(moved[0, :-2], pixels[0, 2:])
