"""The discriminator: is this face real, and how old is it?

The same network serves twice: trained first and alone as the age critic, then, initialised from it,
as the discriminator that judges realism.
"""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from reage.ages import NUM_GROUPS
from reage.models.layers import activation, conv, downsample
from reage.models.presets import FINEST_BLOCK, DiscriminatorSize

NUM_ETHNICITIES = 5
"""UTKFace's."""


def build_critic(size: DiscriminatorSize) -> Any:
    """Builds an age critic: a discriminator that also tells what is to stay as it is.

    Its further outputs: `sex_logits` (N,), positive for female, and `ethnicity_logits` (N, 5).
    """
    return build_discriminator(size, name="critic", attributes=True)


def build_discriminator(
    size: DiscriminatorSize, *, name: str = "discriminator", attributes: bool = False
) -> Any:
    """Builds a discriminator; `attributes` adds the heads of `build_critic`.

    Input `image` (N, S, S, 3), RGB in [-1, 1]. Outputs a dictionary, float32: `age_logits`
    (N, 14) and `realism_logits` (N,).
    """
    image = keras.Input((size.image_size, size.image_size, 3), name="image")
    rgb, x = image, None
    for resolution in size.resolutions:
        channels = size.channels[resolution]
        from_rgb = conv(channels, f"from_rgb_{resolution}")
        if x is None:
            x = activation(from_rgb(rgb))
        else:
            rgb = downsample(rgb)
            x = activation(conv(channels, f"down_{resolution}_in")(downsample(x)) + from_rgb(rgb))
            if resolution <= FINEST_BLOCK:
                x = activation(x + conv(channels, f"block_{resolution}")(x))
    pooled = ops.cast(ops.mean(x, axis=(1, 2)), "float32")

    def head(count: int, name: str) -> Any:
        return keras.layers.Dense(count, dtype="float32", name=name)(pooled)

    outputs = {
        "age_logits": head(NUM_GROUPS, "age_logits"),
        "realism_logits": head(1, "realism")[:, 0],
    }
    if attributes:
        outputs["sex_logits"] = head(1, "sex")[:, 0]
        outputs["ethnicity_logits"] = head(NUM_ETHNICITIES, "ethnicity")
    return keras.Model(image, outputs, name=name)
