"""The generator: encoder, age modulator and decoder, as one change of the input image.

`image + delta(identity code, age)`: a delta that starts at zero keeps identity and background for
free, and a delta can be upsampled onto a photo of any size. Beside it, a flow says how the sum may
be moved to give the face the shape of the age.
"""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from reage.ages import NUM_GROUPS
from reage.models.layers import (
    AdaptiveInstanceNorm,
    InstanceNorm,
    activation,
    conv,
    downsample,
    upsample,
)
from reage.models.presets import FINEST_BLOCK, GeneratorSize

COLOR_RESOLUTION = 32
"""Finer parts of the delta are grey: colour there is no age, but specks and stripes."""

FLOW_RESOLUTION = 16
"""Side of the flow before it is enlarged: the shape of a face is smooth, and finer flows fold."""

FLOW_LIMIT = 0.08
"""Furthest that a pixel is moved along an axis, in sides; mean faces differ by 0.03 at most."""

SHAPE_DIM = 128
"""Hidden units between what is known of a face and its flow."""


def build_encoder(size: GeneratorSize) -> Any:
    """Builds the encoder.

    Input `image` (N, S, S, 3), RGB in [-1, 1]. Outputs one feature map per resolution, finest
    first, named `features_S`; the last is the identity code. Every level also sees the image at its
    own resolution, so that a finer level can be added to a trained encoder: see `grow`.
    """
    image = keras.Input((size.image_size, size.image_size, 3), name="image")
    rgb, x, features = image, None, []
    for resolution in size.resolutions:
        channels = size.channels[resolution]
        from_rgb = conv(channels, f"from_rgb_{resolution}")
        if x is None:
            x = activation(from_rgb(rgb))
        else:
            rgb = downsample(rgb)
            inner = conv(channels, f"down_{resolution}_in")(downsample(x))
            x = activation(inner + from_rgb(rgb))
            if resolution <= FINEST_BLOCK:
                x = _residual_block(x, channels, f"encode_{resolution}")
        features.append(keras.layers.Identity(name=f"features_{resolution}")(x))
    return keras.Model(image, features, name="encoder")


def build_age_modulator(size: GeneratorSize) -> Any:
    """Builds the age modulator.

    Inputs `code` (N, C, C, K) and `age_code` (N, 14), the soft code of the target age. Outputs the
    age features (N, C, C, K) and the style vector (N, D) that modulates every decoder layer. The
    block is a residual one, normalised conditionally on the age (FiLM; Perez et al. 2018).
    """
    channels = size.channels[size.code_size]
    code = keras.Input((size.code_size, size.code_size, channels), name="code")
    age_code = keras.Input((NUM_GROUPS,), name="age_code")
    age = keras.layers.Dense(size.style_dim, name="age_in")(age_code)
    age = keras.layers.Dense(size.style_dim, name="age_out")(activation(age))
    x = activation(AdaptiveInstanceNorm(name="film_1")(code, age))
    x = conv(channels, "modulate_1")(x)
    x = activation(AdaptiveInstanceNorm(name="film_2")(x, age))
    x = code + conv(channels, "modulate_2")(x)
    pooled = keras.layers.Dense(size.style_dim, name="code_to_style")(ops.mean(x, axis=(1, 2)))
    style = keras.layers.Dense(size.style_dim, name="style")(activation(age + pooled))
    return keras.Model([code, age_code], [x, style], name="age_modulator")


def build_decoder(size: GeneratorSize) -> Any:
    """Builds the decoder.

    Inputs: the encoder's outputs by their names, and `age_code` (N, 14). Outputs, float32 and zero
    before training: `delta` (N, S, S, 3), to be added to the image, and `flow` (N, F, F, 2), from
    where each pixel of the sum is taken, relative to its own place, xy in sides. The delta is the
    sum of one image per resolution, each upsampled to the next, so that coarse change (shading,
    colour) is not the fine layers' work.
    """
    features = [
        keras.Input(
            (resolution, resolution, size.channels[resolution]), name=f"features_{resolution}"
        )
        for resolution in size.resolutions
    ]
    age_code = keras.Input((NUM_GROUPS,), name="age_code")
    x, style = build_age_modulator(size)([features[-1], age_code])
    delta = None
    for resolution, skip in zip(reversed(size.resolutions), reversed(features), strict=True):
        channels = size.channels[resolution]
        name = f"decode_{resolution}"
        if resolution != size.code_size:
            x = upsample(conv(channels, f"{name}_up")(x))
            x = x + conv(channels, f"{name}_skip", kernel=1)(skip)
        x = activation(AdaptiveInstanceNorm(name=f"{name}_adain")(x, style))
        x = activation(conv(channels, f"{name}_conv")(x))
        if resolution > size.code_size:
            delta = _add_delta(x, delta, resolution)
    return keras.Model([*features, age_code], [delta, _flow(features[-1], style)], name="decoder")


def build_generator(size: GeneratorSize) -> Any:
    """Builds encoder, age modulator and decoder as one model.

    Inputs `image` (N, S, S, 3) in [-1, 1] and `age_code` (N, 14). Outputs a dictionary: `image`
    (N, S, S, 3), float32 in [-1, 1], not moved; `delta`, as `image`, not clipped; `flow`
    (N, F, F, 2); `code`, the identity code.
    """
    image = keras.Input((size.image_size, size.image_size, 3), name="image")
    age_code = keras.Input((NUM_GROUPS,), name="age_code")
    features = build_encoder(size)(image)
    delta, flow = build_decoder(size)([*features, age_code])
    aged = ops.clip(ops.cast(image, "float32") + delta, -1.0, 1.0)
    outputs = {"image": aged, "delta": delta, "flow": flow, "code": features[-1]}
    return keras.Model([image, age_code], outputs, name="generator")


def _residual_block(x: Any, channels: int, name: str) -> Any:
    y = activation(InstanceNorm(name=f"{name}_norm_1")(x))
    y = conv(channels, f"{name}_conv_1")(y)
    y = activation(InstanceNorm(name=f"{name}_norm_2")(y))
    return x + conv(channels, f"{name}_conv_2")(y)


def _add_delta(x: Any, coarser: Any, resolution: int) -> Any:
    if resolution <= COLOR_RESOLUTION:
        part = conv(3, f"to_rgb_{resolution}", zero_init=True)(x)
    else:
        part = conv(1, f"to_grey_{resolution}", zero_init=True)(x)
    delta = keras.layers.Activation("linear", dtype="float32")(part)
    return delta if coarser is None else delta + upsample(coarser)


def _flow(code: Any, style: Any) -> Any:
    """Faces are aligned: one map from code and age to all of a flow can know their shape."""
    known = keras.layers.Concatenate()([ops.mean(code, axis=(1, 2)), style])
    # What shape is to be known by is what painting needs: the flow has no say in it.
    known = ops.stop_gradient(known)
    # A picture of one colour has a code of any size, and must not throw pixels about.
    known = keras.layers.LayerNormalization(name="shape_norm", dtype="float32")(known)
    hidden = activation(keras.layers.Dense(SHAPE_DIM, dtype="float32", name="shape_in")(known))
    flow = keras.layers.Dense(
        2 * FLOW_RESOLUTION**2, kernel_initializer="zeros", dtype="float32", name="shape_out"
    )(hidden)
    flow = FLOW_LIMIT * ops.tanh(flow)
    return keras.layers.Reshape((FLOW_RESOLUTION, FLOW_RESOLUTION, 2), dtype="float32")(flow)
