"""Give it a photo and an age, get the same person at that age."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from reage.errors import (
        AgeRangeError,
        ImageReadError,
        ImageWriteError,
        NoFaceError,
        ReageError,
        UsageError,
        WeightsError,
    )
    from reage.inference.ager import FaceAger
    from reage.inference.results import AgedFace, AgedPhoto
    from reage.inference.sweep import Sweep

__version__ = "0.1.0"
__all__ = [
    "AgeRangeError",
    "AgedFace",
    "AgedPhoto",
    "FaceAger",
    "ImageReadError",
    "ImageWriteError",
    "NoFaceError",
    "ReageError",
    "Sweep",
    "UsageError",
    "WeightsError",
    "__version__",
]

# Imported on first use, so that `import reage` and the command's help stay fast.
_HOMES = {
    "AgeRangeError": "reage.errors",
    "AgedFace": "reage.inference.results",
    "AgedPhoto": "reage.inference.results",
    "FaceAger": "reage.inference.ager",
    "ImageReadError": "reage.errors",
    "ImageWriteError": "reage.errors",
    "NoFaceError": "reage.errors",
    "ReageError": "reage.errors",
    "Sweep": "reage.inference.sweep",
    "UsageError": "reage.errors",
    "WeightsError": "reage.errors",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
