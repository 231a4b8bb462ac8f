"""`reage train`: the age critic, then the generator."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Annotated

import typer

from reage.errors import MissingExtraError, UsageError

_PHASES = ("critic", "generator")


def train_command(
    what: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[critic|generator] [CONFIG.toml]",
            help="One phase, or both in order; and a TOML file of overrides.",
        ),
    ] = None,
    data: Annotated[Path, typer.Option(help="Folder made by `reage data prepare`.")] = Path(
        "prepared"
    ),
    run: Annotated[Path, typer.Option(help="Folder of the run.")] = Path("runs/reage"),
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
    """Train the age critic, then the generator, from prepared data.

    Every checkpoint holds the whole state: add --resume after a stop, planned or not, and the run
    goes on as if there had been none.
    """
    phases, config = _split_arguments(what or [])
    require_tensorflow("reage train")
    from reage.training.config import load_config
    from reage.training.run import start_run, train_critic, train_generator

    overrides = [*(settings or ()), *([f"init={json.dumps(init)}"] if init else ())]
    resolved = load_config(config, tuple(overrides))
    start_run(run, resolved, resume=resume or phases == ("generator",))
    if "critic" in phases:
        report = train_critic(run, data, resolved)
        typer.echo(
            f"critic: {report['accuracy']:.1%} of 14 groups, mean error "
            f"{report['mean_error_groups']:.3f} groups on {report['faces']} validation faces"
        )
    if "generator" in phases:
        train_generator(run, data, resolved)
        typer.echo(f"generator: trained; export it with `reage export {run}`")


def _split_arguments(arguments: list[str]) -> tuple[tuple[str, ...], Path | None]:
    """Tells phases from the configuration file."""
    phases = tuple(phase for phase in _PHASES if phase in arguments)
    files = [argument for argument in arguments if argument not in _PHASES]
    if len(files) > 1:
        raise UsageError(files[1], "is one argument too many", "give one TOML file")
    return phases or _PHASES, Path(files[0]) if files else None


def require_tensorflow(command: str) -> None:
    """Raises `MissingExtraError`, naming `command`, where TensorFlow is not installed."""
    if importlib.util.find_spec("tensorflow") is None:
        raise MissingExtraError(
            command, "needs TensorFlow", "install it with `pip install 'reage[train]'`"
        )
