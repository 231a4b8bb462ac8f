"""`reage serve`: the web page, from this machine."""

from __future__ import annotations

from typing import Annotated

import typer

from reage.cli.options import ModelOption, ThreadsOption
from reage.errors import MissingExtraError, UsageError

_LOCAL = ("127.0.0.1", "::1", "localhost")


def serve_command(
    host: Annotated[
        str, typer.Option(help="Address to answer at; the default is this machine only.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port.")] = 7860,
    model: ModelOption = None,
    threads: ThreadsOption = None,
) -> None:
    """Serve the web page: choose a photo, drag the age, download.

    Photos are kept in memory only, and forgotten after 15 minutes.
    """
    if not 0 <= port <= 65535:
        raise UsageError(f"--port {port}", "is no port", "give a number from 0 to 65535")
    try:
        import uvicorn

        from reage.web.app import create_app
    except ImportError as error:
        raise MissingExtraError(
            "reage serve", "needs a web server", "install it with `pip install 'reage[web]'`"
        ) from error
    from reage.inference.ager import FaceAger

    app = create_app(FaceAger(model, threads=threads))
    if host not in _LOCAL:
        typer.echo(f"reage: anybody who reaches {host} can use this page", err=True)
    typer.echo(f"http://{'localhost' if host in _LOCAL else host}:{port}  (Ctrl-C stops it)")
    try:
        uvicorn.run(
            app,
            host=host,
            port=port,
            log_level="warning",
            server_header=False,
            timeout_keep_alive=10,
            limit_concurrency=128,
        )
    except SystemExit as error:
        raise UsageError(
            f"{host}:{port}", "cannot be listened at", "give another --host or --port"
        ) from error
