"""`reage train`: the age critic, then the generator; with --all, everything before them, too."""

from __future__ import annotations

import importlib.util
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from reage.errors import MissingExtraError, UsageError

if TYPE_CHECKING:
    from reage.training.config import TrainConfig

_PHASES = ("critic", "generator", "figures")
# The one that the packaged generator was trained with.
_SHIPPED_PRESET = "cpu-128"
# Keras's names: what people call them, and the extra that brings them.
_BACKENDS: Final = {"tensorflow": ("TensorFlow", "train"), "torch": ("PyTorch", "torch")}


def train_command(
    what: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[critic|generator|figures] [CONFIG.toml]",
            help="One phase, or all in order; and a TOML file of overrides.",
        ),
    ] = None,
    preset: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="A configuration that comes with reage, as cpu-128."),
    ] = None,
    data: Annotated[Path, typer.Option(help="Folder made by `reage data prepare`.")] = Path(
        "prepared"
    ),
    run: Annotated[Path, typer.Option(help="Folder of the run.")] = Path("runs/reage"),
    job_dir: Annotated[
        Path | None,
        typer.Option(
            help="One folder for all: archive, --data JOB_DIR/prepared and --run JOB_DIR/run."
        ),
    ] = None,
    everything: Annotated[
        bool,
        typer.Option(
            "--all",
            help="Before that, fetch, prepare and plot UTKFace; takes preset cpu-128 unless told.",
        ),
    ] = False,
    epochs: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="How often critic and stages see every training face; no steps stay none.",
        ),
    ] = None,
    learning_rate: Annotated[
        float | None,
        typer.Option(
            min=0.0,
            help="Of critic and first stage's generator; all other rates keep their ratio to that.",
        ),
    ] = None,
    patience: Annotated[
        int | None,
        typer.Option(min=0, help="Log lines without a better loss after which a stage ends."),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", help="Override one setting, such as critic.steps=100."),
    ] = None,
    init: Annotated[
        str | None,
        typer.Option(help="Start from the weights of another run, or from `shipped`."),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on exactly where the run was stopped.")
    ] = False,
) -> None:
    """Train the age critic, then the generator, from prepared data, and draw figures of the run.

    Every checkpoint holds the whole state: add --resume after a stop, planned or not, and the run
    goes on as if there had been none.
    """
    phases, file = _split_arguments(what or [])
    if preset and file:
        raise UsageError(f"--preset {preset}", f"does not go with {file}", "give one of them")
    if everything and not file:
        preset = preset or _SHIPPED_PRESET
    require_backend("reage train")
    from reage.training.config import load_config, preset_path, with_learning_rate

    overrides = [*(settings or ()), *([f"init={json.dumps(init)}"] if init else ())]
    overrides += [f"patience={patience}"] if patience is not None else []
    config = load_config(preset_path(preset) if preset else file, tuple(overrides))
    if learning_rate is not None:
        config = with_learning_rate(config, learning_rate)
    if job_dir is not None:
        data, run = job_dir / "prepared", job_dir / "run"
    if everything:
        _make_data(data)
    if epochs is not None:
        config = _with_epochs(config, epochs, data)
    _train(phases, run, data, config, resume=resume)


def _train(
    phases: tuple[str, ...], run: Path, data: Path, config: TrainConfig, *, resume: bool
) -> None:
    from reage.training.run import started_run

    if phases != ("figures",):
        with started_run(run, config, resume=resume or phases == ("generator",)):
            _train_networks(phases, run, data, config)
    if "figures" in phases:
        _draw(run, data)


def _train_networks(phases: tuple[str, ...], run: Path, data: Path, config: TrainConfig) -> None:
    from reage.training.run import check_generator, train_critic, train_generator

    if "generator" in phases:
        check_generator(run, data, config)
    if "critic" in phases:
        report = train_critic(run, data, config)
        typer.echo(
            f"critic: {report['accuracy']:.1%} of 14 groups, mean error "
            f"{report['mean_error_groups']:.3f} groups on {report['faces']} validation faces"
        )
    if "generator" in phases:
        train_generator(run, data, config)
        typer.echo(f"generator: trained; export it with `reage export {run}`")


def _make_data(data: Path) -> None:
    """Fetches UTKFace beside `data`, prepares it, and plots what is in it."""
    from reage.cli.data import fetch_command, prepare_command, stats_command
    from reage.data.fetch import ARCHIVE_FILE

    archive = data.parent / ARCHIVE_FILE
    if not archive.exists():
        fetch_command(archive)
    prepare_command(archive, data)
    stats_command(data)


def _with_epochs(config: TrainConfig, epochs: int, data: Path) -> TrainConfig:
    from reage.data.prepare import read_dataset
    from reage.training.config import with_epochs

    return with_epochs(config, epochs, read_dataset(data)["counts"]["train"])


def _draw(run: Path, data: Path) -> None:
    """Draws the figures of a run; those of its networks need programs that may be missing."""
    from reage.training.figures import write_architecture, write_figures

    paths = write_figures(run, data)
    try:
        paths += write_architecture(run)
    except MissingExtraError as error:
        typer.echo(f"left out: {error}", err=True)
    typer.echo(f"{run / 'figures'}: {', '.join(path.name for path in paths)}")


def _split_arguments(arguments: list[str]) -> tuple[tuple[str, ...], Path | None]:
    """Tells phases from the configuration file."""
    phases = tuple(phase for phase in _PHASES if phase in arguments)
    files = [argument for argument in arguments if argument not in _PHASES]
    if len(files) > 1:
        raise UsageError(files[1], "is one argument too many", "give one TOML file")
    return phases or _PHASES, Path(files[0]) if files else None


def require_backend(command: str) -> None:
    """Checks, without importing it, for the backend that Keras is told to use.

    Raises:
        MissingExtraError: If it is not installed; `command` is what needs it.
        UsageError: If `KERAS_BACKEND` names one that reage does not train on.
    """
    backend = os.environ.get("KERAS_BACKEND", "tensorflow")
    if backend not in _BACKENDS:
        raise UsageError(
            f"KERAS_BACKEND={backend}",
            "is no backend that reage trains on",
            f"set it to {' or '.join(_BACKENDS)}",
        )
    name, extra = _BACKENDS[backend]
    if importlib.util.find_spec(backend) is None:
        others = " or ".join(other for other in _BACKENDS if other != backend)
        raise MissingExtraError(
            command,
            f"needs {name}",
            f"install it with `pip install 'reage[{extra}]'`, or set KERAS_BACKEND={others}",
        )
