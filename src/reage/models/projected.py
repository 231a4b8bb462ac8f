"""The projected discriminator: judges realism and age from a frozen network's feature maps.

Sauer et al. 2021, "Projected GANs Converge Faster", with the label projection of Miyato and Koyama
2018, "cGANs with Projection Discriminator".
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import keras
from keras import ops

from reage.ages import NUM_GROUPS
from reage.models.layers import activation, conv, downsample

CHANNELS: Final = 64
_SMALLEST: Final = 8


def build_projected_discriminator(shapes: Sequence[tuple[int, int, int]]) -> Any:
    """Builds one small discriminator per feature map.

    Inputs: a feature map (N, H, W, C) for each of `shapes`, and a soft age code (N, 14). Outputs,
    for each map: logits (N, P), float32, that each of P places is real *and* of that age.
    """
    maps = [keras.Input(shape, name=f"features_{i}") for i, shape in enumerate(shapes)]
    code = keras.Input((NUM_GROUPS,), name="age_code")
    logits = [_judge(x, code, f"scale_{i}") for i, x in enumerate(maps)]
    return keras.Model([*maps, code], logits, name="projected_discriminator")


def _judge(features: Any, code: Any, name: str) -> Any:
    x = activation(conv(CHANNELS, f"{name}_mix", kernel=1)(features))
    while min(x.shape[1:3]) >= 2 * _SMALLEST:
        x = downsample(activation(conv(CHANNELS, f"{name}_conv_{x.shape[1]}")(x)))
    x = activation(conv(CHANNELS, f"{name}_out")(x))
    x = ops.cast(ops.reshape(x, (-1, x.shape[1] * x.shape[2], CHANNELS)), "float32")
    of_age = keras.layers.Dense(CHANNELS, use_bias=False, dtype="float32", name=f"{name}_age")
    realism = keras.layers.Dense(1, dtype="float32", name=f"{name}_realism")(x)[..., 0]
    agreement = ops.sum(x * of_age(code)[:, None], axis=-1) / CHANNELS**0.5
    return realism + agreement
