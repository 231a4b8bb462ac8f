"""Differentiable augmentation of what critic and discriminator see.

Zhao et al. 2020, "Differentiable Augmentation for Data-Efficient GAN Training": the same
transforms for real and generated faces, so that gradients reach the generator through them.
"""

from __future__ import annotations

from typing import Any

import keras
from keras import ops


def augment(images: Any, seed: keras.random.SeedGenerator, *, strength: float = 1.0) -> Any:
    """Changes brightness, contrast, saturation and position of images (N, S, S, 3) in [-1, 1].

    Colour is drawn per image, the shift (up to 1/16 of the side) per batch.

    Args:
        images: RGB float32.
        seed: Source of randomness.
        strength: 0 changes nothing, 1 is the trained recipe.
    """
    if strength == 0:
        return images
    return _shift(_color(images, seed, strength), seed, strength)


def _color(images: Any, seed: keras.random.SeedGenerator, strength: float) -> Any:
    count = ops.shape(images)[0]

    def draw(width: float) -> Any:
        width *= strength
        return keras.random.uniform((count, 1, 1, 1), -width, width, seed=seed)

    grey = ops.mean(images, axis=-1, keepdims=True)
    images = grey + (images - grey) * (1.0 + draw(0.3))
    mean = ops.mean(images, axis=(1, 2, 3), keepdims=True)
    return mean + (images - mean) * (1.0 + draw(0.2)) + draw(0.15)


def _shift(images: Any, seed: keras.random.SeedGenerator, strength: float) -> Any:
    size = images.shape[1]
    reach = round(size / 16 * strength)
    if reach == 0:
        return images
    pad = [[0, 0], [reach, reach], [reach, reach], [0, 0]]
    padded = ops.pad(images, pad, mode="reflect")
    corner = keras.random.randint((2,), 0, 2 * reach + 1, seed=seed)
    start = (0, corner[0], corner[1], 0)
    return ops.slice(padded, start, (ops.shape(images)[0], size, size, 3))
