from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tiny_model import PER_YEAR, write_tiny_model

from reage.errors import AgeRangeError, UsageError
from reage.faces.blend import paste_change
from reage.faces.types import Face
from reage.inference.ager import FaceAger
from reage.inference.session import AgingModel
from reage.inference.video.frames import FaceChange, Region, VideoAger, added_levels, ease

STEP = 0.04
CHANGE = 20 * PER_YEAR


class OneFace:
    """A finder that sees the same face in every frame, its landmarks trembling."""

    def __init__(self, face: Face, *, noise: float = 0.0, gone: range = range(0)) -> None:
        self._face = face
        self._noise = noise
        self._gone = gone
        self._random = np.random.default_rng(1)
        self.frame = -1

    def find(self, _: np.ndarray, *, quick: bool) -> list[Face]:
        del quick
        return [] if self.frame in self._gone else [self._seen()]

    def follow(self, _: np.ndarray, __: Face) -> Face | None:
        return None if self.frame in self._gone else self._seen()

    def _seen(self) -> Face:
        tremble = self._random.normal(0, self._noise, (5, 2)).astype(np.float32)
        return replace(self._face, landmarks=self._face.landmarks + tremble)


@pytest.fixture(scope="module")
def astronaut(astronaut_path: Path) -> np.ndarray:
    return np.asarray(Image.open(astronaut_path).convert("RGB"))[:256, 100:356].copy()


@pytest.fixture(scope="module")
def face(astronaut: np.ndarray, tiny_model: Path) -> Face:
    [face] = FaceAger(tiny_model, threads=1).finder.find(astronaut)
    return face


def run(
    model: Path, finder: OneFace, frames: list[np.ndarray], **options: Any
) -> list[list[FaceChange]]:
    ager: Any = SimpleNamespace(model=AgingModel.from_folder(model, threads=1), finder=finder)
    video_ager = VideoAger(ager, 70, **options)
    log = []
    for index, frame in enumerate(frames):
        finder.frame = index
        log.append(video_ager(frame, index * STEP))
    return log


def flicker(log: list[list[FaceChange]]) -> float:
    deltas = np.stack([change.values for [change] in log])
    return float(np.abs(np.diff(deltas, axis=0)).mean())


def test_delta_is_the_models_scaled_by_strength(
    tiny_model: Path, face: Face, astronaut: np.ndarray
) -> None:
    for strength in (1.0, 0.25):
        [[change]] = run(tiny_model, OneFace(face), [astronaut], strength=strength)
        np.testing.assert_allclose(change.values, strength * CHANGE, rtol=1e-5)
    [[change]] = run(tiny_model, OneFace(face), [astronaut], source_age=70)
    np.testing.assert_array_equal(change.values, 0)


def test_smoothing_at_least_halves_the_flicker_of_a_model_that_follows_noise(
    tmp_path: Path, face: Face, astronaut: np.ndarray
) -> None:
    model = write_tiny_model(tmp_path, gain=1.0)
    random = np.random.default_rng(2)
    light = random.normal(0, 6, 40)
    frames = [np.clip(astronaut + shift, 0, 255).astype(np.uint8) for shift in light]
    raw = run(model, OneFace(face), frames, smooth=False)
    smooth = run(model, OneFace(face), frames)
    assert 0 < flicker(smooth) < 0.5 * flicker(raw)


def test_trembling_landmarks_hardly_move_the_crop(
    tiny_model: Path, face: Face, astronaut: np.ndarray
) -> None:
    def tremor(**options: Any) -> float:
        log = run(tiny_model, OneFace(face, noise=0.6), [astronaut] * 40, **options)
        matrices = np.stack([change.patch.matrix for [change] in log])
        return float(np.abs(np.diff(matrices[10:], axis=0)).mean())

    assert 0 < tremor() < 0.5 * tremor(smooth=False)


