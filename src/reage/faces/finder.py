"""Finds every face in a photo: detect at several scales, fit the mesh, keep what is a face."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from reage.faces.align import crop_face, transform_points
from reage.faces.detector import BlazeFace, Detections, join
from reage.faces.mesh import FaceMesh, Mesh, upright_square
from reage.faces.nms import first_of_each, overlap_with
from reage.faces.types import Face
from reage.faces.views import Pyramid, not_cut_off, tile_origins, turn_back
from reage.onnx_session import default_threads
from reage.weights import load_weights

# The detectors may err on the generous side, for the mesh has the last word: both together must
# believe in the face, and see eyes, nose and mouth in the same places. On photos of people the two
# mostly lie less than 0.08 box sides apart, on letters, dogs and sleeves 0.10 and more.
_MIN_DETECTION_SCORE: Final = 0.4
_MIN_SCORE: Final = 0.4
_MAX_DISAGREEMENT: Final = 0.09
# A second look at a face that the detector had in poor view asks for more.
_MIN_SECOND_DETECTION_SCORE: Final = 0.5
_MIN_SECOND_MESH_SCORE: Final = 0.9
_SECOND_LOOK_MARGIN: Final = 2.0
_MIN_FACE_SIDE: Final = 16.0
# A face that was there in the frame before needs no detector to vouch for it, only the mesh.
_MIN_FOLLOW_SCORE: Final = 0.5
_MAX_OVERLAP: Final = 0.4
# Long sides, in pixels, to which a photo is scaled for the searches by tiles; with the black
# margin around it the first is a single tile.
_SEARCH_SIDES: Final = (208, 400, 784, 1552, 3088)
_DEEP_SEARCHES: Final = 4
_MARGIN: Final = 24
_TILE_OVERLAP: Final = 64
# A photo whose smallest face is narrower than this, in pixels of the network's input, may hold
# smaller ones that only a finer scale shows.
_SMALL_FACE: Final = 40.0
# Below this score an "upright" face may be one on its head.
_CERTAIN_SCORE: Final = 0.85
_QUARTER_TURNS: Final = (0, 1, 3, 2)


class FaceFinder:
    """Finds faces of any size and in any quarter turn.

    Two BlazeFace networks look at the whole photo, the finer one also at overlapping tiles where
    faces are small; the face mesh then gives each face its landmarks and rejects what is none.
    Calls from several threads are safe.
    """

    def __init__(self, *, threads: int | None = None) -> None:
        """Loads the packaged networks.

        Args:
            threads: CPU threads to work with; `None` takes the cores at hand.

        Raises:
            WeightsError: If a network's file is missing or damaged.
        """
        self._near = BlazeFace(load_weights("face_detection_short_range.onnx"), threads=threads)
        # Tiles are many: each has one thread, and several are searched side by side.
        self._far = BlazeFace(load_weights("face_detection_back.onnx"), threads=1)
        self._mesh = FaceMesh(load_weights("face_landmark.onnx"), threads=threads)
        workers = threads or default_threads()
        self._each: Callable[..., Iterable[Any]] = (
            ThreadPoolExecutor(workers).map if workers > 1 else map
        )

    def find(self, pixels: NDArray[np.uint8], *, quick: bool = False) -> list[Face]:
        """Finds the faces of a photo.

        Unless a face is certain, the photo is searched lying on its sides and upside down too, and
        the turn with the best faces counts. Without any, it is searched for tiny faces, upright.

        Args:
            pixels: uint8 (H, W, 3), RGB.
            quick: Search once, upright; for frames of a video, where the next is another chance.

        Returns:
            The faces, largest first; empty if there is none.
        """
        pyramid = Pyramid(pixels, self._near.input_side)
        if quick:
            return sorted(self._search(pixels, pyramid, 0, deep=False), key=_area, reverse=True)
        best: list[Face] = []
        for turns in _QUARTER_TURNS:
            best = max(best, self._search(pixels, pyramid, turns, deep=False), key=evidence)
            if any(face.score >= _CERTAIN_SCORE for face in best):
                break
        return sorted(best or self._search(pixels, pyramid, 0, deep=True), key=_area, reverse=True)

    def follow(self, pixels: NDArray[np.uint8], face: Face) -> Face | None:
        """Finds a face of the frame before again in the next frame of a video.

        Many times faster than `find`, and steadier, for no detector takes part.

        Args:
            pixels: uint8 (H, W, 3), RGB, the next frame.
            face: The face as it was; it may have moved by a quarter of its size since.

        Returns:
            The face where it is now, its score the mesh's alone; None if it is gone.
        """
        mesh = self._mesh.follow(pixels, face)
        if mesh.score < _MIN_FOLLOW_SCORE:
            return None
        found = mesh.to_face(pixels.shape[1], pixels.shape[0])
        return found if (found.box[2:] - found.box[:2]).min() >= _MIN_FACE_SIDE else None

    def _search(
        self, pixels: NDArray[np.uint8], pyramid: Pyramid, turns: int, *, deep: bool
    ) -> list[Face]:
        height, width = pixels.shape[:2]
        view_size = (width, height) if turns % 2 else (height, width)
        candidates = self._candidates(pyramid, turns, deep=deep)
        return self._confirm(pixels, turn_back(candidates, turns, view_size))

    def _candidates(self, pyramid: Pyramid, turns: int, *, deep: bool) -> Detections:
        """Boxes that may be faces, at every scale that pays, best first; pixels of the view.

        A finer search starts while the coarser ones run, as soon as one face found is small: what
        they still find makes the smallest no larger.
        """
        long_side = max(pyramid.width, pyramid.height)
        sides = _SEARCH_SIDES[:_DEEP_SEARCHES] if deep else _SEARCH_SIDES
        pending = [self._start_in_tiles(pyramid, sides[0] / long_side, turns)]
        found = self._detect_near(pyramid, turns)
        for coarser, side in pairwise(sides):
            if side > long_side:
                break
            small = _SMALL_FACE * long_side / coarser
            due = deep or found.smallest < small
            if not due:
                found, pending = join([found, *(result() for result in pending)]), []
                due = found.smallest < small or (not len(found) and coarser == sides[0])
            if not due:
                break
            pending.append(self._start_in_tiles(pyramid, side / long_side, turns))
        found = join([found, *(result() for result in pending)])
        return found.select(np.argsort(-found.scores, kind="stable"))

    def _detect_near(self, pyramid: Pyramid, turns: int) -> Detections:
        """Looks at the whole photo with the coarse network."""
        scale = min(self._near.input_side / max(pyramid.width, pyramid.height), 1.0)
        view = pyramid.scaled(scale, turns)
        return self._near.detect(view, min_score=_MIN_DETECTION_SCORE).mapped(scale, (0, 0))

    def _start_in_tiles(
        self, pyramid: Pyramid, scale: float, turns: int
    ) -> Callable[[], Detections]:
        """Starts to search the photo at a scale, tile by tile; in pixels of the photo.

        The black margin shows a face at the photo's edge, or one that fills it, as the networks
        were taught to see one: with surroundings.

        Returns:
            What waits for the candidates.
        """
        view = pyramid.scaled(scale, turns)
        framed = cv2.copyMakeBorder(view, _MARGIN, _MARGIN, _MARGIN, _MARGIN, cv2.BORDER_CONSTANT)
        height, width = framed.shape[:2]
        side = self._far.input_side

        def detect(origin: tuple[int, int]) -> Detections:
            x, y = origin
            tile = framed[y : y + side, x : x + side]
            inside = self._far.detect(tile, min_score=_MIN_DETECTION_SCORE)
            whole = not_cut_off(inside.boxes, origin, tile.shape[:2], (width, height))
            return inside.select(whole).mapped(scale, (x - _MARGIN, y - _MARGIN))

        tiles = self._each(detect, tile_origins(width, height, side, _TILE_OVERLAP))
        return lambda: join(list(tiles))

    def _confirm(self, pixels: NDArray[np.uint8], candidates: Detections) -> list[Face]:
        """Fits the mesh to each candidate; keeps those that are faces, each once.

        The scales are not averaged: where faces crowd, a coarse box may lie across several.
        """

        def fit(index: int) -> Mesh:
            box, keypoints = candidates.boxes[index], candidates.keypoints[index]
            return self._mesh.locate(pixels, box, keypoints, min_score=_MIN_SCORE)

        # The best candidate of each place is as good as sure to be asked for; the others, hardly.
        ahead = first_of_each(candidates.boxes, _MAX_OVERLAP)
        meshes = dict(zip(ahead, self._each(fit, ahead), strict=True))
        faces: list[Face] = []
        for index, (box, keypoints, score) in enumerate(
            zip(candidates.boxes, candidates.keypoints, candidates.scores, strict=True)
        ):
            if repeats(box, faces):
                continue
            mesh = meshes.get(index) or fit(index)
            face = mesh.to_face(pixels.shape[1], pixels.shape[0], float(score))
            if (
                face.score >= _MIN_SCORE
                and (face.box[2:] - face.box[:2]).min() >= _MIN_FACE_SIDE
                and not repeats(face.box, faces)
                and (
                    disagreement(box, keypoints, face.landmarks) <= _MAX_DISAGREEMENT
                    or self._stands_second_look(pixels, mesh, face)
                )
            ):
                faces.append(face)
        return faces

    def _stands_second_look(self, pixels: NDArray[np.uint8], mesh: Mesh, face: Face) -> bool:
        """Whether the detector agrees with the mesh once the face is upright, large and central."""
        if mesh.score < _MIN_SECOND_MESH_SCORE:
            return False
        side = self._near.input_side
        to_view = upright_square(mesh.points, _SECOND_LOOK_MARGIN, side)
        view = crop_face(pixels, to_view, side)
        seen = self._near.detect(view, min_score=_MIN_SECOND_DETECTION_SCORE)
        landmarks = transform_points(to_view, face.landmarks)
        return any(
            disagreement(box, keypoints, landmarks) <= _MAX_DISAGREEMENT
            for box, keypoints in zip(seen.boxes, seen.keypoints, strict=True)
        )


def evidence(faces: list[Face]) -> float:
    """How much speaks for a set of faces; one sure face outweighs several doubtful ones."""
    return sum(face.score**2 for face in faces)


def repeats(box: NDArray[np.floating], faces: list[Face]) -> bool:
    """Whether a box (4,), in pixels, covers much of a face that has been found before."""
    others = np.array([face.box for face in faces], np.float64).reshape(-1, 4)
    return bool((overlap_with(box, others) > _MAX_OVERLAP).any())


def disagreement(
    box: NDArray[np.float64], keypoints: NDArray[np.float64], landmarks: NDArray[np.floating]
) -> float:
    """The mean distance of eyes, nose and mouth between detector and mesh, in box sides.

    Args:
        box: (4,) of a detection, pixels.
        keypoints: (6, 2) of the detection, pixels.
        landmarks: (5, 2) of the mesh, pixels.
    """
    points = np.vstack([landmarks[:3], landmarks[3:].mean(axis=0, keepdims=True)])
    distances = np.linalg.norm(points - keypoints[:4], axis=1)
    return float(distances.mean() / (box[2:] - box[:2]).max())


def _area(face: Face) -> float:
    width, height = face.box[2:] - face.box[:2]
    return float(width * height)
