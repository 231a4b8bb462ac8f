"""A folder that every machine of a cluster reaches: on a shared disk or in an object store."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from pyarrow.fs import FileSelector, FileSystem, FileType, LocalFileSystem

from reage.errors import ReageError, UsageError

# Where nobody sees a file before it is closed, and a rename would be a copy.
_PUTS_WHOLE: Final = ("s3", "gcs", "abfs")
PRIVATE_FOLDER: Final = "_reage"
_TEMPORARY_FOLDER: Final = f"{PRIVATE_FOLDER}/tmp"  # nosec B108: it is inside the store


@dataclass(frozen=True)
class StoredFile:
    """A file of a store.

    Attributes:
        path: Its path below the root, with `/` between the folders.
        size: Bytes.
        mtime_ns: When it was changed, in nanoseconds since 1970.
    """

    path: str
    size: int
    mtime_ns: int


@dataclass(frozen=True)
class Store:
    """A folder; its methods take paths below it, with `/` between the folders.

    Attributes:
        name: The URI without credentials and options, or the absolute path.
        filesystem: Where it lies.
        root: Its path there; on a disk without links, so that two stores can be told apart.
    """

    name: str
    filesystem: FileSystem
    root: str

    def name_of(self, path: str) -> str:
        """What messages and tables call a file."""
        return f"{self.name}/{path}"

    def at(self, path: str) -> str:
        """Where a file is in the file system."""
        return f"{self.root}/{path}"

    def files(self) -> Iterator[StoredFile]:
        """All files in any order; links to folders are not followed. A missing folder has none.

        Raises:
            ReageError: If the store does not answer.
        """
        with _store_errors(self.name):
            if isinstance(self.filesystem, LocalFileSystem):
                yield from _walk(self.root)
                return
            selector = FileSelector(self.root, allow_not_found=True, recursive=True)
            for info in self.filesystem.get_file_info(selector):
                if info.type == FileType.File:
                    path = info.path[len(self.root) :].lstrip("/")
                    yield StoredFile(path, info.size, info.mtime_ns or 0)

    def has(self, path: str) -> bool:
        """Whether there is such a file.

        Raises:
            ReageError: If the store does not answer.
        """
        # Where there is no file, `get_file_info` would search S3 for a folder, which costs more.
        with _store_errors(self.name_of(path)):
            try:
                self.filesystem.open_input_file(self.at(path)).close()
            except FileNotFoundError:
                return False
            return True

    def read(self, path: str) -> bytes:
        """The content of a file.

        Raises:
            ReageError: If it cannot be read.
        """
        with (
            _store_errors(self.name_of(path)),
            self.filesystem.open_input_file(self.at(path)) as stream,
        ):
            return bytes(stream.read())

    def write(self, path: str, content: bytes) -> None:
        """Puts a file, which is there whole or not at all; an older one is replaced.

        On disks it is written into a folder of the store and moved from there, so that a worker
        that dies leaves nothing among the results.

        Raises:
            ReageError: If it cannot be written.
        """
        with _store_errors(self.name_of(path)):
            if self.filesystem.type_name in _PUTS_WHOLE:
                self._put(path, content)
                return
            temporary = f"{_TEMPORARY_FOLDER}/{secrets.token_hex(16)}"
            for needed in (path, temporary):
                self.filesystem.create_dir(self.at(needed).rpartition("/")[0], recursive=True)
            self._put(temporary, content)
            self.filesystem.move(self.at(temporary), self.at(path))

    def delete(self, path: str) -> None:
        """Takes a file away, if it is there.

        Raises:
            ReageError: If it stays.
        """
        if self.has(path):
            with _store_errors(self.name_of(path)):
                self.filesystem.delete_file(self.at(path))

    def sweep(self) -> None:
        """Takes away what workers that died had begun to write; nothing else may be writing.

        Raises:
            ReageError: If it stays.
        """
        with _store_errors(self.name):
            if self.filesystem.type_name not in _PUTS_WHOLE:
                self.filesystem.delete_dir_contents(self.at(_TEMPORARY_FOLDER), missing_dir_ok=True)

    def _put(self, path: str, content: bytes) -> None:
        with self.filesystem.open_output_stream(self.at(path)) as stream:
            stream.write(content)


def open_store(uri: str) -> Store:
    """Opens a folder, which need not be there.

    Args:
        uri: A path, or a URI that PyArrow knows (`file`, `s3`, `gs`, `abfs`), or
            `fsspec+` before one that fsspec knows.

    Raises:
        UsageError: If nothing can be opened there.
    """
    if "://" not in uri:
        path = Path(uri).absolute()
        return Store(str(path), LocalFileSystem(), str(path.resolve()))
    parts = urlsplit(uri)
    name = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}".rstrip("/")
    if parts.scheme == "s3":
        # A small file is one request then instead of three, and a worker that dies leaves no parts.
        uri += f"{'&' if parts.query else '?'}allow_delayed_open=true"
    try:
        filesystem, root = FileSystem.from_uri(uri)
    except (ValueError, OSError, ImportError) as error:
        raise UsageError(
            name,
            f"is no place that can be opened ({_first_line(error)})",
            "give a folder, or a URI such as s3://bucket/photos",
        ) from error
    if not root.strip("/"):
        raise UsageError(name, "names no folder", "give one, such as s3://bucket/photos")
    if isinstance(filesystem, LocalFileSystem):
        root = str(Path(root).resolve())
    return Store(name, filesystem, root.rstrip("/"))


def _walk(root: str) -> Iterator[StoredFile]:
    if not Path(root).exists():
        return
    for folder, _, names in os.walk(root, onerror=_raise):
        for name in names:
            path = Path(folder, name)
            if path.is_file():
                status = path.stat()
                relative = path.relative_to(root).as_posix()
                yield StoredFile(relative, status.st_size, status.st_mtime_ns)


def _raise(error: OSError) -> None:
    raise error


@contextmanager
def _store_errors(name: str) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError) as error:
        raise ReageError(name, _reason(error), "check the store and your rights to it") from error


def _reason(error: Exception) -> str:
    if isinstance(error, FileNotFoundError):
        return "does not exist"
    if isinstance(error, PermissionError):
        return "may not be used"
    return f"cannot be reached ({_first_line(error)})"


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
