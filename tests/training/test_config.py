from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from keras import Variable

from reage.errors import ConfigError, TrainingError
from reage.training.config import (
    TrainConfig,
    as_dict,
    from_dict,
    load_config,
    preset_names,
    preset_path,
)
from reage.training.state import load_variables, save_variables


def toml(folder: Path, text: str) -> Path:
    path = folder / "config.toml"
    path.write_text(text)
    return path


def test_a_file_holds_only_overrides(tmp_path: Path) -> None:
    path = toml(
        tmp_path,
        "seed = 3\n[critic]\nsteps = 7\n[[stages]]\nimage_size = 64\n[[stages]]\nimage_size = 128\n"
        "[stages.weights]\ncycle = 2\n",
    )
    config = load_config(path)
    assert (config.seed, config.critic.steps) == (3, 7)
    assert config.critic.batch_size == TrainConfig().critic.batch_size
    assert [stage.image_size for stage in config.stages] == [64, 128]
    assert config.stages[1].weights.cycle == 2.0  # An integer is a fine float.
    assert config.stages[0].weights == TrainConfig().stages[0].weights


def test_overrides_come_after_the_file(tmp_path: Path) -> None:
    path = toml(tmp_path, "[critic]\nsteps = 7\n")
    config = load_config(
        path, ("critic.steps=8", "precision=float32", "stages.0.weights.r1=0.5", "seed=2")
    )
    assert (config.critic.steps, config.precision, config.seed) == (8, "float32", 2)
    assert config.stages[0].weights.r1 == 0.5


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("critic.step=8", r"no setting critic.step; did you mean critic.steps\?"),
        ("critic.steps=many", "critic.steps = 'many' does not fit; it must be of type int"),
        ("critic.steps=1.5", "must be of type int"),
        ("seed=true", "must be of type int"),
        ("critic=3", "must be a table"),
        ("stages=3", "must be a list of tables"),
        ("steps", "write --set key=value"),
        ("stages.4.steps=1", "there is no stage 4"),
        ("stages.0=5", "stages.0 = 5 does not fit; it must be a table"),
        ("stages.x=1", "stages.x=1: there is no stage x; stages are 0..0"),
        ("stages.0.weights=5", "stages.0.weights = 5 does not fit; it must be a table"),
        ("log_every.x=1", "log_every = {'x': 1} does not fit; it must be of type int"),
    ],
)
def test_what_does_not_fit_is_refused(override: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_config(None, (override,))


def test_what_a_file_sets_to_one_value_has_no_parts(tmp_path: Path) -> None:
    path = toml(tmp_path, "log_every = 5\n")
    for override in ("log_every.x=1", "log_every.x.y=1"):
        with pytest.raises(ConfigError, match=f"{override}: 5 has no part x; leave it out"):
            load_config(path, (override,))


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        load_config(tmp_path / "none.toml")
    with pytest.raises(ConfigError, match="is not valid TOML"):
        load_config(toml(tmp_path, "steps ="))


def test_presets_survive_being_saved() -> None:
    for name in preset_names():
        config = load_config(preset_path(name))
        assert from_dict(as_plain(config), "again") == config


def as_plain(config: TrainConfig) -> dict[str, object]:
    values: dict[str, object] = json.loads(json.dumps(as_dict(config)))
    return values


def variables(*values: float) -> list[Variable]:
    return [Variable([value], name=f"v{index}") for index, value in enumerate(values)]


def test_state_round_trip(tmp_path: Path) -> None:
    path = tmp_path / "state.npz"
    save_variables(path, {"a": variables(1.0, 2.0), "b": variables(3.0)})
    a, b = variables(0.0, 0.0), variables(0.0)
    load_variables(path, {"a": a, "b": b})
    assert [float(np.asarray(v)[0]) for v in (*a, *b)] == [1.0, 2.0, 3.0]
    assert [entry.name for entry in tmp_path.iterdir()] == ["state.npz"]


def test_state_that_does_not_fit(tmp_path: Path) -> None:
    path = tmp_path / "state.npz"
    with pytest.raises(TrainingError, match="does not exist"):
        load_variables(path, {"a": variables(0.0)})
    save_variables(path, {"a": variables(1.0)})
    with pytest.raises(TrainingError, match="no fitting value for a/v1"):
        load_variables(path, {"a": variables(0.0, 0.0)})
    with pytest.raises(TrainingError, match="no fitting value for a/v0"):
        load_variables(path, {"a": [Variable([0.0, 0.0], name="v0")]})
    path.write_bytes(path.read_bytes()[:40])
    with pytest.raises(TrainingError, match="is damaged"):
        load_variables(path, {"a": variables(0.0)})
