from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf
from tiny_gan import tiny_batch, tiny_gan

from reage.training import losses
from reage.training.gradients import input_gradient


def test_the_generator_hears_what_a_pass_of_its_own_would_tell_it() -> None:
    keras.config.set_dtype_policy("float32")
    adversary = tiny_gan().adversary
    assert adversary is not None
    batch = {name: tf.constant(value) for name, value in tiny_batch(6).items()}
    fake = tf.reverse(batch["image"], [0])

    def loss(x: tf.Tensor) -> tf.Tensor:
        outputs = adversary.discriminator(x, training=True)
        logits = losses.conditional_logits(outputs, batch["target_code"])
        return tf.reduce_mean(losses.adversarial_loss(logits, real=True))

    features = adversary.projected.features(fake)
    verdict = adversary.judge(batch, batch["image"], fake, features, tf.constant(1))
    assert float(verdict.adversarial) == pytest.approx(float(loss(fake)), rel=1e-5)
    expected = input_gradient(loss, fake).numpy()
    assert np.abs(expected).max() > 1e-5
    np.testing.assert_allclose(verdict.pull, expected, rtol=1e-3, atol=1e-8)


def test_fooling_gradient_at_any_certainty() -> None:
    logits = tf.constant([0.0, 3.0, -3.0, 30.0, -30.0, 90.0])
    by_logit = input_gradient(lambda x: losses.adversarial_loss(x, real=False), logits)
    found = losses.fooling_gradient(by_logit[:, None, None, None], logits)[:, 0, 0, 0]
    expected = [-0.5, -1 / (1 + np.exp(3)), -1 / (1 + np.exp(-3)), -np.exp(-30), -1.0, 0.0]
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-12)


def test_fooling_gradient_stays_finite() -> None:
    logits = tf.constant([-1e4, 1e4])
    by_logit = input_gradient(lambda x: losses.adversarial_loss(x, real=False), logits)
    assert np.isfinite(losses.fooling_gradient(by_logit[:, None, None, None], logits)).all()
