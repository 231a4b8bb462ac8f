from __future__ import annotations

import dataclasses
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from tiny_gan import tiny_batch, tiny_gan

from reage.ages import NUM_GROUPS, soft_code
from reage.models.discriminator import build_critic, build_discriminator
from reage.models.generator import build_generator
from reage.models.presets import discriminator_size, generator_size
from reage.training.critic import AgeCriticTrainer, ascend
from reage.training.gan import FaceAgingGAN
from reage.training.generator_terms import GeneratorTerms, TaughtCritic
from reage.training.loss_weights import LossWeights

SIZE, COUNT, WIDTH = 32, 4, 0.1


@pytest.fixture(autouse=True)
def float32_policy() -> None:
    keras.config.set_dtype_policy("float32")
    keras.utils.set_random_seed(0)


def batch() -> dict[str, Any]:
    rng = np.random.default_rng(0)
    ages = np.array([3.0, 28.0, 45.0, 80.0])
    return {
        "image": tf.constant(rng.uniform(-0.8, 0.8, (COUNT, SIZE, SIZE, 3)), tf.float32),
        "source_group": tf.constant([0, 5, 7, 11], tf.int64),
        "sex": tf.constant([0, 1, -1, 0], tf.int64),
        "ethnicity": tf.constant([4, -1, 2, 0], tf.int64),
        "source_code": tf.constant(soft_code(ages)),
        "target_code": tf.constant(soft_code(ages[::-1].copy())),
        "wrong_code": tf.constant(soft_code(ages[::-1].copy())),
        "is_self": tf.constant([0.0, 0.0, 0.0, 1.0]),
    }


def critic() -> Any:
    return build_critic(discriminator_size(SIZE, width=WIDTH))


def critic_trainer(**changes: Any) -> AgeCriticTrainer:
    settings = {
        "epsilon": 1.5,
        "epsilon_ramp_steps": 0,
        "clean_share": 0.5,
        "label_sigma": 0.8,
        "attribute_weight": 0.3,
        "ema_decay": 0.9,
        "seed": 0,
    }
    trainer = AgeCriticTrainer(critic(), critic(), **(settings | changes))
    trainer.compile(optimizer=keras.optimizers.Adam(1e-2), jit_compile=False)
    trainer.optimizer.build(trainer.heads.trainable_variables)
    trainer.steps.assign(1)
    return trainer


def test_perturbation_raises_the_loss_within_its_radius() -> None:
    trainer, data = critic_trainer(), batch()
    images = data["image"]
    worst = trainer._perturb(images, data)
    distance = np.linalg.norm((worst - images).numpy().reshape(COUNT, -1), axis=1)
    assert (distance <= 1.5 + 1e-4).all()
    assert (distance > 0.5).all()
    assert np.abs(worst).max() <= 1.0
    before, after = (trainer._loss(trainer.heads(x), data) for x in (images, worst))
    assert (np.asarray(after) > np.asarray(before)).all()


def test_radius_grows_from_nothing() -> None:
    trainer, data = critic_trainer(epsilon_ramp_steps=100), batch()
    trainer.steps.assign(0)
    np.testing.assert_allclose(trainer._perturb(data["image"], data), data["image"], atol=1e-5)


