"""A second discriminator, which judges faces in the features of a frozen network.

Sauer et al. 2021, "Projected GANs Converge Faster".
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from keras import ops

from reage.training.gradients import input_gradient
from reage.training.losses import adversarial_loss


class ProjectedDiscriminator:
    """The terms of both losses that come from frozen features; each is a scalar, unweighted.

    Args:
        features: Maps images to feature maps, such as a `features.FeatureNetwork`.
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
