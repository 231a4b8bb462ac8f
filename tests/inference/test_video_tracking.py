from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from reage.faces.types import Face
from reage.inference.video.cuts import CutDetector
from reage.inference.video.tracking import (
    FADE_IN_SECONDS,
    FADE_OUT_SECONDS,
    Track,
    Tracker,
    distance,
    match,
    without_doubles,
)

STEP = 0.04
PLAIN = np.full((48, 64, 3), 90, np.uint8)


def face_at(x: float, y: float = 100.0, side: float = 100.0) -> Face:
    shape = np.array([[0.3, 0.3], [0.7, 0.3], [0.5, 0.55], [0.33, 0.7], [0.67, 0.7]])
    box = np.array([x, y, x + side, y + side], np.float32)
    landmarks = (np.array([x, y]) + side * shape).astype(np.float32)
    return Face(box, landmarks, np.tile(box[:2], (36, 1)), 0.9)


class ScriptedFinder:
    """Knows where the faces are in each frame; each face is found by its place in the list."""

    def __init__(self, frames: Sequence[Sequence[Face | None]]) -> None:
        self.frames = frames
        self.now = 0
        self.searches: list[int] = []
        self.thorough: list[int] = []

    def find(self, _: np.ndarray, *, quick: bool) -> list[Face]:
        self.searches.append(self.now)
        self.thorough += [] if quick else [self.now]
        return [face for face in self.frames[self.now] if face is not None]

    def follow(self, _: np.ndarray, face: Face) -> Face | None:
        near = [new for new in self.frames[self.now] if new is not None]
        return min(near, key=lambda new: distance(new, face), default=None)


def play(
    frames: Sequence[Sequence[Face | None]],
    *,
    limit: int | None = None,
    pixels: Callable[[int], np.ndarray] = lambda _: PLAIN,
) -> tuple[list[list[tuple[int, float, bool]]], ScriptedFinder]:
    """For each frame identity, weight and visibility of the chosen tracks."""
    finder = ScriptedFinder(frames)
    tracker = Tracker(finder, limit=limit)
    log = []
    for index in range(len(frames)):
        finder.now = index
        tracks = tracker.update(pixels(index), index * STEP)
        log.append([(track.identity, track.weight, track.visible) for track in tracks])
    return log, finder


def test_match_pairs_the_nearest_first_and_each_once() -> None:
    old = [face_at(0), face_at(300)]
    new = [face_at(310), face_at(12), face_at(5)]
    assert match(old, new) == {0: 2, 1: 0}


def test_match_refuses_what_is_too_far_or_of_another_size() -> None:
    assert match([face_at(0)], [face_at(60)]) == {}
    assert match([face_at(0)], [face_at(0, side=30)]) == {}
    assert match([], [face_at(0)]) == {}


def test_distance_is_in_sides_of_the_larger_face() -> None:
    assert distance(face_at(0), face_at(25)) == pytest.approx(0.25)
    assert distance(face_at(0, 0, 200), face_at(50, 0, 200)) == pytest.approx(0.25)


def test_faces_keep_their_identity_while_they_pass_each_other() -> None:
    frames = [[face_at(4.0 * i), face_at(400 - 4.0 * i, y=220)] for i in range(60)]
    log, _ = play(frames)
    assert {tuple(sorted(track[0] for track in tracks)) for tracks in log} == {(1, 2)}
    assert all(weight == 1 and visible for tracks in log for _, weight, visible in tracks)


def test_detector_runs_only_now_and_then() -> None:
    _, finder = play([[face_at(i)] for i in range(26)])
    assert finder.searches == [0, 5, 10, 15, 20, 25]


def test_search_is_thorough_at_first_and_once_a_second_where_nobody_is() -> None:
    _, finder = play([[None]] * 60)
    assert finder.thorough == [0, 25, 50]
    _, finder = play([[face_at(i)] for i in range(60)])
    assert finder.thorough == [0]


def test_faces_on_their_side_are_searched_for_as_they_lie() -> None:
    face = face_at(100)
    lying = face.landmarks[:, ::-1].copy()
    lying[:2] = lying[1::-1]
    _, finder = play([[replace(face, landmarks=lying)]] * 12)
    assert finder.thorough == finder.searches == [0, 5, 10]


