"""`reage serve`: the web page, from this machine."""

from __future__ import annotations

import contextlib
import os
import socket
from typing import Annotated, Any

import typer

from reage.cli.options import ModelOption, ThreadsOption
from reage.errors import MissingExtraError, UsageError
from reage.web.limits import Limits

DEFAULT_HOST = "127.0.0.1"
DEFAULT_PORT = 7860
_LIMITS = Limits()
_MEGA = 1_000_000


def _limit(explanation: str) -> Any:
    return typer.Option(help=explanation, rich_help_panel="Limits", min=1)


HostOption = Annotated[
    str, typer.Option(help="Address to answer at; the default is this machine only.")
]
PortOption = Annotated[int, typer.Option(help="Port; 0 takes a free one.")]
UploadOption = Annotated[int, _limit("Megabytes of a photo or an archive.")]
PixelsOption = Annotated[int, _limit("Megapixels of a photo.")]
ArchiveOption = Annotated[int, _limit("Photos in an archive.")]
AtOnceOption = Annotated[int, _limit("Requests worked on at a time.")]
WaitingOption = Annotated[int, _limit("Requests that may wait, and uploads that may be under way.")]
SecondsOption = Annotated[int, _limit("Longest time to send, to wait, and to be worked on.")]
IdleOption = Annotated[int, _limit("Longest time to send or take nothing when it is one's turn.")]
MemoryOption = Annotated[int, _limit("Megabytes of memory for photos in use.")]
MinutesOption = Annotated[int, _limit("How long a photo is kept after its last use.")]


def serve_command(
    host: HostOption = DEFAULT_HOST,
    port: PortOption = DEFAULT_PORT,
    model: ModelOption = None,
    threads: ThreadsOption = None,
    upload_mb: UploadOption = _LIMITS.upload_bytes // _MEGA,
    megapixels: PixelsOption = _LIMITS.pixels // _MEGA,
    archive_photos: ArchiveOption = _LIMITS.archive_photos,
    at_once: AtOnceOption = _LIMITS.at_once,
    waiting: WaitingOption = _LIMITS.waiting,
    seconds: SecondsOption = _LIMITS.seconds,
    idle_seconds: IdleOption = _LIMITS.idle_seconds,
    memory_mb: MemoryOption = _LIMITS.kept_bytes // _MEGA,
    minutes: MinutesOption = _LIMITS.kept_seconds // 60,
) -> None:
    """Serve the web page: choose a photo, drag the age, download.

    Photos are kept in memory only, and not for long. Who asks for more than the limits allow is
    told so in a sentence.
    """
    try:
        from reage.web.app import LOCAL_HOSTS, create_app
        from reage.web.server import make_server
    except ImportError as error:
        raise MissingExtraError(
            "reage serve", "needs a web server", "install it with `pip install 'reage[web]'`"
        ) from error
    from reage.inference.ager import FaceAger

    limits = Limits(
        upload_bytes=upload_mb * _MEGA,
        pixels=megapixels * _MEGA,
        archive_photos=archive_photos,
        at_once=at_once,
        waiting=waiting,
        seconds=seconds,
        idle_seconds=idle_seconds,
        kept_bytes=memory_mb * _MEGA,
        kept_seconds=minutes * 60,
    )
    with listen(host, port) as listener:
        local = host in LOCAL_HOSTS
        ager = FaceAger(model, threads=threads)
        app = create_app(ager, limits, hosts=LOCAL_HOSTS if local else None)
        if not local:
            typer.echo(f"reage: anybody who reaches {host} can use this page", err=True)
        shown = "localhost" if local else f"[{host}]" if ":" in host else host
        typer.echo(f"http://{shown}:{listener.getsockname()[1]}  (Ctrl-C stops it)")
        with contextlib.suppress(KeyboardInterrupt):
            make_server(app, limits).run(sockets=[listener])


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
