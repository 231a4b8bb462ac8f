"""The `reage` command: its subcommands, and the one place where errors become exit codes."""

from __future__ import annotations

import io
import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from reage import __version__
from reage.cli.age import age_command
from reage.cli.cluster import batch_command
from reage.cli.data import data_app
from reage.cli.estimate import estimate_command
from reage.cli.evaluate import evaluate_command
from reage.cli.export import export_command
from reage.cli.inspect import inspect_command
from reage.cli.serve import serve_command
from reage.cli.sweep import sweep_command
from reage.cli.train import train_command
from reage.cli.video import video_command
from reage.errors import ReageError, as_failure

# Typer exports one of its usage errors but not the class that all of them share.
_USAGE_PROBLEM: type[Exception] = typer.BadParameter.__mro__[1]
_INTERRUPTED = 130

app = typer.Typer(
    add_completion=False,
    help="Give it a photo and an age, get the same person at that age.",
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("age")(age_command)
app.command("batch")(batch_command)
app.command("sweep")(sweep_command)
app.command("video")(video_command)
app.command("inspect")(inspect_command)
app.command("serve")(serve_command)
app.command("estimate")(estimate_command)
app.add_typer(data_app, name="data")
app.command("train")(train_command)
app.command("evaluate")(evaluate_command)
app.command("export")(export_command)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"reage {__version__}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def _root(
    context: typer.Context,
    version: Annotated[  # noqa: ARG001 - the callback has acted on it already
        bool,
        typer.Option(
            "--version", help="Print the version.", callback=_print_version, is_eager=True
        ),
    ] = False,
) -> None:
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line.

    Args:
        arguments: What follows the program's name; `None` takes `sys.argv`.

    Returns:
        The exit code: 0 on success, 2 for wrong usage, 130 when interrupted, 1 for the rest.
    """
    _show_every_name()
    try:
        code = app(arguments, prog_name="reage", standalone_mode=False)
    except ReageError as error:
        print(f"reage: {error}", file=sys.stderr)
        return error.exit_code
    except _USAGE_PROBLEM as error:
        print(f"reage: {_usage_sentence(error)}", file=sys.stderr)
        return 2
    except OSError as error:
        subject = error.filename if isinstance(error.filename, str) else "reage"
        print(f"reage: {as_failure(subject, error)}", file=sys.stderr)
        return 1
    except (KeyboardInterrupt, typer.Abort):
        return _INTERRUPTED
    return code if isinstance(code, int) else 0


def _show_every_name() -> None:
    """Lets what the console's encoding lacks be printed by its number in Unicode."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _usage_sentence(error: Exception) -> str:
    """Typer's own message as one sentence that ends with where to look."""
    message = str(getattr(error, "format_message", error.__str__)()).strip().rstrip(".?")
    context = getattr(error, "ctx", None)
    command = getattr(context, "command_path", "reage")
    return f"{message}; see {command} --help."
