from __future__ import annotations

import shutil
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from reage.errors import MissingExtraError, TrainingError
from reage.training import figures
from reage.training.config import TrainConfig
from reage.training.figures import (
    TARGETS,
    loss_figure,
    transformations,
    write_architecture,
    write_figures,
)
from reage.training.networks import make_generator
from reage.training.run import stage_folder, start_run
from reage.training.state import save_variables


@pytest.fixture
def run(tiny_config: TrainConfig, tmp_path: Path) -> Path:
    start_run(tmp_path / "run", tiny_config, resume=False)
    return tmp_path / "run"


def write_log(folder: Path, names: tuple[str, ...]) -> None:
    folder.mkdir(parents=True)
    rows = [",".join([str(epoch), *(str(1 / (epoch + 1)) for _ in names)]) for epoch in range(3)]
    (folder / "log.csv").write_text("\n".join([",".join(["epoch", *names]), *rows]))


def test_a_run_without_steps_has_none(run: Path, prepared: Path, tmp_path: Path) -> None:
    assert write_figures(run, prepared) == []
    with pytest.raises(TrainingError, match="holds no training run"):
        write_figures(tmp_path, prepared)


def test_figures_of_a_run(run: Path, prepared: Path, tiny_config: TrainConfig) -> None:
    stage = tiny_config.stages[0]
    write_log(run / "critic", ("accuracy", "loss"))
    write_log(stage_folder(run, 0, stage), ("g_critic", "g_cycle", "g_grain"))
    generator = make_generator(tiny_config, stage.image_size)
    save_variables(stage_folder(run, 0, stage) / "state.npz", {"average": generator.variables})
    paths = write_figures(run, prepared)
    assert [path.name for path in paths] == ["losses.png", "transformation.png"]
    for path in paths:
        with Image.open(path) as image:
            pixels = np.asarray(image.convert("RGB"))
        assert pixels.shape[0] > 400
        assert len(np.unique(pixels.reshape(-1, 3), axis=0)) > 100
    assert not list((run / "figures").glob(".*"))


def test_layers_are_weighted_and_named(run: Path, tiny_config: TrainConfig) -> None:
    stage = tiny_config.stages[0]
    write_log(stage_folder(run, 0, stage), ("g_critic", "g_cycle", "g_grain"))
    (axis,) = loss_figure(run, tiny_config).axes
    # Grain has no weight here; critic counts 0.5 and cycle 4, of losses 1, 1/2 and 1/3.
    assert axis.get_legend_handles_labels()[1] == ["critic", "cycle"]
    upper = axis.collections[-1].get_paths()[0].vertices[:, 1]
    assert upper.max() == pytest.approx(4.5)
    assert axis.get_title() == "generator, 32 px"


def test_what_transformations_show() -> None:
    def generator(inputs: list, *, training: bool) -> dict:
        assert not training
        image, code = inputs
        groups = np.asarray(code).argmax(axis=-1)
        return {"image": image + groups[:, None, None, None].astype(np.float32)}

    images = np.zeros((2, 4, 4, 3), np.float32)
    rows = transformations(generator, images, np.array([18.0, 28.0], np.float32))
    assert rows.shape == (1 + 2 * len(TARGETS), 2, 4, 4, 3)
    # Groups: 8 is 1, 28 is 5, 65 is 9; back adds the group of 18, which is 3, and of 28.
    assert rows[:, 0, 0, 0, 0].tolist() == [0, 1, 1 + 3, 5, 5 + 3, 9, 9 + 3]
    assert rows[:, 1, 0, 0, 0].tolist() == [0, 1, 1 + 5, 5, 5 + 5, 9, 9 + 5]


def test_networks_need_graphviz(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(figures.shutil, "which", lambda _: None)
    with pytest.raises(MissingExtraError, match=r"pip install pydot.*apt install graphviz"):
        write_architecture(run)


@pytest.mark.skipif(
    find_spec("pydot") is None or shutil.which("dot") is None, reason="needs pydot and Graphviz"
)
def test_pictures_of_the_networks(run: Path) -> None:
    names = ["generator", "encoder", "decoder", "age_modulator", "critic"]
    paths = write_architecture(run)
    assert [path.name for path in paths] == [f"{name}.png" for name in names]
    for path in paths:
        with Image.open(path) as image:
            assert min(image.size) > 100
