"""A run that was stopped goes on as if it had not been."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from reage.data.pipeline import load_faces
from reage.errors import ReageError, TrainingError
from reage.training import fit as fit_module
from reage.training.callbacks import StopAt
from reage.training.config import TrainConfig, as_dict
from reage.training.log import read_log
from reage.training.run import (
    latest_generator,
    load_run_config,
    start_run,
    started_run,
    train_critic,
    train_generator,
)

STATE = Path("generator") / "stage_1_032" / "state.npz"

# Trains until the checkpoint of step 10 is on disk, says so, and waits to be killed.
CHILD = """
import sys
from pathlib import Path
from reage.training.callbacks import Checkpoint
from reage.training.run import load_run_config, train_critic

class Hanging(Checkpoint):
    def on_train_batch_end(self, batch, logs=None):
        super().on_train_batch_end(batch, logs)
        if int(self.model.steps.numpy()) == 10:
            print("step 10 is saved", flush=True)
            sys.stdin.read()

import reage.training.fit as fit
fit.Checkpoint = Hanging
folder, prepared = map(Path, sys.argv[1:])
train_critic(folder, prepared, load_run_config(folder))
"""


def weights(path: Path) -> dict[str, np.ndarray]:
    with np.load(path) as archive:
        return {name: archive[name] for name in archive.files}


def assert_same(first: Path, second: Path) -> None:
    a, b = weights(first), weights(second)
    assert a.keys() == b.keys()
    for name in a:
        np.testing.assert_allclose(b[name], a[name], atol=1e-5, err_msg=name)


@pytest.fixture(scope="module")
def whole(prepared: Path, tiny_config: TrainConfig, tmp_path_factory) -> Path:
    """A run that nobody stopped."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    start_run(folder, tiny_config, resume=False)
    train_critic(folder, prepared, tiny_config)
    train_generator(folder, prepared, tiny_config)
    return folder


