"""Layers shared by the generator and the discriminator."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

NEGATIVE_SLOPE = 0.2
_EPSILON = 1e-5


def conv(filters: int, name: str, *, kernel: int = 3, zero_init: bool = False) -> Any:
    """A stride-1 convolution, He-initialised; `zero_init` starts a residual branch at zero.

    No layer here strides or rearranges depth to space: both leave checkerboards in the gradient
    that the generator then paints into skin (Odena et al. 2016, "Deconvolution and Checkerboard
    Artifacts").
    """
    initializer = "zeros" if zero_init else keras.initializers.HeNormal()
    return keras.layers.Conv2D(
        filters, kernel, padding="same", kernel_initializer=initializer, name=name
    )


def activation(x: Any) -> Any:
    """Leaky ReLU with slope 0.2."""
    return ops.leaky_relu(x, negative_slope=NEGATIVE_SLOPE)


def downsample(x: Any) -> Any:
    """Halves height and width of (N, H, W, C) by averaging 2x2 pixels."""
    return ops.average_pool(x, pool_size=2, strides=2, padding="valid")


def upsample(x: Any) -> Any:
    """Doubles height and width of (N, H, W, C), bilinear.

    Repeated pixels would tell the convolutions after them which pixel is odd and which even, and
    the generator would paint grids into skin.
    """
    size = (2 * x.shape[1], 2 * x.shape[2])
    # Keras would clip the result to the range of bfloat16, which costs more than resizing.
    wide = ops.image.resize(ops.cast(x, "float32"), size, interpolation="bilinear")
    return ops.cast(wide, x.dtype)


def affine_instance_norm(x: Any, scale: Any, offset: Any) -> Any:
    """Normalises each channel of each image over its pixels, then scales and offsets it.

    Args:
        x: Features (N, H, W, C).
        scale: Per-channel factor, (N, 1, 1, C) or broadcastable, float32.
        offset: Per-channel summand, as `scale`.

    Returns:
        Features as `x`, in its dtype. Statistics are taken in float32: bfloat16 has too few digits
        for a variance (Ulyanov et al. 2016, "Instance Normalization").
    """
    mean, variance = ops.moments(ops.cast(x, "float32"), axes=(1, 2), keepdims=True)
    gain = ops.rsqrt(variance + _EPSILON) * scale
    shift = offset - mean * gain
    return x * ops.cast(gain, x.dtype) + ops.cast(shift, x.dtype)


@keras.saving.register_keras_serializable(package="reage")
class InstanceNorm(keras.layers.Layer):  # type: ignore[misc]
    """Instance normalisation with a learned scale and offset per channel."""

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Creates scale and offset, shape (C,), float32."""
        channels = input_shape[-1]
        self.scale = self.add_weight(
            shape=(channels,), initializer="ones", name="scale", autocast=False
        )
        self.offset = self.add_weight(
            shape=(channels,), initializer="zeros", name="offset", autocast=False
        )

    def call(self, x: Any) -> Any:
        """Maps (N, H, W, C) to the same shape."""
        return affine_instance_norm(x, self.scale, self.offset)


@keras.saving.register_keras_serializable(package="reage")
class AdaptiveInstanceNorm(keras.layers.Layer):  # type: ignore[misc]
    """Instance normalisation whose scale and offset come from a style vector.

    Huang and Belongie 2017, "Arbitrary Style Transfer in Real-time with Adaptive Instance
    Normalization". The style sets the departure from scale one and offset zero.
    """

    def build(self, features_shape: tuple[int | None, ...], style_shape: Any) -> None:
        """Creates the projection from the style vector to 2 C numbers."""
        self.projection = keras.layers.Dense(
            2 * int(features_shape[-1] or 0),
            kernel_initializer=keras.initializers.RandomNormal(stddev=0.02),
            dtype="float32",
            name="projection",
        )
        self.projection.build(style_shape)

    def call(self, features: Any, style: Any) -> Any:
        """Maps features (N, H, W, C) and style (N, D) to features of the same shape."""
        gain, offset = ops.split(self.projection(ops.cast(style, "float32")), 2, axis=-1)
        return affine_instance_norm(
            features, 1.0 + gain[:, None, None, :], offset[:, None, None, :]
        )