def test_newcomer_fades_in_but_the_first_frame_starts_at_full_strength() -> None:
    frames = [[face_at(0)] + ([face_at(300)] if i >= 3 else []) for i in range(14)]
    log, _ = play(frames)
    assert log[0] == [(1, 1.0, True)]
    weights = [{track[0]: track[1] for track in tracks}.get(2) for tracks in log]
    first = weights.index(next(weight for weight in weights if weight is not None))
    assert first == 5
    expected = np.minimum(np.arange(1, 10) * STEP / FADE_IN_SECONDS, 1.0)
    np.testing.assert_allclose(weights[first:], expected)


def test_lost_face_fades_out_and_is_forgotten() -> None:
    log, _ = play([[face_at(0)]] * 3 + [[None]] * 10)
    lost = [tracks[0] for tracks in log[3:] if tracks]
    assert all(identity == 1 and not visible for identity, _, visible in lost)
    expected = 1 - np.arange(1, 7) * STEP / FADE_OUT_SECONDS
    np.testing.assert_allclose([weight for _, weight, _ in lost], expected, atol=1e-9)
    assert log[-1] == []


def test_face_lost_for_a_moment_keeps_its_identity_and_comes_back_softly() -> None:
    log, _ = play([[face_at(0)]] * 5 + [[None]] * 3 + [[face_at(10)]] * 8)
    assert {identity for tracks in log for identity, _, _ in tracks} == {1}
    weights = np.array([tracks[0][1] for tracks in log])
    assert weights.min() == pytest.approx(1 - 3 * STEP / FADE_OUT_SECONDS)
    assert np.abs(np.diff(weights)).max() <= STEP / FADE_IN_SECONDS + 1e-9
    assert weights[-1] == 1


def test_jump_to_another_place_is_another_face() -> None:
    log, _ = play([[face_at(0)]] * 5 + [[face_at(300)]] * 10)
    assert [track[0] for track in log[-1]] == [2]
    assert {track[0] for track in log[5]} == {1, 2}


def test_cut_drops_all_tracks_at_once_and_starts_at_full_strength() -> None:
    def pixels(index: int) -> np.ndarray:
        return PLAIN if index < 7 else np.full_like(PLAIN, 200)

    log, finder = play([[face_at(0)]] * 12, pixels=pixels)
    assert [tracks[0][0] for tracks in log] == [1] * 7 + [2] * 5
    assert all(tracks == [(tracks[0][0], 1.0, True)] for tracks in log)
    assert 7 in finder.searches


def test_largest_keeps_its_place_until_it_is_gone() -> None:
    near = [face_at(300, side=100.0 + 10 * i) for i in range(40)]
    frames = [[face_at(0, side=120) if i < 20 else None, near[i]] for i in range(40)]
    log, _ = play(frames, limit=1)
    assert all(tracks[0][0] == 1 for tracks in log[:20])
    assert [track[0] for track in log[-1]] == [2]
    assert all(len([track for track in tracks if track[2]]) <= 1 for tracks in log)


def test_number_of_faces_counts_the_largest() -> None:
    faces = [face_at(0, side=60), face_at(200, side=120), face_at(400, side=90)]
    log, _ = play([faces] * 3, limit=2)
    assert all(len(tracks) == 2 for tracks in log)
    finder = ScriptedFinder([faces])
    sides = [
        track.face.box[2] - track.face.box[0] for track in Tracker(finder, limit=2).update(PLAIN, 0)
    ]
    assert sides == [120, 90]


def test_tracks_that_met_on_one_face_become_the_older_one() -> None:
    tracks = [Track(7, face_at(0), 1.0), Track(3, face_at(4), 1.0), Track(9, face_at(300), 1.0)]
    assert [track.identity for track in without_doubles(tracks)] == [3, 9]


def test_cut_detector_sees_cuts_and_neither_movement_nor_light(astronaut_path: Path) -> None:
    photo = np.asarray(Image.open(astronaut_path).convert("RGB"))
    other = cv2.flip(photo, 0)
    pan = [photo[:400, 6 * i : 6 * i + 400] for i in range(18)]
    bright = [np.clip(pan[-1].astype(int) + 4 * i, 0, 255).astype(np.uint8) for i in range(8)]
    frames = [*pan, *bright, other[:400, :400], other[4:404, :400]]
    is_cut = CutDetector()
    assert [index for index, frame in enumerate(frames) if is_cut(frame)] == [0, 26]