def test_lost_face_fades_where_it_was_and_comes_back(
    tiny_model: Path, face: Face, astronaut: np.ndarray
) -> None:
    log = run(tiny_model, OneFace(face, gone=range(5, 8)), [astronaut] * 14)
    shown = np.array([change.values.mean() for [change] in log]) / CHANGE
    np.testing.assert_allclose(shown[:5], 1, rtol=1e-5)
    assert (np.diff(shown[4:8]) < 0).all()
    assert (np.diff(shown[7:]) > -1e-6).all()
    assert shown[-1] == pytest.approx(1, rel=1e-5)
    assert np.abs(np.diff(shown)).max() < 0.35
    np.testing.assert_array_equal(log[6][0].patch.matrix, log[4][0].patch.matrix)


def test_nothing_is_added_to_a_frame_without_face(
    tiny_model: Path, face: Face, astronaut: np.ndarray
) -> None:
    [changes] = run(tiny_model, OneFace(face, gone=range(1)), [astronaut])
    assert added_levels(astronaut, changes) is None


@pytest.mark.parametrize("x", [0, 60, 100])
def test_added_levels_are_those_of_the_whole_frame(
    tiny_model: Path, face: Face, astronaut: np.ndarray, x: int
) -> None:
    part = astronaut[:, x:]
    shift = np.array([x, 0], np.float32)
    moved = replace(face, landmarks=face.landmarks - shift, oval=face.oval - shift)
    [changes] = run(tiny_model, OneFace(moved), [part])
    region = added_levels(part, changes)
    assert region is not None
    assert region.levels.size < 0.8 * part.size
    rows, columns = region.levels.shape[:2]
    whole = np.zeros(part.shape, int)
    whole[region.y : region.y + rows, region.x : region.x + columns] = region.levels
    [change] = changes
    pasted = paste_change(part, change.values, change.patch.mask, change.patch.matrix)
    np.testing.assert_array_equal(whole, pasted.astype(int) - part)


@pytest.mark.parametrize("turns", [0, 1, 2, 3])
def test_region_turns_back_with_its_frame(turns: int) -> None:
    upright = np.zeros((20, 31, 3), np.int16)
    upright[4:9, 6:20] = np.arange(5 * 14 * 3).reshape(5, 14, 3) + 1
    stored = Region(upright[4:9, 6:20], 6, 4).turned_back(turns, 31, 20)
    expected = np.rot90(upright, -turns)
    result = np.zeros_like(expected)
    rows, columns = stored.levels.shape[:2]
    result[stored.y : stored.y + rows, stored.x : stored.x + columns] = stored.levels
    np.testing.assert_array_equal(result, expected)


def test_fade_is_level_at_both_ends() -> None:
    assert [ease(weight) for weight in (0.0, 0.5, 1.0)] == [0.0, 0.5, 1.0]
    assert ease(0.01) < 0.001


@pytest.mark.parametrize(
    ("to", "options", "error"),
    [
        (200, {}, AgeRangeError),
        (70, {"source_age": -1}, AgeRangeError),
        (70, {"strength": 1.5}, UsageError),
        (70, {"faces": 0}, UsageError),
    ],
)
def test_senseless_arguments_are_refused(
    tiny_model: Path, to: float, options: dict[str, Any], error: type[Exception]
) -> None:
    with pytest.raises(error):
        VideoAger(FaceAger(tiny_model, threads=1), to, **options)


def test_a_skin_mask_spares_a_band_and_does_not_flicker(
    tiny_model: Path, face: Face, astronaut: np.ndarray
) -> None:
    banded = astronaut.copy()
    banded[84:92, 90:160] = 20
    noise = np.random.default_rng(0).normal(0, 3, (8, *astronaut.shape))
    frames = [np.clip(banded + each, 0, 255).astype(np.uint8) for each in noise]
    trembling = {}
    for smooth in (True, False):
        log = run(tiny_model, OneFace(face), frames, mask="skin", smooth=smooth)
        masks = np.stack([change.patch.mask for [change] in log])
        trembling[smooth] = np.abs(np.diff(masks, axis=0)).mean()
        region = added_levels(frames[-1], log[-1])
        assert region is not None
        levels = region.levels[: 90 - region.y, : 150 - region.x]
        assert not levels[86 - region.y :, 100 - region.x :].any()
        assert region.levels.any()
    assert trembling[True] < 0.6 * trembling[False]
