"""What `reage train` makes of its options; the training itself is tested beside this."""

from __future__ import annotations

import io
import json
import sys
import tarfile
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from reage.cli import data as cli_data
from reage.cli.app import main
from reage.errors import MissingExtraError
from reage.training import figures, run
from reage.training.config import from_dict, load_config, preset_path

REPORT = {"accuracy": 0.5, "mean_error_groups": 1.0, "faces": 3}


@pytest.fixture(autouse=True)
def phases(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Path, Path]]:
    """Replaces what takes long by notes of having been called: (phase, run, data)."""
    calls: list[tuple[str, Path, Path]] = []

    def note(phase: str, result: Any) -> Any:
        def called(folder: Path, data: Path, *_: Any) -> Any:
            calls.append((phase, folder, data))
            return result

        return called

    monkeypatch.setattr(run, "train_critic", note("critic", REPORT))
    monkeypatch.setattr(run, "train_generator", note("generator", None))
    monkeypatch.setattr(figures, "write_figures", note("figures", [Path("losses.png")]))
    monkeypatch.setattr(figures, "write_architecture", lambda _: [Path("critic.png")])
    return calls


def saved(folder: Path) -> dict[str, Any]:
    config: dict[str, Any] = json.loads((folder / "config.json").read_text())
    return config


def write_archive(folder: Path) -> Path:
    """40 faces as the archive of a data set too small to be known."""
    with tarfile.open(folder / "UTKFace.tar.gz", "w:gz") as archive:
        for number in range(40):
            noise = np.random.default_rng(number).integers(0, 256, (8, 8, 3)).astype(np.uint8)
            picture = cv2.imencode(".jpg", cv2.resize(noise, (64, 64)))[1].tobytes()
            info = tarfile.TarInfo(f"UTKFace/{20 + number // 4}_0_0_{number:017d}.jpg.chip.jpg")
            info.size = len(picture)
            archive.addfile(info, io.BytesIO(picture))
    return folder / "UTKFace.tar.gz"


def test_a_preset_with_changes_is_saved_resolved(
    tmp_path: Path, phases: list[Any], capsys: pytest.CaptureFixture[str]
) -> None:
    folder, data = tmp_path / "run", tmp_path / "data"
    options = ["--preset", "tiny", "--set", "stages.1.weights.cycle=7", "--learning-rate", "0.01"]
    code = main(["train", *options, "--patience", "9", "--run", str(folder), "--data", str(data)])
    assert code == 0
    assert phases == [(phase, folder, data) for phase in ("critic", "generator", "figures")]
    config = saved(folder)
    assert config["width"] == 0.1
    assert config["patience"] == 9
    assert config["stages"][1]["weights"]["cycle"] == 7.0
    assert config["critic"]["learning_rate"] == 0.01
    assert config["stages"][0]["discriminator_learning_rate"] == pytest.approx(0.02)
    assert "losses.png, critic.png" in capsys.readouterr().out


def test_everything_in_one_job_folder(
    tmp_path: Path, phases: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    job = tmp_path / "job"
    fetched: list[Path] = []

    def fetch(archive: Path) -> None:
        job.mkdir()
        fetched.append(write_archive(archive.parent))

    monkeypatch.setattr(cli_data, "fetch_command", fetch)
    arguments = ["train", "--all", "--preset", "tiny", "--job-dir", str(job), "--epochs", "2"]
    assert main(arguments) == 0
    assert fetched == [job / "UTKFace.tar.gz"]
    assert phases[0] == ("critic", job / "run", job / "prepared")
    assert len(list((job / "prepared" / "plots").glob("*.png"))) == 5
    # 32 of 40 faces are for training: twice all of them is 8 steps of 8.
    assert saved(job / "run")["critic"]["steps"] == 8
    assert [stage["steps"] for stage in saved(job / "run")["stages"]] == [8, 8]

    assert main([*arguments, "--resume"]) == 0
    assert len(fetched) == 1


def test_everything_is_what_shipped_unless_told(tmp_path: Path) -> None:
    write_archive(tmp_path)
    assert main(["train", "--all", "--job-dir", str(tmp_path)]) == 0
    config = from_dict(saved(tmp_path / "run"), "saved")
    assert config == load_config(preset_path("cpu-128"))


def test_figures_alone_take_the_run_as_it_is(tmp_path: Path, phases: list[Any]) -> None:
    assert main(["train", "figures", "--run", str(tmp_path), "--data", "d"]) == 0
    assert phases == [("figures", tmp_path, Path("d"))]
    assert list(tmp_path.iterdir()) == []


def test_missing_programs_leave_figures_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def missing(_: Path) -> list[Path]:
        raise MissingExtraError("figures of the networks", "need pydot", "install it")

    monkeypatch.setattr(figures, "write_architecture", missing)
    assert main(["train", "figures", "--run", str(tmp_path)]) == 0
    captured = capsys.readouterr()
    assert captured.err == "left out: figures of the networks: need pydot; install it.\n"
    assert captured.out.endswith(": losses.png\n")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--preset", "tinny"], "the nearest is tiny"),
        (["--preset", "tiny", "own.toml"], "--preset tiny: does not go with own.toml"),
        (["--set", "critic.step=3"], "did you mean critic.steps?"),
        (["a.toml", "b.toml"], "b.toml: is one argument too many"),
        (["--epochs", "0"], "--epochs"),
    ],
)
def test_what_cannot_be_meant(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", *arguments]) == 2
    assert message in capsys.readouterr().err


def test_a_command_that_could_not_work_leaves_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "run"
    arguments = ["train", "--preset", "tiny", "--run", str(folder), "--data", str(tmp_path)]
    recogniser = ["--set", f'recogniser="{tmp_path / "absent.json"}"']
    for wrong in (["--set", "seed=-1"], ["--learning-rate", "0"], recogniser):
        assert main([*arguments, *wrong]) == 2
        assert len(capsys.readouterr().err.splitlines()) == 1
        assert not folder.exists()
    assert main(arguments) == 0


@pytest.mark.parametrize(
    ("backend", "message"),
    [
        ("tensorflow", "needs TensorFlow; install it with `pip install 'reage[train]'`, or set"),
        ("torch", "needs PyTorch; install it with `pip install 'reage[torch]'`, or set"),
        ("jax", "KERAS_BACKEND=jax: is no backend that reage trains on; set it to tensorflow or"),
    ],
)
def test_the_backend_that_is_chosen_must_be_there(
    backend: str, message: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("KERAS_BACKEND", backend)
    monkeypatch.setitem(sys.modules, backend, None)
    assert main(["train"]) != 0
    assert message in capsys.readouterr().err
