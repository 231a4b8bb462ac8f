from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from reage.ages import NUM_GROUPS
from reage.models.published import build_published_critic, build_published_generator

WIDTH = 0.03


@pytest.fixture(scope="module")
def generator() -> Any:
    return build_published_generator(WIDTH)


def faces(count: int) -> np.ndarray:
    rng = np.random.default_rng(1)
    return rng.uniform(-1, 1, (count, 200, 200, 3)).astype(np.float32)


def test_generator_shapes(generator: Any) -> None:
    images, codes = faces(2), np.eye(NUM_GROUPS, dtype=np.float32)[[3, 11]]
    outputs = {name: np.asarray(value) for name, value in generator([images, codes]).items()}
    assert outputs["image"].shape == outputs["delta"].shape == (2, 200, 200, 3)
    assert outputs["code"].shape == (2, 5, 5, 15)  # 512 * 0.03.
    assert {value.dtype for value in outputs.values()} == {np.dtype(np.float32)}
    np.testing.assert_allclose(outputs["image"], images + outputs["delta"], atol=1e-5)


def test_the_image_is_unbounded(generator: Any) -> None:
    bias = generator.get_layer("decoder").get_layer("to_rgb").bias
    inputs = [faces(1), np.eye(NUM_GROUPS)[[0]]]
    before, image = np.asarray(bias), np.asarray(generator(inputs)["image"])
    bias.assign(before + 7.0)
    try:
        lighter = np.asarray(generator(inputs)["image"])
    finally:
        bias.assign(before)
    np.testing.assert_allclose(lighter - image, np.full_like(image, 7.0), rtol=1e-3)


def test_only_the_likeliest_group_counts(generator: Any) -> None:
    images = faces(1)
    soft = np.zeros((1, NUM_GROUPS), np.float32)
    soft[0, 4], soft[0, 5] = 0.6, 0.4
    layer = generator.get_layer("age_modulator").get_layer("modulate_norm_1_by_age")
    layer.kernel.assign(np.random.default_rng(0).normal(size=layer.kernel.shape))
    likeliest, other = np.eye(NUM_GROUPS, dtype=np.float32)[[4, 5]]
    found = np.asarray(generator([images, soft])["image"])
    np.testing.assert_allclose(generator([images, likeliest[None]])["image"], found, atol=1e-5)
    assert np.abs(np.asarray(generator([images, other[None]])["image"]) - found).max() > 1e-4


def test_light_and_contrast_of_the_input_do_not_matter(generator: Any) -> None:
    images, code = faces(1), np.eye(NUM_GROUPS, dtype=np.float32)[[4]]
    found = np.asarray(generator([images, code])["code"])
    np.testing.assert_allclose(generator([0.3 * images - 0.2, code])["code"], found, atol=1e-3)


def test_critic_shapes() -> None:
    outputs = build_published_critic(WIDTH)(faces(2))
    shapes = {name: tuple(value.shape) for name, value in outputs.items()}
    assert shapes == {"age_logits": (2, 14), "sex_logits": (2,), "ethnicity_logits": (2, 5)}
