"""Differentiable augmentation of what critic and discriminator see.

Zhao et al. 2020, "Differentiable Augmentation for Data-Efficient GAN Training": the same
transforms for real and generated faces, so that gradients reach the generator through them.
"""

from __future__ import annotations

import math
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


def distort(images: Any, seed: keras.random.SeedGenerator) -> Any:
    """Turns, scales, shifts and partly hides each of the images (N, S, S, 3) by itself.

    It leaves the age as it is, and keeps a critic from learning its training faces by heart. A
    generator would learn to paint what it does, so that it is not for generated faces.

    Args:
        images: RGB float32.
        seed: Source of randomness.
    """
    return _hide(_turn(images, seed), seed)


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


def _turn(images: Any, seed: keras.random.SeedGenerator) -> Any:
    """By up to 10 degrees, 10 % and 1/16 of the side; what comes into sight is mirrored."""
    count, size = ops.shape(images)[0], images.shape[1]
    center = (size - 1) / 2

    def draw(width: float) -> Any:
        return keras.random.uniform((count,), -width, width, seed=seed)

    angle, scale = draw(math.radians(10)), 1.0 + draw(0.1)
    cosine, sine = scale * ops.cos(angle), scale * ops.sin(angle)
    x = center * (1.0 - cosine + sine) + draw(size / 16)
    y = center * (1.0 - sine - cosine) + draw(size / 16)
    zero = ops.zeros_like(angle)
    transforms = ops.stack([cosine, -sine, x, sine, cosine, y, zero, zero], axis=1)
    return ops.image.affine_transform(
        images, transforms, interpolation="bilinear", fill_mode="reflect"
    )


def _hide(images: Any, seed: keras.random.SeedGenerator) -> Any:
    """Fills a rectangle, 10 to 35 % of the side wide and high, in every second image.

    Zhong et al. 2020, "Random Erasing Data Augmentation"; with the mean colour of the image.
    """
    count, size = ops.shape(images)[0], images.shape[1]

    def draw(low: float, high: float) -> Any:
        return keras.random.uniform((count, 1, 1, 1), low * size, high * size, seed=seed)

    pixels = ops.arange(size, dtype="float32")
    rows = ops.abs(pixels[None, :, None, None] - draw(0, 1)) < draw(0.05, 0.175)
    columns = ops.abs(pixels[None, None, :, None] - draw(0, 1)) < draw(0.05, 0.175)
    chosen = keras.random.uniform((count, 1, 1, 1), seed=seed) < 0.5
    mean = ops.mean(images, axis=(1, 2), keepdims=True)
    return ops.where(rows & columns & chosen, mean, images)
