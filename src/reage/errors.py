"""The errors that reach a user: each says what failed, why, and what to do about it."""

from __future__ import annotations

import os
from typing import ClassVar


class ReageError(Exception):
    """Base of every error that `reage` raises on purpose.

    Attributes:
        subject: The file, option or value that is at fault.
        reason: What is wrong with it, a clause without a full stop.
        remedy: What the user can do about it, a clause without a full stop.
        exit_code: What the command line returns: 2 for wrong usage, 1 for the rest.
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, subject: str | os.PathLike[str], reason: str, remedy: str) -> None:
        self.subject = os.fspath(subject)
        self.reason = reason
        self.remedy = remedy
        super().__init__(self.subject, reason, remedy)

    def __str__(self) -> str:
        return f"{self.subject}: {self.reason}; {self.remedy}."


def as_failure(subject: str | os.PathLike[str], error: Exception) -> ReageError:
    """Whatever befell one file of many, as an error about it that need not stop the others."""
    if isinstance(error, ReageError):
        return error
    if isinstance(error, MemoryError):
        return ReageError(subject, "does not fit into memory", "make it smaller, or free some")
    if isinstance(error, OSError):
        reason = (error.strerror or type(error).__name__).lower()
        return ReageError(subject, reason, "check the disk and the folder")
    detail = " ".join(f"{type(error).__name__} {error}".split()).rstrip(".")
    return ReageError(subject, f"met a fault of reage's own ({detail})", "please report it")


class UsageError(ReageError):
    """An argument or option that cannot be meant."""

    exit_code = 2


class AgeRangeError(UsageError):
    """An age outside the range that the age groups cover."""


class ConfigError(UsageError):
    """An unknown configuration key or a value of the wrong type."""


class ImageReadError(ReageError):
    """A file that cannot be read as a photo."""


class ImageWriteError(ReageError):
    """An output that cannot be written."""


class NoFaceError(ReageError):
    """A photo in which no face was found."""


class MissingExtraError(ReageError):
    """A feature whose optional dependencies are not installed."""


class WeightsError(ReageError):
    """A weights file that is absent, damaged or of another format."""


class DataError(ReageError):
    """A data set that cannot be read or prepared."""


class TrainingError(ReageError):
    """A training run that cannot start or go on."""


class ExportError(ReageError):
    """A model that could not be exported, or whose export does not agree with it."""


class EvaluationError(ReageError):
    """An evaluation that lacks a judge, faces, or a model to score."""