def test_critic_killed_at_step_10(
    whole: Path, prepared: Path, tiny_config: TrainConfig, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    start_run(folder, tiny_config, resume=False)
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(folder), str(prepared)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdout is not None
    assert any("step 10 is saved" in line for line in child.stdout)
    child.kill()
    assert child.wait() != 0
    state = folder / "critic" / "state.npz"
    assert weights(state)["steps/0000/steps"] == 10

    start_run(folder, tiny_config, resume=True)
    train_critic(folder, prepared, tiny_config)
    assert weights(state)["steps/0000/steps"] == 20
    assert_same(whole / "critic" / "state.npz", state)
    assert_same(whole / "critic" / "critic.npz", folder / "critic" / "critic.npz")


def test_generator_stopped_at_step_10(
    whole: Path,
    prepared: Path,
    tiny_config: TrainConfig,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folder = tmp_path / "run"
    start_run(folder, tiny_config, resume=False)
    (folder / "critic").mkdir()
    (folder / "critic" / "critic.npz").write_bytes((whole / "critic" / "critic.npz").read_bytes())
    with monkeypatch.context() as patch:
        patch.setattr(fit_module, "StopAt", lambda steps: StopAt(min(steps, 10)))
        train_generator(folder, prepared, tiny_config)
    assert weights(folder / STATE)["steps/0000/steps"] == 10
    ends: list[tuple[int, int]] = []

    class Recording(StopAt):
        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:  # noqa: ARG002
            ends.append((epoch, int(self.model.steps.numpy())))

    monkeypatch.setattr(fit_module, "StopAt", Recording)
    train_generator(folder, prepared, tiny_config)
    assert ends == [(1, 16), (2, 20)]
    assert weights(folder / STATE)["steps/0000/steps"] == 20
    assert_same(whole / STATE, folder / STATE)
    # Of the epoch that was cut in two there are only the steps after the stop.
    expected, found = (read_log(run / STATE.parent / "log.csv") for run in (whole, folder))
    assert list(found) == list(expected) == [0, 1, 2]
    for epoch in (0, 2):
        assert found[epoch] == pytest.approx(expected[epoch], rel=1e-3, abs=1e-5)
    lines = (folder / STATE.parent / "log.csv").read_text().splitlines()
    assert [line.split(",")[0] for line in lines] == ["epoch", "0", "1", "2"]


@pytest.fixture
def not_ignored(number: signal.Signals) -> Iterator[object]:
    """A handler of the signal: shells have what they start in the background ignore Ctrl-C."""

    def handler(*_: object) -> None:
        raise AssertionError("nobody took the signal over")

    before = signal.signal(number, handler)
    yield handler
    signal.signal(number, before)


@pytest.mark.parametrize(
    ("number", "left_with"),
    [
        (signal.SIGTERM, pytest.raises(SystemExit, match="143")),
        (signal.SIGINT, pytest.raises(KeyboardInterrupt)),
    ],
)
def test_a_signal_ends_a_run_with_its_step_saved(
    number: signal.Signals,
    left_with: Any,
    not_ignored: object,
    whole: Path,
    prepared: Path,
    tiny_config: TrainConfig,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    config = dataclasses.replace(tiny_config, checkpoint_minutes=99.0)
    folder = tmp_path / "run"

    class Signalling(StopAt):
        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            super().on_train_batch_end(batch, logs)
            if int(self.model.steps.numpy()) == 10:
                os.kill(os.getpid(), number)

    with monkeypatch.context() as patch, left_with:
        patch.setattr(fit_module, "StopAt", Signalling)
        train_critic(folder, prepared, config)
    state = folder / "critic" / "state.npz"
    assert weights(state)["steps/0000/steps"] == 10
    assert "stopped at step 10, which is saved; --resume goes on" in capsys.readouterr().err
    assert signal.getsignal(number) is not_ignored
    train_critic(folder, prepared, config)
    assert_same(whole / "critic" / "state.npz", state)


def test_a_run_that_diverges_ends_and_keeps_its_last_good_state(
    prepared: Path, tiny_config: TrainConfig, tmp_path: Path
) -> None:
    config = dataclasses.replace(tiny_config, checkpoint_minutes=99.0)
    critic = dataclasses.replace(config.critic, steps=8)
    train_critic(tmp_path, prepared, dataclasses.replace(config, critic=critic))
    state = tmp_path / "critic" / "state.npz"
    good = weights(state)
    wild = dataclasses.replace(critic, steps=20, learning_rate=1e38)
    with pytest.raises(TrainingError, match=r"finite.*lower learning rate, from what"):
        train_critic(tmp_path, prepared, dataclasses.replace(config, critic=wild))
    for name, values in weights(state).items():
        np.testing.assert_array_equal(values, good[name], err_msg=name)


def test_what_a_run_leaves(whole: Path, prepared: Path, tiny_config: TrainConfig) -> None:
    report = json.loads((whole / "critic" / "report.json").read_text())
    assert report["faces"] == len(load_faces(prepared, "validation", 32).ages)
    assert 0 <= report["accuracy"] <= 1
    assert (whole / "critic" / "ascent.jpg").is_file()
    lines = (whole / STATE.parent / "log.csv").read_text().splitlines()
    assert lines[0].startswith("epoch,d_age,")
    assert len(lines) == 1 + 3  # 20 steps in epochs of 8.
    assert not list(whole.rglob(".*"))
    assert load_run_config(whole) == tiny_config
    found = latest_generator(whole, tiny_config)
    assert found is not None
    assert found[0] is tiny_config.stages[1]


def test_a_run_is_not_overwritten(whole: Path, tiny_config: TrainConfig) -> None:
    with pytest.raises(TrainingError, match="already holds a run; add --resume"):
        start_run(whole, tiny_config, resume=False)
    other = TrainConfig(seed=1)
    with pytest.raises(TrainingError, match="another configuration"):
        start_run(whole, other, resume=True)
    assert as_dict(load_run_config(whole)) == as_dict(tiny_config)


def test_a_run_that_fails_before_its_first_step_can_be_started_again(
    prepared: Path, tiny_config: TrainConfig, tmp_path: Path
) -> None:
    folder, absent = tmp_path / "run", tmp_path / "absent"
    starts_from_nothing = dataclasses.replace(tiny_config, init=str(absent))
    for config, data in ((tiny_config, absent), (starts_from_nothing, prepared)):
        with pytest.raises(ReageError), started_run(folder, config, resume=False):
            train_critic(folder, data, config)
        assert list(tmp_path.iterdir()) == []
    folder.mkdir()
    (folder / "notes.txt").touch()
    with pytest.raises(ReageError), started_run(folder, tiny_config, resume=False):
        train_critic(folder, absent, tiny_config)
    assert [entry.name for entry in folder.iterdir()] == ["notes.txt"]


def test_a_run_that_fails_later_stays(tiny_config: TrainConfig, tmp_path: Path) -> None:
    state = tmp_path / "critic" / "state.npz"
    state.parent.mkdir()
    state.touch()
    with pytest.raises(KeyError), started_run(tmp_path, tiny_config, resume=False):
        raise KeyError
    state.unlink()
    # It was there before.
    with pytest.raises(KeyError), started_run(tmp_path, tiny_config, resume=True):
        raise KeyError
    assert load_run_config(tmp_path) == tiny_config


@pytest.mark.parametrize("text", ["", '{"seed": 0', "[]", "\x00"])
def test_a_damaged_configuration_is_named(text: str, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(TrainingError, match=r"config\.json: is damaged; put a copy back"):
        load_run_config(tmp_path)


def test_a_damaged_state_ends_a_generator_with_one_sentence(
    whole: Path, prepared: Path, tiny_config: TrainConfig, tmp_path: Path
) -> None:
    state = tmp_path / STATE.parent.parent / "stage_0_032" / "state.npz"
    for path in (state, tmp_path / "critic" / "critic.npz"):
        path.parent.mkdir(parents=True)
    path.write_bytes((whole / "critic" / "critic.npz").read_bytes())
    state.write_bytes(b"PK")
    with pytest.raises(TrainingError, match=r"stage_0_032/state\.npz: is damaged; remove it"):
        train_generator(tmp_path, prepared, tiny_config)


def test_missing_pieces_are_named(prepared: Path, tiny_config: TrainConfig, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="no trained critic; run `reage train critic` first"):
        train_generator(tmp_path, prepared, tiny_config)
    with pytest.raises(TrainingError, match="holds no training run"):
        load_run_config(tmp_path)
    assert latest_generator(tmp_path, tiny_config) is None
