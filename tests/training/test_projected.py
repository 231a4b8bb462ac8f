from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from graph_file import write_graph
from keras import ops
from tiny_gan import tiny_batch, tiny_gan, weights

from reage.ages import soft_code
from reage.errors import ConfigError
from reage.models.projected import build_projected_discriminator
from reage.training.config import StageConfig, TrainConfig
from reage.training.features import FeatureNetwork
from reage.training.loss_weights import LossWeights
from reage.training.projected import ProjectedDiscriminator
from reage.training.stage import check_stages

CODE = soft_code([3.0, 70.0])


@pytest.fixture(autouse=True)
def _float32() -> None:
    keras.config.set_dtype_policy("float32")


def test_every_map_gets_a_judge_of_places() -> None:
    heads = build_projected_discriminator([(40, 40, 24), (5, 5, 120)])
    maps = [np.ones((2, 40, 40, 24), np.float32), np.ones((2, 5, 5, 120), np.float32)]
    assert [x.shape for x in heads([*maps, CODE])] == [(2, 10 * 10), (2, 5 * 5)]


def test_the_judges_hear_of_the_age() -> None:
    heads = build_projected_discriminator([(8, 8, 3)])
    image = np.random.default_rng(0).normal(size=(1, 8, 8, 3)).astype(np.float32)
    logits = heads([np.repeat(image, 2, 0), CODE])
    assert np.abs(logits[0] - logits[1]).max() > 1e-3


def flat_heads(factor: float) -> Callable[..., list[Any]]:
    """Heads whose logits are the features themselves, those of the finer map times `factor`."""

    def heads(inputs: list[Any], **_: Any) -> list[Any]:
        fine, coarse, _code = inputs
        return [factor * ops.reshape(fine, (2, -1)), ops.reshape(coarse, (2, -1))]

    return heads


def test_losses_of_known_logits() -> None:
    judge = ProjectedDiscriminator(lambda _: [], flat_heads(1.0))
    maps = [np.full((2, 2, 2, 1), 2.0, np.float32), np.full((2, 1, 1, 1), -1.0, np.float32)]
    # Maps count alike, whatever their size.
    softplus = math.log1p(math.exp(-2.0)), math.log1p(math.exp(1.0))
    assert float(judge.generator_loss(maps, CODE)) == pytest.approx(sum(softplus) / 2)
    batch = {"source_code": CODE, "target_code": CODE, "wrong_code": CODE}
    losses = judge.discriminator_losses(maps, [-x for x in maps], batch)
    assert float(losses["real"]) == pytest.approx(sum(softplus) / 2)
    assert float(losses["fake"]) == pytest.approx(sum(softplus) / 2)
    against = math.log1p(math.exp(2.0)), math.log1p(math.exp(-1.0))
    assert float(losses["wrong_age"]) == pytest.approx(sum(against) / 2)


def test_the_penalty_is_that_of_maps_of_length_one() -> None:
    judge = ProjectedDiscriminator(lambda _: [], flat_heads(3.0))
    maps = [tf.ones((2, 2, 2, 1)), tf.ones((2, 1, 1, 1))]
    # Means over 4 places and 1: slopes 3/4 at each of 4 values, scaled by 4, and 1 at one.
    expected = (4 * 4 * (3 / 4) ** 2 + 1) / 2
    assert float(judge.gradient_penalty(maps, CODE)) == pytest.approx(expected)


def test_generator_and_heads_learn_from_it() -> None:
    batch = {name: tf.constant(value) for name, value in tiny_batch(8).items()}
    without = LossWeights(grain=1.0, projected=0.0)
    learned, other = tiny_gan(), tiny_gan(weights=without)
    before = weights(learned)
    logs = [gan.train_step(batch) for gan in (learned, other)]
    assert float(logs[0]["g_projected"]) == pytest.approx(float(logs[1]["g_projected"]), rel=1e-5)
    after, instead = weights(learned), weights(other)
    changed = {
        owner: max(np.abs(after[key] - instead[key]).max() for key in after if owner in key)
        for owner in ("generator/", "projected/")
    }
    assert changed["generator/"] > 1e-6
    assert changed["projected/"] < 1e-6
    moved = [np.abs(after[key] - before[key]).max() for key in after if "projected/" in key]
    assert max(moved) > 1e-5


def test_without_realism_there_is_none() -> None:
    gan = tiny_gan(realism=False)
    assert gan.projected is None
    assert "projected" not in gan.state()


def test_a_run_asks_for_its_features_before_it_trains(tmp_path: Path) -> None:
    stage = StageConfig(weights=LossWeights(projected=1.0))
    config = TrainConfig(features=str(tmp_path / "absent.json"), stages=(stage,))
    with pytest.raises(ConfigError, match=r"absent\.json: is no TensorFlow\.js graph model"):
        check_stages(config)


def test_another_network_is_refused(tmp_path: Path) -> None:
    path = write_graph(tmp_path, [{"name": "x", "op": "Placeholder"}], {})
    with pytest.raises(ConfigError, match=r"has no tensor tower_0.*centernet\.json"):
        FeatureNetwork(path)
