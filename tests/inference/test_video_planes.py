from __future__ import annotations

import av
import numpy as np
import pytest

from reage.inference.video.planes import add_change, fit_frame, is_planar_yuv, to_rgb

BT709, UNSPECIFIED, BT601, BT2020 = 1, 2, 5, 9
LIMITED, FULL = 1, 2
W, H = 48, 32


def make_frame(
    pixel_format: str, colorspace: int = BT709, color_range: int = LIMITED, height: int = H
) -> av.VideoFrame:
    """A smooth picture whose colours leave room to both sides."""
    rows, columns = np.mgrid[:height, :W]
    picture = np.stack([90 + columns, 100 + rows % 50, 150 - columns], -1).astype(np.uint8)
    tags = {} if colorspace == UNSPECIFIED else {"dst_colorspace": colorspace}
    frame = av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(
        format=pixel_format, dst_color_range=color_range, **tags
    )
    frame.colorspace, frame.color_range = colorspace, color_range
    return frame


def planes_of(frame: av.VideoFrame) -> list[np.ndarray]:
    kind = np.dtype("<u2" if frame.format.components[0].bits > 8 else "u1")
    return [
        np.frombuffer(plane, kind).reshape(plane.height, -1)[:, : plane.width].astype(int)
        for plane in frame.planes
    ]


@pytest.mark.parametrize("color_range", [LIMITED, FULL])
@pytest.mark.parametrize("colorspace", [BT709, BT601, 6, 7, BT2020])
@pytest.mark.parametrize("pixel_format", ["yuv420p", "yuv422p10le", "yuv444p", "yuv410p"])
def test_change_in_rgb_arrives_as_the_same_change_in_rgb(
    pixel_format: str, colorspace: int, color_range: int
) -> None:
    frame = make_frame(pixel_format, colorspace, color_range)
    before = to_rgb(frame).astype(int)
    change = np.array([40, -30, 60])
    add_change(frame, np.broadcast_to(change, (16, 16, 3)), 8, 4)
    after = to_rgb(frame).astype(int)
    inside = (after - before)[8:16, 12:20].reshape(-1, 3)
    # Eight bits of limited range hold a level of blue only to half a sample, which is 1.1 levels.
    np.testing.assert_allclose(inside.mean(axis=0), change, atol=1.7)


@pytest.mark.parametrize("pixel_format", ["yuv420p", "yuvj420p", "yuv444p12le", "gray", "gray10le"])
@pytest.mark.parametrize(("x", "y"), [(8, 4), (7, 5), (40, 24)])
def test_samples_outside_the_change_stay_exactly_as_they_are(
    pixel_format: str, x: int, y: int
) -> None:
    frame = make_frame(pixel_format)
    before = planes_of(frame)
    add_change(frame, np.full((8, 8, 3), 25), x, y)
    for old, new in zip(before, planes_of(frame), strict=True):
        shrink = W // old.shape[1]
        rows, columns = np.nonzero(old != new)
        assert rows.size or old is not before[0]
        for index, start in ((rows, y), (columns, x)):
            assert (index >= start // shrink).all()
            assert (index < -(-(start + 8) // shrink)).all()


def test_grey_change_moves_luma_by_the_range_and_leaves_chroma_alone() -> None:
    for color_range, luma in ((LIMITED, 20 * 219 / 255), (FULL, 20)):
        frame = make_frame("yuv444p", BT709, color_range)
        before = planes_of(frame)
        add_change(frame, np.full((H, W, 3), 20), 0, 0)
        steps = [new - old for new, old in zip(planes_of(frame), before, strict=True)]
        assert (steps[0] == round(luma)).all()
        assert not steps[1].any()
        assert not steps[2].any()


def test_samples_saturate() -> None:
    frame = make_frame("yuv444p", BT709, FULL)
    add_change(frame, np.full((H, W, 3), 255), 0, 0)
    assert (planes_of(frame)[0] == 255).all()
    add_change(frame, np.full((H, W, 3), -2000), 0, 0)
    assert (planes_of(frame)[0] == 0).all()


@pytest.mark.parametrize(("height", "colorspace"), [(480, BT601), (720, BT709)])
def test_untagged_pictures_are_read_as_players_do(height: int, colorspace: int) -> None:
    tagged = make_frame("yuv444p", colorspace, height=height)
    expected = to_rgb(tagged)
    tagged.colorspace = UNSPECIFIED
    np.testing.assert_array_equal(to_rgb(tagged), expected)


@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("yuv420p", True),
        ("yuvj444p", True),
        ("yuv422p10le", True),
        ("gray", True),
        ("gray12le", True),
        ("yuva420p", False),
        ("yuv420p10be", False),
        ("nv12", False),
        ("yuyv422", False),
        ("rgb24", False),
        ("gbrp", False),
    ],
)
def test_known_pixel_formats(name: str, known: bool) -> None:
    assert is_planar_yuv(av.VideoFormat(name)) is known


def test_fitting_keeps_time_and_colour() -> None:
    rgb = av.VideoFrame.from_ndarray(np.full((H, W, 3), (200, 80, 40), np.uint8), format="rgb24")
    rgb.pts = 17
    fitted = fit_frame(rgb, W, H, "yuv420p")
    assert (fitted.pts, fitted.format.name) == (17, "yuv420p")
    assert (fitted.colorspace, fitted.color_range) == (BT709, LIMITED)
    np.testing.assert_allclose(to_rgb(fitted)[0, 0], (200, 80, 40), atol=2)
    assert fit_frame(fitted, W, H, "yuv420p") is fitted
