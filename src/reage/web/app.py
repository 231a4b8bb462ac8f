"""The web application: its routes, its limits, and plain words for whatever goes wrong."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from importlib import resources
from typing import Any, Final

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from reage.errors import ReageError
from reage.inference.ager import FaceAger
from reage.web import work
from reage.web.store import VisitStore

_STATIC: Final = {"": "index.html", "page.js": "page.js", "style.css": "style.css"}
_TYPES: Final = {"html": "text/html", "js": "text/javascript", "css": "text/css"}
_HEADERS: Final = {
    "Content-Security-Policy": "default-src 'self'; img-src 'self' blob: data:; "
    "media-src 'self' blob:; frame-ancestors 'none'; base-uri 'none'; form-action 'self'",
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


@dataclass(frozen=True)
class Limits:
    """What a visitor may ask for.

    Attributes:
        upload_bytes: Size of a photo or an archive.
        pixels: Pixels of a photo.
        visits: Photos kept in memory.
        visit_seconds: How long an unused photo is kept.
        at_once: Requests worked on at a time.
        waiting: Requests that may wait for their turn.
        seconds: Longest time for one request.
        archive_photos: Photos in an archive.
    """

    upload_bytes: int = 20_000_000
    pixels: int = 40_000_000
    visits: int = 16
    visit_seconds: float = 900.0
    at_once: int = 2
    waiting: int = 16
    seconds: float = 60.0
    archive_photos: int = 50


class RefusalError(Exception):
    """A request that is answered with a status and a sentence."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status, self.sentence = status, sentence


class Queue:
    """Lets a few requests work, some wait, and refuses the rest."""

    def __init__(self, at_once: int, waiting: int) -> None:
        self._turn = asyncio.Semaphore(at_once)
        self._room = at_once + waiting

    @contextlib.asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Waits for a turn.

        Raises:
            RefusalError: If too many wait already.
        """
        if self._room <= 0:
            raise RefusalError(
                503, "Too many people are at it just now. Please try again in a moment."
            )
        self._room -= 1
        try:
            async with self._turn:
                yield
        finally:
            self._room += 1


Handler = Callable[[Request], Awaitable[Response]]


def create_app(ager: FaceAger, limits: Limits | None = None) -> Starlette:
    """Builds the application.

    Args:
        ager: The models to use.
        limits: What a visitor may ask for.
    """
    limits = limits or Limits()
    visits = VisitStore(limits.visits, limits.visit_seconds)
    queue = Queue(limits.at_once, limits.waiting)

    async def working(function: Callable[..., Any], *arguments: Any) -> Any:
        async with queue.turn():
            # A thread cannot be stopped, but the visitor need not wait for it.
            return await asyncio.wait_for(
                run_in_threadpool(function, *arguments), timeout=limits.seconds
            )

    async def upload(request: Request) -> Response:
        data = await _body(request, limits.upload_bytes)
        visit, answer = await working(work.open_visit, ager, data, limits.pixels)
        return JSONResponse(answer | {"id": visits.add(visit)}, status_code=201)

    def visit_of(request: Request) -> Any:
        visit = visits.get(request.path_params["name"])
        if visit is None:
            raise RefusalError(404, "This photo is no longer kept here. Please choose it again.")
        return visit

    async def aged(request: Request) -> Response:
        wish = work.Wish.of(request.query_params)
        return Response(
            await working(work.preview, visit_of(request), wish), media_type="image/jpeg"
        )

    async def download(request: Request) -> Response:
        wish = work.Wish.of(request.query_params)
        kind = request.path_params["kind"]
        if kind not in work.DOWNLOADS:
            raise RefusalError(404, "There is no such download.")
        data, name, media_type = await working(
            work.DOWNLOADS[kind], ager, visit_of(request), wish, limits.pixels
        )
        disposition = {"Content-Disposition": f'attachment; filename="{name}"'}
        return Response(data, media_type=media_type, headers=disposition)

    async def forget(request: Request) -> Response:
        visits.drop(request.path_params["name"])
        return Response(status_code=204)

    async def batch(request: Request) -> Response:
        wish = work.Wish.of(request.query_params)
        data = await _body(request, limits.upload_bytes)
        archive = await working(
            work.age_archive, ager, data, wish, limits.archive_photos, limits.pixels
        )
        disposition = {"Content-Disposition": f'attachment; filename="aged_{wish.to:g}.zip"'}
        return Response(archive, media_type="application/zip", headers=disposition)

    routes = [
        *(Route(f"/{path}", _static(file)) for path, file in _STATIC.items()),
        Route("/api/photos", _answering(upload), methods=["POST"]),
        Route("/api/photos/{name}", _answering(forget), methods=["DELETE"]),
        Route("/api/photos/{name}/aged", _answering(aged)),
        Route("/api/photos/{name}/{kind}", _answering(download)),
        Route("/api/archive", _answering(batch), methods=["POST"]),
    ]
    return Starlette(routes=routes)


def _answering(handler: Handler) -> Handler:
    """Turns whatever goes wrong in a handler into a status and one sentence."""

    async def answer(request: Request) -> Response:
        try:
            response = await handler(request)
        except RefusalError as refusal:
            response = _sentence(refusal.status, refusal.sentence)
        except ReageError as error:
            # The subject may be a path or a name of this machine's: visitors get the rest.
            response = _sentence(422, f"This photo {error.reason}; {error.remedy}.")
        except TimeoutError:
            response = _sentence(503, "That took too long. Please try a smaller photo.")
        except ClientDisconnect:
            response = Response(status_code=400)
        except Exception:
            response = _sentence(500, "Something went wrong here. Please try another photo.")
        response.headers.update(_HEADERS)
        return response

    return answer


def _sentence(status: int, sentence: str) -> Response:
    return Response(
        json.dumps({"error": sentence}), status_code=status, media_type="application/json"
    )


def _static(file: str) -> Handler:
    async def serve(_: Request) -> Response:
        data = (resources.files(__package__) / "static" / file).read_bytes()
        return Response(data, media_type=_TYPES[file.rsplit(".", 1)[1]], headers=dict(_HEADERS))

    return serve


async def _body(request: Request, limit: int) -> bytes:
    """Reads a body, but never more of it than is allowed."""
    too_large = RefusalError(413, f"That is more than {limit / 1e6:.0f} MB. Please send less.")
    announced = request.headers.get("content-length", "0")
    if announced.isdecimal() and int(announced) > limit:
        raise too_large
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > limit:
            raise too_large
        parts.append(part)
    if not size:
        raise RefusalError(422, "Nothing arrived. Please choose a photo.")
    return b"".join(parts)
