"""Where the commands write: beside the input, to a named file, or into a folder."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from reage.errors import ImageWriteError, UsageError

# What names no format that can be written goes out as the one that every viewer opens.
FALLBACK_SUFFIX: Final = ".jpg"


class OutputPlan:
    """Names the output of each input, and keeps inputs and earlier outputs from being replaced.

    Attributes:
        in_place: Whether each output is to replace its input.
    """

    def __init__(
        self,
        inputs: Sequence[Path],
        output: str | None,
        tag: str,
        suffix: str | None = None,
        *,
        in_place: bool = False,
    ) -> None:
        """Plans the outputs.

        Args:
            inputs: All photos of this run.
            output: The text of `-o`.
            tag: Ends the names that are made from inputs.
            suffix: Their suffix; `None` takes each input's own.
            in_place: Let each output replace its input.

        Raises:
            UsageError: If `output` names one file for several inputs, or is given with `in_place`.
            ImageWriteError: If `output` is a folder that is not there and cannot be made.
        """
        if in_place and output is not None:
            raise UsageError("--in-place", "leaves no room for -o", "give only one of them")
        self._inputs = inputs
        self.in_place = in_place
        self._tag = tag
        self._suffix = suffix
        self._written: dict[Path, Path] = {}
        self._output = None if output is None else Path(output)
        self._is_folder = output is not None and _means_folder(output, many=len(inputs) > 1)
        if self._output is not None and self._is_folder:
            _check_folder(self._output)

    def path(self, source: Path) -> Path:
        """The output for `source`.

        Raises:
            ImageWriteError: If the output is one of the inputs, was written for another input,
                lies where nothing can be written, or would replace another picture under a name
                that was made from the input's.
        """
        from reage.images import check_output_path

        target = source if self.in_place else self._name(source)
        if not self.in_place and any(_same_file(target, other) for other in self._inputs):
            raise ImageWriteError(
                target,
                "is an input, and inputs are never replaced",
                "name another output with -o, or say --in-place to `reage age`",
            )
        # Unlike `Path.resolve`, this ends at a loop of links without an error.
        key = Path(os.path.realpath(target))
        if self._written.setdefault(key, source) != source:
            raise ImageWriteError(
                target, f"already holds the result of {self._written[key]}", "age them one by one"
            )
        if target.parent.exists() or not self._is_folder:
            check_output_path(target)
        if not self.in_place and target != self._output and _is_there(target):
            from reage.inference.folder import check_is_result

            # Nobody named this file: what lies there may be somebody's photo.
            check_is_result(target)
        return target

    def make_folder(self) -> None:
        """Makes the folder that `-o` names, once there is something to put into it.

        Raises:
            ImageWriteError: If that fails.
        """
        if self._output is None or not self._is_folder:
            return
        try:
            self._output.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise _not_a_folder(self._output) from error

    def _name(self, source: Path) -> Path:
        suffix = self._suffix or suffix_like(source)
        name = f"{source.stem}_{self._tag}{suffix}"
        if self._output is None:
            return source.parent / name
        return self._output / name if self._is_folder else self._output


def suffix_like(source: Path) -> str:
    """The suffix of `source` where it stands for a format that can be written, else `.jpg`."""
    from reage.images import format_for_path

    try:
        known = format_for_path(source) is not None
    except ImageWriteError:
        known = False
    return source.suffix if known else FALLBACK_SUFFIX


def _means_folder(output: str, *, many: bool) -> bool:
    path = Path(output)
    try:
        is_folder, exists = path.is_dir(), path.exists()
    except OSError as error:
        raise ImageWriteError(output, f"is no path ({error.strerror})", "name another") from error
    if is_folder or output.endswith(("/", os.sep)):
        return True
    if many and (path.suffix or exists):
        raise UsageError(output, "is one file for several photos", "name a folder with -o instead")
    return many


def _check_folder(path: Path) -> None:
    """Checks that a folder can be made, before any work is spent on what goes into it."""
    there = next(folder for folder in (path, *path.absolute().parents) if folder.exists())
    if not there.is_dir() or not os.access(there, os.W_OK):
        raise _not_a_folder(path)


def _not_a_folder(path: Path) -> ImageWriteError:
    return ImageWriteError(path, "cannot be made a folder", "name another folder with -o")


def _is_there(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:
        return False


def _same_file(first: Path, second: Path) -> bool:
    try:
        return first.samefile(second)
    except OSError:
        return False
