from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest

from reage.errors import TrainingError
from reage.training.state import load_variables, save_variables, saved_steps


def variable(name: str, value: float) -> keras.Variable:
    return keras.Variable(np.full(2, value, np.float32), name=name)


def test_variables_are_found_by_name_whatever_their_order(tmp_path: Path) -> None:
    saved = [variable("kernel", 1.0), variable("bias", 2.0)]
    save_variables(tmp_path / "state.npz", {"network": saved, "average": [variable("kernel", 3.0)]})
    bias, kernel, average = variable("bias", 0), variable("kernel", 0), variable("kernel", 0)
    load_variables(tmp_path / "state.npz", {"average": [average], "network": [bias, kernel]})
    assert [float(x.numpy()[0]) for x in (kernel, bias, average)] == [1.0, 2.0, 3.0]


def test_the_second_optimizer_of_a_process_reads_the_first_ones_state(tmp_path: Path) -> None:
    weights = [keras.Variable(np.zeros(3, np.float32), name="kernel")]
    first, second = keras.optimizers.Adam(0.5), keras.optimizers.Adam(0.25)
    for optimizer in (first, second):
        optimizer.build(weights)
    assert first.variables[0].path != second.variables[0].path
    save_variables(tmp_path / "state.npz", {"optimizer": first.variables})
    load_variables(tmp_path / "state.npz", {"optimizer": second.variables})
    assert float(second.learning_rate) == 0.5


def test_another_model_is_refused(tmp_path: Path) -> None:
    save_variables(tmp_path / "state.npz", {"network": [variable("kernel", 1.0)]})
    with pytest.raises(TrainingError, match=r"state\.npz: holds no fitting value for network/bias"):
        load_variables(tmp_path / "state.npz", {"network": [variable("bias", 0.0)]})


def test_the_saved_step(tmp_path: Path) -> None:
    path = tmp_path / "state.npz"
    save_variables(path, {"steps": [keras.Variable(7, dtype="int64", name="steps")]})
    assert saved_steps(path) == 7
    with pytest.raises(TrainingError, match="does not exist"):
        saved_steps(tmp_path / "none.npz")


def test_damage_is_named(tmp_path: Path) -> None:
    path = tmp_path / "state.npz"
    save_variables(path, {"steps": [keras.Variable(7, dtype="int64", name="steps")]})
    whole = path.read_bytes()
    flipped = whole.replace(b"NUMPY", b"NUMPX", 1)
    other = tmp_path / "other.npz"
    save_variables(other, {"network": [variable("kernel", 1.0)]})
    for damaged in (b"", whole[:40], whole[:-30], b"no archive", flipped, other.read_bytes()):
        path.write_bytes(damaged)
        with pytest.raises(TrainingError, match=r"state\.npz: is damaged; remove it, and --resume"):
            saved_steps(path)
    path.write_bytes(b"")
    with pytest.raises(TrainingError, match="is damaged"):
        load_variables(path, {"steps": []})