@pytest.mark.parametrize(("share", "clean"), [(0.0, 0), (0.5, COUNT // 2), (1.0, COUNT)])
def test_the_clean_share_of_a_batch_stays_as_it_is(share: float, clean: int) -> None:
    trainer, data = critic_trainer(clean_share=share), batch()
    images = np.asarray(data["image"])
    change = np.abs(np.asarray(trainer._partly_perturbed(data["image"], data)) - images)
    assert (change.max(axis=(1, 2, 3)) > 0).tolist() == [False] * clean + [True] * (COUNT - clean)


def test_critic_learns_a_batch_by_heart() -> None:
    trainer, data = critic_trainer(epsilon=0.1), batch()
    losses = [float(trainer.train_step(data)["loss"])]
    for _ in range(60):
        trainer.trackers["loss"].reset_state()
        losses.append(float(trainer.train_step(data)["loss"]))
    assert losses[-1] < 0.7 * losses[0]
    # Average and network differ while it learns.
    last, mean = trainer.critic.variables[-1], trainer.average.variables[-1]
    assert np.abs(last.numpy() - mean.numpy()).max() > 0


def test_ascent_makes_the_critic_believe() -> None:
    network, images = critic(), batch()["image"]
    for variable in network.variables:
        variable.assign_add(np.random.default_rng(1).normal(0, 0.1, variable.shape))

    def belief(x: Any) -> Any:
        return np.asarray(tf.nn.softmax(network(x)["age_logits"]))[:, 9]

    changed = ascend(network, images, 9, steps=10, step_size=0.5)
    assert (belief(changed) > belief(images)).all()
    assert np.abs(changed).max() <= 1.0


def gan(*, realism: bool, cycle_share: float = 1.0, **weights: float) -> FaceAgingGAN:
    size = generator_size(SIZE, width=WIDTH)
    model = FaceAgingGAN(
        generator=build_generator(size),
        average=build_generator(size),
        discriminator=build_discriminator(discriminator_size(SIZE, width=WIDTH)),
        generator_terms=GeneratorTerms(
            critics=[
                TaughtCritic(
                    critic(), np.eye(NUM_GROUPS, dtype=np.float32) * 0.9 + 0.1 / NUM_GROUPS
                )
            ],
            shape_flows=np.zeros((NUM_GROUPS, 16, 16, 2), np.float32),
            cycle_share=cycle_share,
        ),
        weights=LossWeights(**weights),
        realism=realism,
        r1_interval=1,
        ema_decay=0.5,
    )
    model.compile(*(keras.optimizers.Adam(1e-3) for _ in range(3)))
    for mean, value in zip(model.average.variables, model.generator.variables, strict=True):
        mean.assign(value)
    return model


def snapshot(model: Any) -> list[np.ndarray]:
    return [variable.numpy().copy() for variable in model.variables]


def changed(before: list[np.ndarray], model: Any) -> bool:
    return any(
        np.abs(a - b.numpy()).max() > 0 for a, b in zip(before, model.variables, strict=True)
    )


@pytest.mark.parametrize("realism", [False, True])
def test_one_step_trains_what_it_should(realism: bool) -> None:
    model = gan(realism=realism)
    parts = (
        model.generator,
        model.average,
        model.discriminator,
        model.generator_terms.critics[0].network,
    )
    before = [snapshot(part) for part in parts]
    logs = model.train_step(batch())
    moved = [changed(old, part) for old, part in zip(before, parts, strict=True)]
    assert moved == [True, True, realism, False]
    assert int(model.steps.numpy()) == 1
    assert all(np.isfinite(float(value)) for value in logs.values())
    assert ("d_real" in logs) is realism
    # At the start nothing is changed yet: both passes are the identity.
    assert float(logs["g_cycle"]) == 0.0
    assert float(logs["g_delta"]) == 0.0
    assert float(logs["g_shape"]) == 0.0
    if realism:
        assert float(logs["d_r1"]) > 0


def test_second_pass_takes_its_share_of_the_batch() -> None:
    model, data = gan(realism=False, cycle_share=0.5), batch()
    for variable in model.generator.variables:
        variable.assign_add(np.random.default_rng(1).normal(0, 0.05, variable.shape))
    first = model.generator([data["image"], data["target_code"]])
    second = model.generator([first["image"][:2], data["source_code"][:2]])
    marked = data | {"self_weight": data["is_self"]}
    terms = model.generator_terms(
        model.generator, marked, first, first["image"], np.ones(COUNT, np.float32)
    )
    difference = np.abs(second["image"] - data["image"][:2]).mean()
    assert float(terms["cycle"]) == pytest.approx(difference, rel=1e-4)
    assert difference > 0


@pytest.mark.parametrize(("term", "power"), [("adversarial", 1), ("critic", 1), ("cycle", -1)])
def test_a_far_target_counts_more_and_its_way_back_less(term: str, power: int) -> None:
    only = LossWeights(**{field.name: 0.0 for field in dataclasses.fields(LossWeights)})
    data = {name: value[:1] for name, value in tiny_batch(2).items()}
    data |= {"source_code": soft_code([28.0]), "target_code": soft_code([85.5])}
    data |= {"self_weight": data["is_self"]}
    data = {name: tf.constant(value) for name, value in data.items()}

    def gradient(strength: float) -> np.ndarray:
        model = tiny_gan(
            weights=dataclasses.replace(only, **{term: 1.0}),
            distance_emphasis=strength,
            cycle_share=1.0,
        )
        return np.concatenate([np.ravel(part) for part in model._gradients(data)[0][0]])

    # Six groups of thirteen lie between.
    expected = (1 + 4 * 6 / 13) ** power * gradient(0.0)
    largest = np.abs(expected).max()
    assert largest > 0
    np.testing.assert_allclose(gradient(4.0), expected, rtol=1e-3, atol=1e-4 * largest)


def test_average_lies_between_old_and_new() -> None:
    model = gan(realism=False)
    model.steps.assign(10**6)
    old = snapshot(model.generator)
    model.train_step(batch())
    for before, mean, now in zip(
        old, model.average.variables, model.generator.variables, strict=True
    ):
        np.testing.assert_allclose(mean.numpy(), (before + now.numpy()) / 2, atol=1e-6)


def test_critic_alone_moves_faces_towards_the_target() -> None:
    model = gan(realism=False, delta=0.0, chroma=0.0, cycle=0.0, identity=0.0, self=0.0)
    for variable in model.generator_terms.critics[0].network.variables:
        variable.assign_add(np.random.default_rng(1).normal(0, 0.1, variable.shape))
    step = tf.function(model.train_step)
    first = float(step(batch())["g_critic"])
    for _ in range(40):
        model.trackers["g_critic"].reset_state()
        last = float(step(batch())["g_critic"])
    assert last < 0.9 * first
