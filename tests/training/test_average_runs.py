"""The script that averages two runs, of which the shipped weights are made."""

from __future__ import annotations

import runpy
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from reage.training.config import TrainConfig
from reage.training.run import stage_folder, start_run

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "average_runs.py"
Average = Callable[[Path, Path, Path, float], None]


@pytest.fixture(scope="module")
def average_runs() -> Average:
    return runpy.run_path(str(SCRIPT))["main"]


def run_of(folder: Path, config: TrainConfig, value: float, count: int = 2) -> Path:
    """A run whose weights are all of one value."""
    start_run(folder, config, resume=False)
    owners = ("average", "discriminator", "generator")
    weights = {f"{owner}/0000/kernel": np.full(count, value, np.float32) for owner in owners}
    state = saved(folder, config)
    state.parent.mkdir(parents=True)
    np.savez(state, **weights, **{"steps/0000/steps": np.int64(value)})
    return folder


def saved(folder: Path, config: TrainConfig) -> Path:
    return stage_folder(folder, 0, config.stages[0]) / "state.npz"


def test_what_ships_is_averaged_and_the_rest_is_the_second_runs(
    average_runs: Average, tiny_config: TrainConfig, tmp_path: Path
) -> None:
    first = run_of(tmp_path / "first", tiny_config, 1.0)
    second = run_of(tmp_path / "second", tiny_config, 5.0)
    average_runs(first, second, tmp_path / "out", 0.25)
    with np.load(saved(tmp_path / "out", tiny_config)) as found:
        np.testing.assert_array_equal(found["average/0000/kernel"], [2.0, 2.0])
        np.testing.assert_array_equal(found["discriminator/0000/kernel"], [2.0, 2.0])
        np.testing.assert_array_equal(found["generator/0000/kernel"], [5.0, 5.0])
        assert found["steps/0000/steps"] == 5


def test_other_networks_are_refused_before_anything_is_written(
    average_runs: Average, tiny_config: TrainConfig, tmp_path: Path
) -> None:
    first = run_of(tmp_path / "first", tiny_config, 1.0, count=3)
    second = run_of(tmp_path / "second", tiny_config, 5.0)
    with pytest.raises(SystemExit, match="has other networks than"):
        average_runs(first, second, tmp_path / "out", 0.5)
    assert not (tmp_path / "out").exists()


def test_a_folder_that_is_there_is_left_alone(
    average_runs: Average, tiny_config: TrainConfig, tmp_path: Path
) -> None:
    first = run_of(tmp_path / "first", tiny_config, 1.0)
    second = run_of(tmp_path / "second", tiny_config, 5.0)
    before = saved(second, tiny_config).read_bytes()
    with pytest.raises(SystemExit, match="is there already"):
        average_runs(first, second, second, 0.5)
    assert saved(second, tiny_config).read_bytes() == before
