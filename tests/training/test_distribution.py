"""Two workers take the steps of one, and a worker that dies does not end the run."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
import training_worker
from tiny_gan import tiny_batch, tiny_gan, weights

from reage.errors import ConfigError
from reage.training.config import TrainConfig
from reage.training.distribution import check_batch_size, distribution_scope, is_chief
from reage.training.loss_weights import LossWeights
from reage.training.run import start_run, train_critic, train_generator

Start = Callable[..., list[subprocess.Popen[str]]]

STATES = (Path("critic") / "state.npz", Path("generator") / "stage_0_032" / "state.npz")


@pytest.fixture(scope="module")
def config(tiny_config: TrainConfig) -> TrainConfig:
    """Ten steps of the critic and of the GAN, with nothing left to chance.

    A new generator changes nothing, so that the two identity codes differ by rounding alone, whose
    sign is the gradient of their distance: that loss is left out.
    """
    critic = replace(tiny_config.critic, batch_size=8, steps=10, epsilon=0.0)
    stage = replace(
        tiny_config.stages[1],
        batch_size=8,
        steps=10,
        augment_strength=0.0,
        weights=LossWeights(identity=0.0),
    )
    return replace(tiny_config, critic=critic, stages=(stage,), log_every=5)


@pytest.fixture(scope="module")
def alone(prepared: Path, config: TrainConfig, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run of one process."""
    run = tmp_path_factory.mktemp("alone") / "run"
    start_run(run, config, resume=False)
    with pytest.MonkeyPatch.context() as patch:
        training_worker.without_chance(patch.setattr)
        train_critic(run, prepared, config)
        train_generator(run, prepared, config)
    return run


@pytest.fixture
def start_workers(prepared: Path, config: TrainConfig) -> Iterator[Start]:
    """Starts two workers on a run, of which the second hangs at a step if it is given one."""
    started = []

    def start(run: Path, *, hang_at: str = "") -> list[subprocess.Popen[str]]:
        start_run(run, replace(config, distribution="multi-worker"), resume=True)
        cluster = {"worker": [f"localhost:{port}" for port in free_ports(2)]}
        for index, arguments in enumerate(([], [hang_at] if hang_at else [])):
            task = {"cluster": cluster, "task": {"type": "worker", "index": index}}
            started.append(
                subprocess.Popen(
                    [sys.executable, training_worker.__file__, str(run), str(prepared), *arguments],
                    env=os.environ | {"TF_CONFIG": json.dumps(task), "CUDA_VISIBLE_DEVICES": "-1"},
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                    text=True,
                )
            )
        return started[-2:]

    yield start
    for process in started:
        process.kill()


def free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("localhost", 0)) for _ in range(count)]
    ports = [opened.getsockname()[1] for opened in sockets]
    for opened in sockets:
        opened.close()
    return ports


def finish(workers: list[subprocess.Popen[str]]) -> None:
    for process in workers:
        output, _ = process.communicate()
        assert process.returncode == 0, output[-4000:]


def assert_same_weights(alone: Path, run: Path) -> None:
    for state in STATES:
        with np.load(alone / state) as expected, np.load(run / state) as found:
            assert found["steps/0000/steps"] == 10
            assert found.files == expected.files
            for name in expected.files:
                if not name.startswith("random/"):
                    np.testing.assert_allclose(found[name], expected[name], atol=1e-4, err_msg=name)


def test_two_workers_take_the_steps_of_one(
    alone: Path, start_workers: Start, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    finish(start_workers(run))
    assert_same_weights(alone, run)
    # One of them wrote the files.
    lines = (run / STATES[1].parent / "log.csv").read_text().splitlines()
    assert len(lines) == 1 + 2


def test_a_killed_worker_comes_back(alone: Path, start_workers: Start, tmp_path: Path) -> None:
    run = tmp_path / "run"
    survivor, victim = start_workers(run, hang_at="5")
    assert victim.stdout is not None
    assert any("step 5 is done" in line for line in victim.stdout)
    victim.kill()
    assert victim.wait() != 0
    output, _ = survivor.communicate()
    assert survivor.returncode == 1
    assert "lost the connection to another worker" in output
    finish(start_workers(run))
    assert_same_weights(alone, run)


def test_what_cannot_be_distributed_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match="is not known; use none, mirrored or multi-worker"):
        distribution_scope("many")
    monkeypatch.setenv("TF_CONFIG", "{")
    with pytest.raises(ConfigError, match="TF_CONFIG: is not valid JSON"):
        distribution_scope("multi-worker")
    monkeypatch.setenv("TF_CONFIG", '{"cluster": {}, "task": {"type": "worker", "index": 1}}')
    assert not is_chief()
    monkeypatch.delenv("TF_CONFIG")
    assert is_chief()
    with pytest.raises(ConfigError, match="does not name this worker's task"):
        distribution_scope("multi-worker")
    check_batch_size(16, 4)
    with pytest.raises(ConfigError, match="use a multiple of 3"):
        check_batch_size(16, 3)


MIRRORED = """
import sys

import numpy as np
import tensorflow as tf

(cpu,) = tf.config.list_physical_devices("CPU")
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)

from tiny_gan import tiny_batch, tiny_gan, weights
from reage.training.distribution import distribute_batches

with tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]).scope():
    gan = tiny_gan(accumulate=2)
    for path in sys.argv[1:]:
        batches = iter(lambda: tiny_batch(8), None)
        gan.fit(distribute_batches(batches), steps_per_epoch=1, shuffle=False, verbose=0)
        np.savez(path, **weights(gan))
"""


def test_two_devices_take_the_steps_of_one(tmp_path: Path) -> None:
    paths = [tmp_path / f"{step}.npz" for step in range(3)]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parent)}
    command = [sys.executable, "-c", MIRRORED, *map(str, paths)]
    assert subprocess.run(command, env=environment, check=False).returncode == 0
    alone = tiny_gan()
    batch = {name: tf.constant(value) for name, value in tiny_batch(8).items()}
    for path in paths:
        alone.train_step(batch)
        with np.load(path) as found:
            for name, value in weights(alone).items():
                np.testing.assert_allclose(found[name], value, atol=1e-5, err_msg=name)
            # The next step from the same weights: rounding may have put a unit beyond a kink.
            for owner in ("generator", "average", "discriminator", "projected"):
                for variable in alone.state()[owner]:
                    variable.assign(found[f"{owner}/{variable.path}"])
