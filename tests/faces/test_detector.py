import cv2
import numpy as np
import pytest

from reage.faces.detector import Detections, anchor_centers, join, letterbox
from reage.faces.nms import first_of_each, overlap_with, weighted_nms
from reage.faces.views import Pyramid, not_cut_off, tile_origins, turn_back


def test_overlap_of_known_boxes():
    box = np.array([0, 0, 10, 10.0])
    others = np.array([[0, 0, 10, 10], [5, 0, 15, 10], [20, 20, 30, 30], [5, 5, 5, 5.0]])
    np.testing.assert_allclose(overlap_with(box, others), [1, 1 / 3, 0, 0])


def test_overlapping_boxes_are_averaged_by_score():
    coordinates = np.array(
        [
            [0, 0, 10, 10, 5, 5],
            [100, 100, 120, 120, 110, 110],
            [1, 0, 11, 10, 6, 5],
        ],
        float,
    )
    means, scores = weighted_nms(coordinates, np.array([0.6, 0.9, 0.2]), 0.3)
    np.testing.assert_allclose(scores, [0.9, 0.6])
    np.testing.assert_allclose(means[0], coordinates[1])
    np.testing.assert_allclose(means[1], [0.25, 0, 10.25, 10, 5.25, 5])


def test_no_boxes_give_no_boxes():
    means, scores = weighted_nms(np.empty((0, 16)), np.empty(0), 0.3)
    assert means.shape == (0, 16)
    assert scores.shape == (0,)
    assert len(join([])) == 0


def test_the_first_box_of_each_place_is_picked():
    boxes = np.array([[0, 0, 10, 10], [1, 0, 11, 10], [40, 0, 50, 10], [0, 5, 10, 15.0]])
    assert first_of_each(boxes, 0.4) == [0, 2, 3]
    assert first_of_each(boxes, 0.3) == [0, 2]
    assert first_of_each(np.empty((0, 4)), 0.4) == []


@pytest.mark.parametrize("size", [(1000, 700), (1234, 2001), (90, 60)])
@pytest.mark.parametrize("side", [32, 100, 208])
def test_a_pyramid_scales_as_averaging_does(size, side):
    x, y = np.meshgrid(np.linspace(0, 255, size[0]), np.linspace(0, 255, size[1]))
    photo = np.stack([x, y, 255 - x], axis=-1).astype(np.uint8)
    scale = side / max(size)
    view = Pyramid(photo, 32).scaled(scale)
    assert max(view.shape[:2]) == side
    expected = cv2.resize(photo, view.shape[1::-1], interpolation=cv2.INTER_AREA)
    np.testing.assert_allclose(view, expected.astype(float), atol=12 if scale > 1 else 3)


def test_a_pyramid_turns_what_it_scales():
    photo = np.random.default_rng(0).integers(0, 256, (200, 300, 3), dtype=np.uint8)
    pyramid = Pyramid(photo, 32)
    np.testing.assert_array_equal(pyramid.scaled(1.0), photo)
    np.testing.assert_array_equal(pyramid.scaled(0.2, 3), np.rot90(pyramid.scaled(0.2), 3))


def test_anchors_lie_on_a_fine_and_a_coarse_grid():
    anchors = anchor_centers()
    assert anchors.shape == (896, 2)
    np.testing.assert_allclose(anchors[:3], [[1 / 32, 1 / 32]] * 2 + [[3 / 32, 1 / 32]])
    np.testing.assert_allclose(anchors[512:518], [[1 / 16, 1 / 16]] * 6)
    np.testing.assert_allclose(anchors[-1], [15 / 16, 15 / 16])


def test_letterbox_keeps_the_proportions():
    canvas, scale = letterbox(np.full((50, 100, 3), 255, np.uint8), 64)
    assert canvas.shape == (64, 64, 3)
    assert scale == 0.64
    assert (canvas[:32] == 255).all()
    assert (canvas[32:] == 0).all()


def test_candidates_of_a_turned_view_return_to_the_photo():
    photo = np.arange(30 * 50).reshape(30, 50)
    for turns in range(4):
        view = np.rot90(photo, turns)
        row, column = np.argwhere(view == photo[4, 7])[0]
        points = np.broadcast_to([float(column), float(row)], (1, 6, 2))
        box = np.array([[column - 2.0, row - 1.0, column + 2.0, row + 1.0]])
        back = turn_back(Detections(box, points, np.ones(1)), turns, view.shape)
        np.testing.assert_array_equal(back.keypoints[0], [[7, 4]] * 6)
        half = (2, 1) if turns % 2 == 0 else (1, 2)
        np.testing.assert_array_equal(
            back.boxes, [[7 - half[0], 4 - half[1], 7 + half[0], 4 + half[1]]]
        )


def test_mapping_to_the_photo_keeps_pixel_centers():
    inside = Detections(np.array([[1.5, 1.5, 3.5, 3.5]]), np.full((1, 6, 2), 1.5), np.ones(1))
    outside = inside.mapped(0.5, (10, 20))
    # Half size: view pixel 1.5 lies between pixels 1 and 2, so 2..5 of the photo: middle 3.5.
    np.testing.assert_allclose(outside.keypoints[0, 0], [3.5 + 20, 3.5 + 40])


def test_tiles_cover_the_image_with_overlap():
    covered = np.zeros((600, 300), int)
    for x, y in tile_origins(300, 600, 256, 64):
        assert x <= 300 - 256
        assert y <= 600 - 256
        covered[y : y + 256, x : x + 256] += 1
    assert covered.min() >= 1
    assert list(tile_origins(200, 100, 256, 64)) == [(0, 0)]


def test_boxes_at_inner_tile_edges_are_cut_off():
    boxes = np.array([[-3, 10, 40, 50], [10, 10, 50, 50], [200, 10, 258, 60]], float)
    inner = not_cut_off(boxes, (100, 0), (256, 256), (800, 256))
    np.testing.assert_array_equal(inner, [False, True, False])
    alone = not_cut_off(boxes, (0, 0), (256, 256), (256, 256))
    assert alone.all()
