"""The web application: its routes, and what each of them calls."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Collection
from dataclasses import asdict
from importlib import resources
from typing import Final

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from reage.inference.ager import FaceAger
from reage.web import work
from reage.web.answers import Handler, answering, refuse
from reage.web.archive import age_archive
from reage.web.limits import Limits, RefusalError
from reage.web.queue import Room, Workers
from reage.web.store import Visit, VisitStore

# What a browser knows the machine it runs on as.
LOCAL_HOSTS: Final = ("localhost", "127.0.0.1", "::1")
_STATIC: Final = {
    "/": "index.html",
    "/page.js": "page.js",
    "/stage.js": "stage.js",
    "/server.js": "server.js",
    "/style.css": "style.css",
}
_TYPES: Final = {"html": "text/html", "js": "text/javascript", "css": "text/css"}
_UPLOAD_TYPES: Final = ("application/octet-stream", "application/zip", "image/")
# The rest of the time is for the photo under way when this share of it is over.
_ARCHIVE_SHARE: Final = 0.8
_FORGET_EVERY: Final = 30.0


def create_app(
    ager: FaceAger, limits: Limits | None = None, *, hosts: Collection[str] | None = None
) -> Starlette:
    """Builds the application.

    Args:
        ager: The models to use.
        limits: What a visitor may ask for.
        hosts: Names under which the page may be asked for, so that no other site can pass itself
            off as this one; None means any.
    """
    site = _Site(ager, limits or Limits())
    handlers: list[tuple[str, Handler, str]] = [
        *((path, _static(file), "GET") for path, file in _STATIC.items()),
        ("/api/limits", site.tell_limits, "GET"),
        ("/api/photos", site.upload, "POST"),
        ("/api/photos/{name}", site.forget, "DELETE"),
        ("/api/photos/{name}/aged", site.aged, "GET"),
        ("/api/photos/{name}/{kind}", site.download, "GET"),
        ("/api/archive", site.archive, "POST"),
    ]
    return Starlette(
        routes=[
            Route(path, answering(handler, hosts), methods=[method])
            for path, handler, method in handlers
        ],
        exception_handlers={HTTPException: refuse},
        lifespan=site.lifespan,
    )


class _Site:
    """The handlers, and what they share."""

    def __init__(self, ager: FaceAger, limits: Limits) -> None:
        self._ager, self._limits = ager, limits
        self._visits = VisitStore(limits.kept_bytes, limits.kept_seconds)
        self._workers = Workers(limits.at_once, limits.waiting, limits.seconds)
        self._uploads = Room(limits.at_once + limits.waiting)

    @contextlib.asynccontextmanager
    async def lifespan(self, _: Starlette) -> AsyncIterator[None]:
        """Forgets photos in time even when nobody asks for anything any more."""
        every = min(_FORGET_EVERY, self._limits.kept_seconds)
        task = asyncio.create_task(forget_regularly(self._visits, every))
        try:
            yield
        finally:
            task.cancel()

    async def tell_limits(self, _: Request) -> Response:
        return JSONResponse(asdict(self._limits))

    async def upload(self, request: Request) -> Response:
        with self._uploads.place():
            data = await self._body(request)
            visit, answer = await self._workers.run(
                work.open_visit, self._ager, data, self._limits.pixels
            )
        return JSONResponse(answer | {"id": self._visits.add(visit)}, status_code=201)

    async def aged(self, request: Request) -> Response:
        wish = work.Wish.of(request.query_params)
        data = await self._workers.run(work.preview, self._visit_of(request), wish)
        return Response(data, media_type="image/jpeg")

    async def download(self, request: Request) -> Response:
        kind = request.path_params["kind"]
        if kind not in work.DOWNLOADS:
            raise RefusalError(404, "There is no such download.")
        wish, visit = work.Wish.of(request.query_params), self._visit_of(request)
        download = await self._workers.run(work.DOWNLOADS[kind], visit, wish, self._limits.pixels)
        return _attachment(download)

    async def forget(self, request: Request) -> Response:
        self._visits.drop(request.path_params["name"])
        return Response(status_code=204)

    async def archive(self, request: Request) -> Response:
        wish = work.Wish.of(request.query_params)
        seconds = _ARCHIVE_SHARE * self._limits.seconds
        with self._uploads.place():
            data = await self._body(request)
            aged = await self._workers.run(
                age_archive, self._ager, data, wish, self._limits, seconds
            )
        name = f"aged_{wish.to:g}.zip"
        response = _attachment(work.Download(aged.data, name, "application/zip"))
        response.headers["Reage-Aged"] = str(aged.aged)
        response.headers["Reage-Failed"] = str(aged.failed)
        return response

    def _visit_of(self, request: Request) -> Visit:
        visit = self._visits.get(request.path_params["name"])
        if visit is None:
            raise RefusalError(404, "This photo is no longer kept here. Please choose it again.")
        return visit

    async def _body(self, request: Request) -> bytes:
        """Reads an upload, but never more of it, or for longer, than is allowed."""
        _check_type(request)
        limit, idle = self._limits.upload_bytes, self._limits.idle_seconds
        too_large = RefusalError(413, f"That is more than {limit / 1e6:.0f} MB. Please send less.")
        announced = request.headers.get("content-length", "0")
        if announced.isdecimal() and int(announced) > limit:
            raise too_large
        data = bytearray()
        clock = asyncio.get_running_loop().time
        end = clock() + self._limits.seconds
        try:
            async with asyncio.timeout_at(min(end, clock() + idle)) as patience:
                async for part in request.stream():
                    data += part
                    if len(data) > limit:
                        raise too_large
                    patience.reschedule(min(end, clock() + idle))
        except TimeoutError as error:
            raise RefusalError(408, "The upload took too long. Please try again.") from error
        if not data:
            raise RefusalError(422, "Nothing arrived. Please choose a photo.")
        return bytes(data)


async def forget_regularly(visits: VisitStore, every: float) -> None:
    """Clears a store every so many seconds, without end."""
    while True:
        await asyncio.sleep(every)
        visits.forget_unused()


def _check_type(request: Request) -> None:
    """Refuses what is not sent as it is, such as forms, which pages of any site can send."""
    sent_as = request.headers.get("content-type", _UPLOAD_TYPES[0]).lower()
    if not sent_as.startswith(_UPLOAD_TYPES):
        raise RefusalError(415, "Please send the file alone, as application/octet-stream.")


def _attachment(download: work.Download) -> Response:
    disposition = {"Content-Disposition": f'attachment; filename="{download.name}"'}
    return Response(download.data, media_type=download.media_type, headers=disposition)


def _static(file: str) -> Handler:
    async def serve(_: Request) -> Response:
        data = (resources.files(__package__) / "static" / file).read_bytes()
        return Response(data, media_type=_TYPES[file.rsplit(".", 1)[1]])

    return serve
