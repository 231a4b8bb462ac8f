"""Training state on disk: plain NumPy archives, written whole or not at all."""

from __future__ import annotations

import os
import re
import struct
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import numpy as np

from reage.errors import TrainingError
from reage.scratch import replacing

DIVERGED_REMEDY: Final = (
    "start another run at a lower learning rate, from what this one saved with --init"
)
DAMAGED: Final = (
    OSError,
    ValueError,
    EOFError,
    KeyError,
    RuntimeError,
    struct.error,
    zipfile.BadZipFile,
    zlib.error,
)
"""What NumPy and `zipfile` raise of files that are not what was written."""

Owners = Mapping[str, Sequence[Any]]


def save_variables(path: Path, owners: Owners) -> None:
    """Writes the variables of each owner (model, optimizer, ...) to one `.npz`, atomically.

    Raises:
        TrainingError: If a value is not finite; what the file held stays.
    """
    arrays = {
        key: np.asarray(variable.numpy())
        for owner, variables in owners.items()
        for key, variable in _named(owner, variables)
    }
    for key, values in arrays.items():
        if values.dtype.kind == "f" and not np.isfinite(values).all():
            raise TrainingError(path, f"{_key(key)} is not finite any more", DIVERGED_REMEDY)
    with replacing(path) as temporary, temporary.open("wb") as file:
        np.savez(file, **arrays)  # type: ignore[arg-type]
        file.flush()
        os.fsync(file.fileno())


def load_variables(path: Path, owners: Owners) -> None:
    """Reads back what `save_variables` wrote into variables of the same names and shapes.

    Raises:
        TrainingError: If the file is absent, damaged, or of another model.
    """
    with _opened(path) as archive:
        arrays = {_key(key): archive[key] for key in archive.files}
    for owner, variables in owners.items():
        for name, variable in _named(owner, variables):
            key = _key(name)
            if key not in arrays or arrays[key].shape != tuple(variable.shape):
                raise TrainingError(
                    path, f"holds no fitting value for {key}", "name the run that wrote it"
                )
            variable.assign(arrays[key])


def saved_steps(path: Path) -> int:
    """The step at which a training state was saved.

    Raises:
        TrainingError: If the file is absent or damaged.
    """
    with _opened(path) as archive:
        return int(archive["steps/0000/steps"])


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """An archive to be read within; what goes wrong there is the file's fault."""
    try:
        with np.load(path, allow_pickle=False) as archive:
            yield archive
    except FileNotFoundError as error:
        raise TrainingError(path, "does not exist", "name the run that wrote it") from error
    except DAMAGED as error:
        remedy = "remove it, and --resume trains that part again"
        raise TrainingError(path, "is damaged", remedy) from error


def _named(owner: str, variables: Sequence[Any]) -> list[tuple[str, Any]]:
    return [
        (_without_count(f"{owner}/{index:04d}/{v.path}"), v) for index, v in enumerate(variables)
    ]


def _without_count(name: str) -> str:
    """Drops the number that Keras gives the second optimizer or `seed_generator` of a process."""
    return re.sub(r"/(adam|sgd|seed_generator)_[0-9]+/", r"/\1/", name)


def _key(name: str) -> str:
    """A name without its place in Keras's list, which depends on how layers are called."""
    return re.sub(r"/[0-9]{4}/", "/", _without_count(name), count=1)
