from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest

from reage.data.pipeline import Faces
from reage.errors import TrainingError
from reage.models.discriminator import build_critic, build_discriminator
from reage.models.generator import build_generator
from reage.models.presets import discriminator_size, generator_size
from reage.training import critic as critic_module
from reage.training import initial
from reage.training.config import TrainConfig
from reage.training.critic_report import mean_predictions
from reage.training.initial import read_initial, start_from, write_initial
from reage.training.run import load_critic, start_run, train_critic, train_generator

WIDTH = 0.1


@pytest.fixture(scope="module")
def trained(prepared: Path, tiny_config: TrainConfig, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("trained") / "run"
    start_run(folder, tiny_config, resume=False)
    train_critic(folder, prepared, tiny_config)
    train_generator(folder, prepared, tiny_config)
    return folder


def networks() -> dict[str, keras.Model]:
    size = discriminator_size(32, width=WIDTH)
    return {
        "critic": build_critic(size),
        "generator": build_generator(generator_size(32, width=WIDTH)),
        "discriminator": build_discriminator(size),
    }


def test_a_run_starts_from_what_another_ended_with(
    trained: Path, prepared: Path, tiny_config: TrainConfig, tmp_path: Path
) -> None:
    stages = tuple(replace(stage, steps=0) for stage in tiny_config.stages)
    critic = replace(tiny_config.critic, steps=0)
    config = replace(tiny_config, init=str(trained), critic=critic, stages=stages)
    start_run(tmp_path / "run", config, resume=False)
    train_critic(tmp_path / "run", prepared, config)
    first, second = load_critic(trained, tiny_config), load_critic(tmp_path / "run", config)
    for a, b in zip(first.variables, second.variables, strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy())


def test_a_critic_that_diverged_is_trained_on_from_its_last_good_state(
    prepared: Path, tiny_config: TrainConfig, tmp_path: Path
) -> None:
    diverged, again = tmp_path / "diverged", tmp_path / "again"
    config = replace(tiny_config, checkpoint_minutes=99.0)
    short = replace(config, critic=replace(config.critic, steps=8))
    train_critic(diverged, prepared, short)
    (diverged / "critic" / "critic.npz").unlink()
    wild = replace(config, critic=replace(config.critic, learning_rate=1e38))
    with pytest.raises(TrainingError, match="lower learning rate, from what this one saved"):
        train_critic(diverged, prepared, wild)

    untouched = replace(config, init=str(diverged), critic=replace(config.critic, steps=0))
    train_critic(again, prepared, untouched)
    with np.load(diverged / "critic" / "state.npz") as state:
        stored = {key.split("/", 2)[2]: state[key] for key in state if key.startswith("average/")}
    for variable in load_critic(again, untouched).variables:
        np.testing.assert_array_equal(variable.numpy(), stored[variable.path])

    tamer = replace(config, init=str(diverged))
    report = train_critic(tmp_path / "tamer", prepared, tamer)
    assert 0 <= report["accuracy"] <= 1


def test_generator_and_discriminator_are_those_of_the_last_stage(trained: Path) -> None:
    filled = networks()
    start_from(str(trained), filled)
    with np.load(trained / "generator" / "stage_1_032" / "state.npz") as state:
        stored = {tuple(key.split("/", 2)[0::2]): state[key] for key in state.files}
    for owner, stored_owner in (("generator", "average"), ("discriminator", "discriminator")):
        for variable in filled[owner].variables:
            expected = stored[stored_owner, variable.path]
            np.testing.assert_array_equal(variable.numpy(), expected)


def test_shipped_weights_come_back_in_half_precision(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = networks()
    write_initial(
        tmp_path / "training.npz",
        {
            owner: {variable.path: variable.numpy() for variable in network.variables}
            for owner, network in written.items()
        },
    )
    monkeypatch.setattr(initial, "load_weights", lambda name: (tmp_path / name).read_bytes())
    filled = networks()
    start_from("shipped", filled)
    for owner, network in written.items():
        for a, b in zip(network.variables, filled[owner].variables, strict=True):
            np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-3, atol=1e-6)


def test_a_critic_without_new_heads_keeps_their_own_start(trained: Path, monkeypatch) -> None:
    weights = read_initial(str(trained))
    old = {path: value for path, value in weights["critic"].items() if not path.startswith("sex")}
    monkeypatch.setattr(initial, "read_initial", lambda _: {"critic": old})
    filled = networks()
    before = {v.path: v.numpy().copy() for v in filled["critic"].variables}
    start_from("old", {"critic": filled["critic"]})
    for variable in filled["critic"].variables:
        expected = old.get(variable.path, before[variable.path])
        np.testing.assert_array_equal(variable.numpy(), expected)


def test_what_does_not_fit_is_named(trained: Path, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="holds no trained network"):
        start_from(str(tmp_path), networks())
    wide = {"generator": build_generator(generator_size(32, width=0.3))}
    with pytest.raises(TrainingError, match="another width"):
        start_from(str(trained), wide)


def test_a_group_without_faces_takes_the_nearest_groups_prediction() -> None:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (4, 32, 32, 3)).astype(np.uint8)
    zeros = np.zeros(4, np.int64)
    faces = Faces(images, np.float32([28, 29, 65, 66]), zeros, zeros, ("a", "b", "c", "d"))
    critic = networks()["critic"]
    logits = critic(images.astype(np.float32) / 127.5 - 1)["age_logits"]
    of_faces = np.asarray(keras.ops.softmax(logits))
    found = mean_predictions(critic, faces)
    young, old = of_faces[:2].mean(axis=0), of_faces[2:].mean(axis=0)
    for group, expected in {0: young, 5: young, 7: young, 8: old, 9: old, 13: old}.items():
        np.testing.assert_allclose(found[group], expected, atol=1e-5)


def test_a_share_of_a_critic_that_is_not_there_is_refused_before_training(
    prepared: Path, tiny_config: TrainConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    critic = replace(tiny_config.critic, start_share=0.5)
    config = replace(tiny_config, init="elsewhere", critic=critic)
    monkeypatch.setattr(critic_module, "read_initial", lambda _: {"generator": {}})
    with pytest.raises(TrainingError, match="elsewhere: holds no critic to mix in"):
        train_critic(tmp_path / "run", prepared, config)
    assert not (tmp_path / "run").exists()
