"""Answers that tell a visitor what went wrong, in one sentence that gives nothing else away."""

from __future__ import annotations

import logging
import re
from collections.abc import Awaitable, Callable, Collection
from typing import Final

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from reage.errors import ImageReadError, MissingExtraError, NoFaceError, ReageError, UsageError
from reage.web.limits import RefusalError

Handler = Callable[[Request], Awaitable[Response]]

HEADERS: Final = {
    "Content-Security-Policy": "default-src 'self'; img-src 'self' blob: data:; "
    "media-src 'self' blob:; frame-ancestors 'none'; base-uri 'none'; form-action 'self'",
    "Cache-Control": "no-store",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
_ABOUT_PHOTOS: Final = (ImageReadError, NoFaceError, MissingExtraError)
_OWN_PAGES: Final = ("same-origin", "none")
_FAULT: Final = "Something went wrong here. Please try another photo."


def answering(handler: Handler, hosts: Collection[str] | None) -> Handler:
    """Wraps a handler so that whatever goes wrong becomes a status and one sentence.

    Args:
        handler: What answers a request.
        hosts: Names under which the page may be asked for; None means any.
    """

    async def answer(request: Request) -> Response:
        try:
            _check_origin(request, hosts)
            response = await handler(request)
        except ClientDisconnect:
            response = Response(status_code=400)
        except Exception as error:
            status, sentence = explain(error)
            if status == 500:
                logging.getLogger(__name__).exception("a request failed")
            response = JSONResponse({"error": sentence}, status_code=status)
        response.headers.update(HEADERS)
        return response

    return answer


async def refuse(_: Request, error: Exception) -> Response:
    """Answers what leads to no handler."""
    status, sentence = explain(error)
    return JSONResponse({"error": sentence}, status_code=status, headers=HEADERS)


def explain(error: Exception) -> tuple[int, str]:
    """The status and the sentence for an error.

    Subjects of errors may be paths, and words in parentheses come from libraries: both are left
    out.
    """
    if isinstance(error, RefusalError):
        return error.status, error.sentence
    if isinstance(error, _ABOUT_PHOTOS):
        return 422, f"This photo {about_photo(error)}"
    if isinstance(error, UsageError):
        return 422, f"This cannot be done: {error.subject} {error.reason}; {error.remedy}."
    if isinstance(error, TimeoutError):
        return 503, "That took too long. Please try again, or try a smaller photo."
    if isinstance(error, HTTPException):
        return error.status_code, "There is nothing here. Please go back to the page."
    return 500, _FAULT


def about_photo(error: ReageError) -> str:
    """What an error says about a photo, as the end of a sentence that began with its name."""
    reason = re.sub(r"\s*\(.*\)", "", error.reason)
    # A visitor has no limit to raise.
    return f"{reason}; {error.remedy.removesuffix(', or raise the limit')}."


def _check_origin(request: Request, hosts: Collection[str] | None) -> None:
    """Refuses what another web site makes a visitor's browser send."""
    host = request.headers.get("host", "")
    name = re.sub(r":\d*$", "", host).strip("[]").lower()
    if hosts is not None and name not in hosts:
        raise RefusalError(421, "This page does not answer to that name. Please use its own.")
    # Sent by browsers alone; a page on another port of this machine counts as the same site.
    came_from = request.headers.get("sec-fetch-site", "none")
    if request.method not in ("GET", "HEAD") and came_from not in _OWN_PAGES:
        raise RefusalError(403, "Only the page itself may ask for this.")
