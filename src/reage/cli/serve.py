"""`reage serve`: the web page, from this machine."""

from __future__ import annotations

import contextlib
import os
import socket
from typing import Annotated

import typer

from reage.cli.options import ModelOption, ThreadsOption
from reage.errors import MissingExtraError, UsageError

DEFAULT_HOST = "127.0.0.1"
DEFAULT_PORT = 7860
_STOP_SECONDS = 5


def serve_command(
    host: Annotated[
        str, typer.Option(help="Address to answer at; the default is this machine only.")
    ] = DEFAULT_HOST,
    port: Annotated[int, typer.Option(help="Port; 0 takes a free one.")] = DEFAULT_PORT,
    model: ModelOption = None,
    threads: ThreadsOption = None,
) -> None:
    """Serve the web page: choose a photo, drag the age, download.

    Photos are kept in memory only, and forgotten after 15 minutes.
    """
    try:
        import uvicorn

        from reage.web.app import LOCAL_HOSTS, create_app
    except ImportError as error:
        raise MissingExtraError(
            "reage serve", "needs a web server", "install it with `pip install 'reage[web]'`"
        ) from error
    from reage.inference.ager import FaceAger

    with listen(host, port) as listener:
        local = host in LOCAL_HOSTS
        app = create_app(FaceAger(model, threads=threads), hosts=LOCAL_HOSTS if local else None)
        config = uvicorn.Config(
            app,
            log_level="warning",
            ws="none",
            proxy_headers=False,
            server_header=False,
            timeout_keep_alive=10,
            timeout_graceful_shutdown=_STOP_SECONDS,
            limit_concurrency=128,
        )
        if not local:
            typer.echo(f"reage: anybody who reaches {host} can use this page", err=True)
        shown = "localhost" if local else f"[{host}]" if ":" in host else host
        typer.echo(f"http://{shown}:{listener.getsockname()[1]}  (Ctrl-C stops it)")
        with contextlib.suppress(KeyboardInterrupt):
            uvicorn.Server(config).run(sockets=[listener])


def listen(host: str, port: int) -> socket.socket:
    """Opens the address to answer at, before anything slow is done.

    Raises:
        UsageError: If that cannot be done.
    """
    if not 0 <= port <= 65535:
        raise UsageError(f"--port {port}", "is no port", "give a number from 0 to 65535")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # The protocol is named because asyncio turns off Nagle's algorithm for such sockets only; with
    # it, each picture comes 40 ms late.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        if os.name == "posix":
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen()
    except (OSError, UnicodeError) as error:
        listener.close()
        reason = getattr(error, "strerror", None) or "it is no address"
        raise UsageError(
            f"{host}:{port}",
            f"cannot be listened at ({reason})",
            "give another --host or --port",
        ) from error
    return listener
