"""Download the UTKFace archive: resumed where it broke off, verified, and whole or not there."""

from __future__ import annotations

import hashlib
import http.client
import os
import re
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from reage.errors import DataError, UsageError

ARCHIVE_FILE: Final = "UTKFace.tar.gz"
PAGE: Final = "https://susanqq.github.io/UTKFace/"
"""Where the authors publish the data set and its terms."""

URLS: Final = (
    # "Aligned & Cropped Faces" of PAGE; `confirm` answers the warning that Google Drive cannot
    # scan so large a file for viruses.
    "https://drive.usercontent.google.com/download?id=0BxYys69jI14kYVM3aVhKS1VhRUk"
    "&resourcekey=0-dabpv_3J0C0cditpiAfhAw&export=download&confirm=t",
    "https://huggingface.co/datasets/py97/UTKFace-Cropped/resolve/"
    "e80f21fb21fa3631380c3cb634b79be3ac2f4cba/UTKFace.tar.gz",
)
"""The published address, then a copy for when its quota is used up."""

KNOWN_SHA256: Final = (
    # 106,634,631 bytes, 23,708 faces: the archive of URLS.
    "2c0655397b498e81b82d685ee74bee8c2e4364a5897caf3afec6ea48929024a7",
    # 105,792,983 bytes, packed again without 5_0_1_20170117193745507.jpg.chip.jpg: the archive
    # that the shipped weights were trained on.
    "210dd431c9143d2cb405aa78e3a98af798e1819558da9a0b39f438593462addc",
)

Progress = Callable[[int, int | None], None]
"""Is told the bytes on disk so far and the whole length, None where the host does not say."""

_ATTEMPTS: Final = 5
_TIMEOUT_S: Final = 30.0
_CHUNK: Final = 1 << 18
_ADVICE: Final = (
    f"download {ARCHIVE_FILE} ('Aligned & Cropped Faces') from {PAGE} in a browser and give it to "
    "`reage data prepare`, or name another address with --url and its --sha256"
)


def fetch(
    destination: Path,
    *,
    urls: Sequence[str] = URLS,
    sha256: str | None = None,
    progress: Progress | None = None,
) -> bool:
    """Downloads the archive to `destination`, unless it is there already.

    What has arrived lies in `destination` + `.part` until it is whole and verified; the next call
    asks only for the rest.

    Args:
        destination: The file to make; its folder is made if absent.
        urls: Addresses to try in this order, http or https.
        sha256: Hexadecimal digest to insist on; by default one of `KNOWN_SHA256`.
        progress: See `Progress`.

    Returns:
        Whether it was downloaded; False if it was there, intact.

    Raises:
        DataError: If no address gives the archive, or `destination` is another file.
        UsageError: If an address or digest is none.
    """
    accepted = KNOWN_SHA256 if sha256 is None else (_check_sha256(sha256),)
    for url in urls:
        _check_url(url)
    if destination.exists():
        if _sha256(destination) in accepted:
            return False
        raise DataError(destination, "is there and is not the archive", "move it away")
    part = destination.with_name(f"{destination.name}.part")
    failures = []
    try:
        destination.parent.mkdir(parents=True, exist_ok=True)
        for url in urls:
            try:
                _download(url, part, progress)
                _install(part, destination, accepted)
            except _SourceError as error:
                failures.append(f"{urlsplit(url).hostname} {error}")
            else:
                return True
    except OSError as error:
        raise DataError(
            destination, f"cannot be written ({error.strerror})", "choose another place"
        ) from error
    raise DataError(destination, "; ".join(failures), _ADVICE)


class _SourceError(Exception):
    """Why one address did not give the archive, a clause without a subject."""


def _check_sha256(text: str) -> str:
    if not re.fullmatch(r"[0-9a-fA-F]{64}", text):
        raise UsageError(f"--sha256 {text}", "is no SHA-256", "give its 64 hexadecimal digits")
    return text.lower()


def _check_url(url: str) -> None:
    if urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).hostname:
        raise UsageError(f"--url {url}", "is no web address", "give one that starts with https://")


def _download(url: str, part: Path, progress: Progress | None) -> None:
    """Brings `part` to the length that the host names, going on after broken connections."""
    for _ in range(_ATTEMPTS):
        total = _transfer(url, part, progress)
        if total is None or _size(part) >= total:
            return
    raise _SourceError(
        f"broke the connection {_ATTEMPTS} times, the last time after {_size(part):,} of "
        f"{total:,} bytes (call again to go on from there)"
    )


def _transfer(url: str, part: Path, progress: Progress | None) -> int | None:
    """Asks once for what `part` lacks and appends what comes.

    Returns:
        The length of the whole archive, if the host names it.
    """
    start = _size(part)
    headers = {"User-Agent": f"reage/{version('reage')}", "Accept-Encoding": "identity"}
    if start:
        headers["Range"] = f"bytes={start}-"
    try:
        response = urllib.request.urlopen(  # nosec B310: fetch has checked the scheme
            urllib.request.Request(url, headers=headers), timeout=_TIMEOUT_S
        )
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            return start  # All of it is here; the checksum decides.
        raise _SourceError(f"refuses it ({error.code} {error.reason})") from error
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", error)
        raise _SourceError(f"cannot be reached ({reason})") from error
    with response:
        if response.headers.get_content_type() == "text/html":
            raise _SourceError("answers with a web page, as hosts do whose quota is used up")
        start = start if response.status == http.HTTPStatus.PARTIAL_CONTENT else 0
        length = response.headers.get("Content-Length")
        total = start + int(length) if length else None
        _append(response, part, start, total, progress)
    return total


def _append(
    response: http.client.HTTPResponse,
    part: Path,
    start: int,
    total: int | None,
    progress: Progress | None,
) -> None:
    """Writes the answer to `part` from byte `start` on, up to its end or to where it breaks off."""
    done = start
    with part.open("ab" if start else "wb") as file:
        while True:
            try:
                chunk = response.read(_CHUNK)
            except (ConnectionError, TimeoutError, http.client.HTTPException):
                return
            if not chunk:
                return
            file.write(chunk)
            done += len(chunk)
            if progress is not None:
                progress(done, total)


def _install(part: Path, destination: Path, accepted: Sequence[str]) -> None:
    """Moves a verified `part` to its place; a wrong one is removed, for no rest can mend it."""
    found = _sha256(part)
    if found not in accepted:
        part.unlink()
        raise _SourceError(f"gives another file (SHA-256 {found})")
    with part.open("rb+") as file:
        os.fsync(file.fileno())
    part.replace(destination)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
