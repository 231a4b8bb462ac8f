from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from reage.ages import NUM_GROUPS, soft_code
from reage.models.discriminator import build_discriminator
from reage.models.generator import build_generator
from reage.models.growth import grow
from reage.models.layers import affine_instance_norm, downsample, upsample
from reage.models.presets import discriminator_size, generator_size, resolutions

WIDTH = 0.1


@pytest.fixture(autouse=True)
def float32_policy():
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("float32")
    keras.utils.set_random_seed(0)
    yield
    keras.config.set_dtype_policy(before)


def faces(size: int, count: int = 2) -> np.ndarray:
    rng = np.random.default_rng(size)
    return rng.uniform(-0.9, 0.9, (count, size, size, 3)).astype(np.float32)


def disturb(model: keras.Model, seed: int = 1, scale: float = 0.05) -> None:
    """Moves every weight off its initial value, so that zeros hide nothing."""
    rng = np.random.default_rng(seed)
    for variable in model.variables:
        variable.assign_add(rng.normal(0, scale, variable.shape).astype(np.float32))


@pytest.mark.parametrize("size", [32, 64])
def test_generator_starts_as_the_identity(size: int) -> None:
    generator = build_generator(generator_size(size, width=WIDTH))
    images = faces(size)
    outputs = generator([images, soft_code([3.0, 70.0])])
    np.testing.assert_array_equal(outputs["image"], images)
    np.testing.assert_array_equal(outputs["delta"], np.zeros_like(images))
    np.testing.assert_array_equal(outputs["flow"], np.zeros((*outputs["flow"].shape,)))
    assert outputs["code"].shape[1:3] == (8, 8)


def test_delta_depends_on_the_age_and_image_is_clipped() -> None:
    generator = build_generator(generator_size(32, width=WIDTH))
    disturb(generator, scale=0.3)
    image = faces(32, 1).repeat(2, axis=0)
    outputs = {k: np.asarray(v) for k, v in generator([image, soft_code([3.0, 70.0])]).items()}
    assert np.abs(outputs["delta"][0] - outputs["delta"][1]).max() > 1e-3
    np.testing.assert_allclose(outputs["code"][0], outputs["code"][1], atol=1e-5)
    np.testing.assert_allclose(
        outputs["image"], np.clip(image + outputs["delta"], -1, 1), atol=1e-6
    )
    assert np.abs(image + outputs["delta"]).max() > 1


def test_every_weight_of_the_generator_is_reached_by_a_gradient() -> None:
    generator = build_generator(generator_size(32, width=WIDTH))
    disturb(generator)
    with tf.GradientTape() as tape:
        outputs = generator([faces(32), soft_code([3.0, 70.0])])
        loss = sum(tf.reduce_mean(tf.square(outputs[name])) for name in ("image", "flow"))
    gradients = tape.gradient(loss, [v.value for v in generator.trainable_variables])
    unreached = [
        v.path
        for v, g in zip(generator.trainable_variables, gradients, strict=True)
        if g is None or not np.abs(np.asarray(g)).max() > 0
    ]
    # A constant added before an instance norm is taken away again.
    assert all(path.endswith("bias") for path in unreached), unreached


def test_outputs_of_the_discriminator() -> None:
    outputs = build_discriminator(discriminator_size(32, width=WIDTH))(faces(32, 3))
    assert outputs["age_logits"].shape == (3, NUM_GROUPS)
    assert outputs["realism_logits"].shape == (3,)
    assert set(outputs) == {"age_logits", "realism_logits"}


