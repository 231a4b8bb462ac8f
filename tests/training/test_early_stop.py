from __future__ import annotations

import json
from pathlib import Path

import keras
import numpy as np
import pytest

from reage.errors import TrainingError
from reage.training.callbacks import EarlyStop, epochs_without_gain
from reage.training.config import StageConfig
from reage.training.log import read_log
from reage.training.run import _finished
from reage.training.state import save_variables

NAMES = ("g_cycle", "g_identity", "g_critic")


@pytest.mark.parametrize(
    ("losses", "expected"),
    [
        ([[1.0, 1.0, 1.0]] * 7, 6),  # Flat.
        ([[1.0, 1.0, 1.0 - 0.01 * epoch] for epoch in range(7)], 0),  # One that gains is enough.
        ([[1.0], [0.5], [0.9], [0.9], [0.9], [0.9]], 4),  # The means: 1, 0.75, 0.8, ...
        ([[1.0 + 1e-4 * (-1) ** epoch] for epoch in range(8)], 7),  # Noise is no gain.
        ([[1.0], [1.0], [1.2]], 2),
        ([[3.0]], 0),
    ],
)
def test_epochs_without_gain(losses: list[list[float]], expected: int) -> None:
    assert epochs_without_gain(np.array(losses)) == expected


class Model:
    def __init__(self) -> None:
        self.steps = keras.Variable(0, dtype="int64")
        self.stop_training = False


def run(callback: EarlyStop, losses: list[float], *, start: int = 0) -> tuple[Model, int]:
    """Ends epochs of 10 steps with all three losses alike, until the callback stops it."""
    model = Model()
    callback.set_model(model)
    for epoch, loss in enumerate(losses, start):
        model.steps.assign(10 * (epoch + 1))
        callback.on_epoch_end(epoch, dict.fromkeys(NAMES, loss) | {"other": 0.0})
        if model.stop_training:
            return model, epoch
    return model, -1


def test_a_flat_loss_ends_the_stage(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, epoch = run(EarlyStop(tmp_path, 3), [2.0] * 9)
    assert epoch == 3
    report = json.loads((tmp_path / "stopped.json").read_text())
    assert (report["step"], report["epoch"]) == (40, 3)
    assert report["losses"] == dict.fromkeys(NAMES, 2.0)
    said = "stopped at step 40: pixels, identity, age: no better since epoch 1\n"
    assert capsys.readouterr().err.endswith(said)


def test_a_stage_without_a_critic_stops_by_what_it_has(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    callback, model = EarlyStop(tmp_path, 3), Model()
    callback.set_model(model)
    # The teacher is learned for four epochs, and the way back never.
    for epoch, teacher in enumerate([4.0, 3.0, 2.0, 1.0, 5.0, 5.0, 5.0]):
        assert not model.stop_training
        callback.on_epoch_end(epoch, {"g_cycle": 2.0, "g_identity": 2.0, "g_teacher": teacher})
    assert model.stop_training
    assert "pixels, identity, teacher: no better since epoch 4\n" in capsys.readouterr().err


def test_a_falling_loss_goes_on(tmp_path: Path) -> None:
    model, _ = run(EarlyStop(tmp_path, 3), [2.0 * 0.9**epoch for epoch in range(9)])
    assert not model.stop_training
    assert list(tmp_path.iterdir()) == []


def test_a_resumed_run_remembers(tmp_path: Path) -> None:
    rows = [f"{epoch},2.0,2.0,2.0,NA" for epoch in (0, 1, 2, 1, 2)]
    head = "epoch,g_critic,g_cycle,g_identity,val_g_cycle"
    (tmp_path / "log.csv").write_text("\n".join([head, *rows, ""]))
    assert read_log(tmp_path / "log.csv") == dict.fromkeys(range(3), dict.fromkeys(NAMES, 2.0))
    # Epoch 2 was logged after the last checkpoint and is run again.
    _, epoch = run(EarlyStop(tmp_path, 3), [2.0] * 9, start=2)
    assert epoch == 3


def test_an_epoch_cut_short_is_no_reason_to_stop(tmp_path: Path) -> None:
    callback = EarlyStop(tmp_path, 3)
    model, epoch = run(callback, [2.0] * 3)
    assert epoch == -1
    model.stop_training = True  # As a signal does.
    callback.on_epoch_end(3, dict.fromkeys(NAMES, 2.0))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("saved", "stopped", "finished"),
    [
        (4, 4, True),
        (3, 4, False),  # Killed between the stop and its checkpoint.
        (4, None, False),
        (20, None, True),
    ],
)
def test_a_stopped_stage_is_finished(
    saved: int, stopped: int | None, finished: bool, tmp_path: Path
) -> None:
    assert not _finished(tmp_path, StageConfig(steps=20))
    steps = keras.Variable(saved, dtype="int64", name="steps")
    save_variables(tmp_path / "state.npz", {"steps": [steps]})
    if stopped is not None:
        (tmp_path / "stopped.json").write_text(json.dumps({"step": stopped}))
    assert _finished(tmp_path, StageConfig(steps=20)) is finished


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"step": "4"}'])
def test_a_damaged_note_of_the_stop_is_named(text: str, tmp_path: Path) -> None:
    steps = keras.Variable(4, dtype="int64", name="steps")
    save_variables(tmp_path / "state.npz", {"steps": [steps]})
    (tmp_path / "stopped.json").write_text(text)
    with pytest.raises(TrainingError, match=r"stopped\.json: is damaged; remove it, and --resume"):
        _finished(tmp_path, StageConfig(steps=20))
