"""Unfinished files and folders beside their place, which no killed run leaves for ever.

Each has a lock file beside it. However a run ends, the system frees its locks, so whoever can take
one may remove what it guards. A process id would not tell: it is used again, and containers that
share a folder do not share their ids.
"""

from __future__ import annotations

import errno
import os
import secrets
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

_LOCKS: Final = ".reage-*.lock"
_TAKEN: Final = (errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES)


@contextmanager
def scratch(folder: Path) -> Iterator[Path]:
    """A path in `folder` for one unfinished file or folder, which is then moved to its place.

    Nothing lies there at first, and what has not been moved away is removed in the end.

    Raises:
        OSError: If nothing can be made in `folder`.
    """
    lock, descriptor = _new_lock(folder)
    path = _guarded_by(lock)
    try:
        yield path
    finally:
        with suppress(OSError):
            _remove(path)
        # Windows removes no open file; without what it guards, the lock is of no use.
        os.close(descriptor)
        with suppress(OSError):
            lock.unlink()


@contextmanager
def scratch_folder(folder: Path) -> Iterator[Path]:
    """An empty folder in `folder`, which first loses what killed runs have left.

    Raises:
        OSError: If nothing can be made in `folder`.
    """
    remove_abandoned(folder)
    with scratch(folder) as path:
        path.mkdir()
        yield path


@contextmanager
def replacing(target: Path) -> Iterator[Path]:
    """A path for a file that becomes `target` once it is whole; an error leaves `target` as it was.

    The folder first loses what killed runs have left.

    Raises:
        OSError: If nothing can be made beside `target`, or `target` cannot be replaced.
    """
    remove_abandoned(target.parent)
    with scratch(target.parent) as path:
        yield path
        path.replace(target)


def remove_abandoned(folder: Path, *, deep: bool = False) -> None:
    """Removes what killed runs have left of `scratch` in a folder; `deep` means below it as well.

    What a run that is alive has there stays, and so does everything on a disk without locks.
    """
    for lock in folder.rglob(_LOCKS) if deep else folder.glob(_LOCKS):
        with suppress(OSError):
            _remove_if_abandoned(lock)


def _remove_if_abandoned(lock: Path) -> None:
    descriptor = os.open(lock, os.O_RDWR)
    try:
        if not _take_lock(descriptor):
            return
        _remove(_guarded_by(lock))
    finally:
        os.close(descriptor)
    lock.unlink()


def _new_lock(folder: Path) -> tuple[Path, int]:
    """A new lock file, held until its descriptor is closed."""
    while True:
        path = folder / f".reage-{secrets.token_hex(8)}.lock"
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            # Before it is held, another run may take it for an abandoned one.
            if _take_lock(descriptor) and path.exists():
                return path, descriptor
        except OSError:
            return path, descriptor
        os.close(descriptor)


def _take_lock(descriptor: int) -> bool:
    """Takes the lock of an open file unless another open file has it.

    Raises:
        OSError: If the file system has no locks.
    """
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in _TAKEN:
            return False
        raise
    return True


def _guarded_by(lock: Path) -> Path:
    return lock.with_suffix(".tmp")


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