def test_upsampling_is_linear_and_tells_no_pixel_from_its_neighbour() -> None:
    ramp = np.broadcast_to(np.arange(3, dtype=np.float32)[None, None, :, None], (1, 3, 3, 1))
    expected = [0, 0.25, 0.75, 1.25, 1.75, 2]
    np.testing.assert_allclose(np.asarray(upsample(ramp))[0, :, :, 0], [expected] * 6, atol=1e-6)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_upsampling_and_its_gradient_are_those_of_a_bilinear_resize(dtype: str) -> None:
    x, upstream = (tf.cast(faces(size, 2), dtype) for size in (8, 16))

    def value_and_gradient(function: Callable[[Any], Any]) -> list[Any]:
        with tf.GradientTape() as tape:
            tape.watch(x)
            value = function(x)
        gradient = tape.gradient(value, x, upstream)
        assert value.dtype == gradient.dtype == x.dtype
        return [tf.cast(tensor, "float32") for tensor in (value, gradient)]

    expected = value_and_gradient(lambda y: tf.cast(tf.image.resize(y, (16, 16)), dtype))
    for a, b in zip(value_and_gradient(upsample), expected, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)


def test_the_finest_parts_of_the_delta_are_grey() -> None:
    generator = build_generator(generator_size(64, width=WIDTH))
    disturb(generator)
    for variable in generator.variables:
        if "/to_rgb_" in f"/{variable.path}":
            variable.assign(np.zeros(variable.shape, np.float32))
    delta = np.asarray(generator([faces(64), soft_code([3.0, 70.0])])["delta"])
    assert np.abs(delta).max() > 1e-3
    np.testing.assert_array_equal(delta, delta[..., :1].repeat(3, axis=-1))


def test_grown_discriminator_equals_the_coarse_one_on_the_halved_image() -> None:
    coarse = build_discriminator(discriminator_size(64, width=WIDTH))
    fine = build_discriminator(discriminator_size(128, width=WIDTH))
    disturb(coarse)
    new = grow(coarse, fine)
    images = faces(128)
    expected, found = coarse(downsample(images)), fine(images)
    for name in expected:
        np.testing.assert_allclose(found[name], expected[name], atol=1e-5)
    assert {path.split("/")[-2] for path in new} == {"from_rgb_128"}


def test_grown_generator_adds_the_coarse_delta_enlarged() -> None:
    coarse = build_generator(generator_size(64, width=WIDTH))
    fine = build_generator(generator_size(128, width=WIDTH))
    disturb(coarse)
    grow(coarse, fine)
    images, codes = faces(128), soft_code([3.0, 70.0])
    expected = coarse([np.asarray(downsample(images)), codes])
    found = fine([images, codes])
    np.testing.assert_allclose(found["code"], expected["code"], atol=1e-5)
    enlarged = keras.layers.UpSampling2D(2, interpolation="bilinear")(expected["delta"])
    np.testing.assert_allclose(found["delta"], enlarged, atol=1e-5)
    assert np.abs(np.asarray(expected["delta"])).max() > 1e-3


def test_growing_to_the_same_size_copies() -> None:
    first, second = (build_generator(generator_size(32, width=WIDTH)) for _ in range(2))
    disturb(first)
    assert grow(first, second) == []
    for a, b in zip(first.variables, second.variables, strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy())


def test_resolutions() -> None:
    assert resolutions(128, 8) == (128, 64, 32, 16, 8)
    for finest, coarsest in ((8, 8), (48, 8), (64, 6)):
        with pytest.raises(ValueError, match="powers of two"):
            resolutions(finest, coarsest)


def test_instance_norm_against_numpy() -> None:
    x = faces(32) * 3 + 1
    scale, offset = np.float32([1, 2, 3]), np.float32([0, -1, 0.5])
    mean = x.mean(axis=(1, 2), keepdims=True)
    variance = x.var(axis=(1, 2), keepdims=True)
    expected = (x - mean) / np.sqrt(variance + 1e-5) * scale + offset
    np.testing.assert_allclose(affine_instance_norm(x, scale, offset), expected, atol=1e-5)


def test_downsampling() -> None:
    x = np.float32([[1, 3], [5, 7]])[None, :, :, None]
    assert np.asarray(downsample(x)).item() == 4
