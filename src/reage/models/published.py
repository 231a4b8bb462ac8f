"""The architecture as it was published before this project, to be compared with.

A Re-Aging GAN (Makhmudkhujaev et al. 2021) at 200 px: an encoder to a 5x5 identity code, an age
modulator that turns code and age group into a style vector, a decoder that paints the whole image,
and an age classifier. It keeps what made it fail: nothing bounds the image, nothing ties it to the
input but the losses, and a classifier of real faces alone says what age is.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import keras
from keras import ops

from reage.ages import NUM_GROUPS
from reage.models.discriminator import NUM_ETHNICITIES
from reage.models.layers import AdaptiveInstanceNorm, InstanceNorm, activation, conv

IMAGE_SIZE: Final = 200
"""The only size it exists in, pixels: the strides of encoder and classifier fit no other."""

_CODE_SIZE: Final = 5
# (channels, factor by which a block shrinks its input), finest first.
_ENCODER: Final = ((128, 2), (256, 2), (512, 2), (512, 5), (512, 1), (512, 1))
_DECODER: Final = ((512, 1), (512, 1), (512, 5), (256, 2), (128, 2), (64, 2))
_CLASSIFIER: Final = ((128, 2), (256, 2), (512, 2), (512, 2), (512, 2), (512, 2))
_STEM: Final = 64
_CODE: Final = 512

Norm = Callable[[Any, str], Any]
"""Normalises features; the second argument names its layers."""


def build_published_generator(width: float = 1.0) -> Any:
    """Builds encoder, age modulator and decoder; `width` scales every channel count.

    Inputs `image` (N, 200, 200, 3) in [-1, 1] and `age_code` (N, 14), of which only the likeliest
    group counts. Outputs a dictionary, float32, as `build_generator`'s: `image`, not clipped;
    `delta`, what it differs from the input by; `code` (N, 5, 5, K), the identity code.
    """
    image = keras.Input((IMAGE_SIZE, IMAGE_SIZE, 3), name="image")
    age_code = keras.Input((NUM_GROUPS,), name="age_code")
    code = _build_encoder(width)(image)
    style = _build_age_modulator(width)([code, age_code])
    painted = ops.cast(_build_decoder(width)([code, style]), "float32")
    outputs = {
        "image": painted,
        "delta": painted - ops.cast(image, "float32"),
        "code": ops.cast(code, "float32"),
    }
    return keras.Model([image, age_code], outputs, name="generator")


def build_published_critic(width: float = 1.0) -> Any:
    """Builds the age classifier, the only discriminator; `width` scales every channel count.

    Input `image` (N, 200, 200, 3) in [-1, 1]. Outputs a dictionary, float32: `age_logits` (N, 14),
    and the heads that `build_critic` has beside it, which the published one lacked:
    `sex_logits` (N,) and `ethnicity_logits` (N, 5).
    """
    image = keras.Input((IMAGE_SIZE, IMAGE_SIZE, 3), name="image")
    x = conv(_scaled(_STEM, width), "stem", kernel=4)(image)
    for index, (channels, factor) in enumerate(_CLASSIFIER):
        x = _block(x, _scaled(channels, width), f"block_{index}", shrink=factor)
    last = keras.layers.Conv2D(_scaled(_CODE, width), 3, name="last")(activation(x))
    features = ops.cast(keras.layers.Flatten()(activation(last)), "float32")

    def head(count: int, name: str) -> Any:
        return keras.layers.Dense(count, dtype="float32", name=name)(features)

    outputs = {
        "age_logits": head(NUM_GROUPS, "age_logits"),
        "sex_logits": head(1, "sex")[:, 0],
        "ethnicity_logits": head(NUM_ETHNICITIES, "ethnicity"),
    }
    return keras.Model(image, outputs, name="critic")


def _build_encoder(width: float) -> Any:
    image = keras.Input((IMAGE_SIZE, IMAGE_SIZE, 3), name="image")
    x = conv(_scaled(_STEM, width), "stem", kernel=4)(_standardise(image))
    for index, (channels, factor) in enumerate(_ENCODER):
        # The last two, which do not shrink, are not normalised: their output is the code.
        norm = _instance_norm if factor > 1 else None
        x = _block(x, _scaled(channels, width), f"encode_{index}", norm=norm, shrink=factor)
    return keras.Model(image, x, name="encoder")


def _build_age_modulator(width: float) -> Any:
    channels = _scaled(_CODE, width)
    code = keras.Input((_CODE_SIZE, _CODE_SIZE, channels), name="code")
    age_code = keras.Input((NUM_GROUPS,), name="age_code")
    group = ops.one_hot(ops.argmax(age_code, axis=-1), NUM_GROUPS)

    def norm(x: Any, name: str) -> Any:
        return _conditional_batch_norm(x, group, name)

    x = _block(code, channels, "modulate", norm=norm, shrink=2)
    style = keras.layers.Flatten()(keras.layers.Conv2D(channels, 2, name="style")(x))
    return keras.Model([code, age_code], style, name="age_modulator")


def _build_decoder(width: float) -> Any:
    channels = _scaled(_CODE, width)
    code = keras.Input((_CODE_SIZE, _CODE_SIZE, channels), name="code")
    style = keras.Input((channels,), name="style")

    def norm(x: Any, name: str) -> Any:
        return AdaptiveInstanceNorm(name=name)(x, style)

    x = code
    for index, (channels, factor) in enumerate(_DECODER):
        x = _block(x, _scaled(channels, width), f"decode_{index}", norm=norm, grow=factor)
    return keras.Model([code, style], conv(3, "to_rgb", kernel=1)(x), name="decoder")


def _block(
    x: Any, channels: int, name: str, *, norm: Norm | None = None, shrink: int = 1, grow: int = 1
) -> Any:
    """A residual block that changes size on both its branches."""

    def resized(y: Any) -> Any:
        if shrink > 1:
            return keras.layers.AveragePooling2D(shrink)(y)
        return keras.layers.UpSampling2D(grow)(y) if grow > 1 else y

    def prepared(y: Any, part: str) -> Any:
        return activation(norm(y, f"{name}_norm_{part}") if norm else y)

    y = conv(channels, f"{name}_conv_1")(resized(prepared(x, "1")))
    y = conv(channels, f"{name}_conv_2")(prepared(y, "2"))
    shortcut = resized(x)
    if x.shape[-1] != channels:
        shortcut = conv(channels, f"{name}_shortcut", kernel=1)(shortcut)
    return shortcut + y


def _standardise(image: Any) -> Any:
    """Brings each image to mean 0 and deviation 1, as far as it is not of one colour."""
    least = (3 * IMAGE_SIZE**2) ** -0.5
    mean = ops.mean(image, axis=(1, 2, 3), keepdims=True)
    return (image - mean) / ops.maximum(ops.std(image, axis=(1, 2, 3), keepdims=True), least)


def _instance_norm(x: Any, name: str) -> Any:
    return InstanceNorm(name=name)(x)


def _conditional_batch_norm(x: Any, group: Any, name: str) -> Any:
    """Batch normalisation with a scale and an offset for each age group (de Vries et al. 2017)."""
    normal = keras.layers.BatchNormalization(center=False, scale=False, name=name)(x)
    condition = keras.layers.Dense(
        2 * int(x.shape[-1]), kernel_initializer="zeros", use_bias=False, name=f"{name}_by_age"
    )
    gain, offset = ops.split(condition(group)[:, None, None, :], 2, axis=-1)
    return normal * (1.0 + gain) + offset


def _scaled(channels: int, width: float) -> int:
    return max(4, round(channels * width))
