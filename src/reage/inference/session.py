"""The generator as two ONNX files: an encoder run once per face, a decoder run once per age."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from reage.ages import AGE_GROUPS, NUM_GROUPS, soft_code
from reage.errors import WeightsError
from reage.faces.align import TEMPLATE
from reage.faces.change import join_change
from reage.onnx_session import open_session
from reage.weights import load_weights, weights_card

ENCODER_FILE: Final = "generator_encoder.onnx"
DECODER_FILE: Final = "generator_decoder.onnx"
FORMATS: Final = {"1": ("delta",), "2": ("delta", "flow")}
"""What the decoder of a model gives, by the version of the format."""
# Bounds the memory of a photo with many faces; larger batches are no faster on a CPU.
MAX_BATCH: Final = 4

Features = Mapping[str, NDArray[np.float32]]
"""The encoder's outputs by name, each with the batch first; opaque to everyone but the decoder."""


class AgingModel:
    """A face-ageing generator that turns a face crop and an age into a change of that crop.

    Attributes:
        image_size: Side of the square crops it works on, in pixels.
        metadata: What its exporter wrote into the file: format, ages, template, licence, data.
    """

    def __init__(
        self, encoder: bytes, decoder: bytes, *, source: str, threads: int | None = None
    ) -> None:
        """Opens the two ONNX files from memory; `source` names them in errors.

        Raises:
            WeightsError: If a file is damaged, of another format, or made for other age groups or
                another face template than this version of the package uses.
        """
        self._encoder = _open(encoder, f"{source}/{ENCODER_FILE}", threads)
        self._decoder = _open(decoder, f"{source}/{DECODER_FILE}", threads)
        self.metadata: dict[str, str] = dict(self._encoder.get_modelmeta().custom_metadata_map)
        self._feature_names = [output.name for output in self._encoder.get_outputs()]
        self.image_size = _check_metadata(self.metadata, source)
        self._outputs = FORMATS[self.metadata["format_version"]]
        _check_interface(self._encoder, self._decoder, self._outputs, source)

    @classmethod
    def from_package(cls, *, threads: int | None = None) -> Self:
        """Opens the weights that ship inside the package.

        Raises:
            WeightsError: If they are missing or damaged.
        """
        if not {ENCODER_FILE, DECODER_FILE} <= weights_card().keys():
            raise WeightsError(
                "the ageing model", "is not part of this installation", "name the folder of one"
            )
        encoder, decoder = load_weights(ENCODER_FILE), load_weights(DECODER_FILE)
        return cls(encoder, decoder, source="reage/weights", threads=threads)

    @classmethod
    def from_folder(cls, path: str | os.PathLike[str], *, threads: int | None = None) -> Self:
        """Opens an exported model: a folder with the encoder's and the decoder's ONNX file.

        Raises:
            WeightsError: If a file is missing, unreadable or not a model of this package.
        """
        folder = Path(path)
        encoder, decoder = _read(folder / ENCODER_FILE), _read(folder / DECODER_FILE)
        return cls(encoder, decoder, source=os.fspath(folder), threads=threads)

    def encode(self, images: NDArray[np.float32]) -> Features:
        """Extracts what the decoder needs from face crops, once per face.

        Args:
            images: RGB crops, shape (N, S, S, 3), float32 in [-1, 1], with S = `image_size`.
        """
        outputs = [
            self._encoder.run(self._feature_names, {"image": images[rows]})
            for rows in batches(len(images))
        ]
        columns = zip(*outputs, strict=True)
        return {
            name: np.concatenate(column)
            for name, column in zip(self._feature_names, columns, strict=True)
        }

    def decode(self, features: Features, ages: ArrayLike) -> NDArray[np.float32]:
        """Computes what to change in the encoded crops to show them at `ages`.

        Args:
            features: What `encode` returned for N faces.
            ages: Target ages in years: a number for all faces, or one per face, shape (N,).

        Returns:
            The changes, shape (N, S, S, 5), or (N, S, S, 3) of a model that moves nothing, float32;
            see `reage.faces.change`.
        """
        count = len(next(iter(features.values())))
        codes = soft_code(np.broadcast_to(np.asarray(ages, np.float64), (count,)))
        changes = []
        for rows in batches(count):
            some = {name: value[rows] for name, value in features.items()}
            outputs = self._decoder.run(list(self._outputs), {**some, "age_code": codes[rows]})
            found = dict(zip(self._outputs, outputs, strict=True))
            changes.append(join_change(found["delta"], found.get("flow")))
        return np.concatenate(changes)

    @property
    def moves(self) -> bool:
        """Whether it changes the shape of a face, too: its changes hold a flow."""
        return "flow" in self._outputs

    def nothing(self) -> NDArray[np.float32]:
        """The changes of no face: shape (0, S, S, C)."""
        channels = 5 if self.moves else 3
        return np.zeros((0, self.image_size, self.image_size, channels), np.float32)


def batches(count: int) -> Iterator[slice]:
    """Slices of at most `MAX_BATCH` rows that together cover `count` rows."""
    return (slice(start, start + MAX_BATCH) for start in range(0, count, MAX_BATCH))


def _read(path: Path) -> bytes:
    remedy = f"give a folder that holds {ENCODER_FILE} and {DECODER_FILE}"
    try:
        # Reading a pipe might never end.
        if path.exists() and not path.is_file():
            raise WeightsError(path, "is no regular file", remedy)
        return path.read_bytes()
    except OSError as error:
        reason = "is missing" if isinstance(error, FileNotFoundError) else "cannot be read"
        raise WeightsError(path, reason, remedy) from error


def _open(model: bytes, name: str, threads: int | None) -> Any:
    """Opens a session, and says which of the files is damaged where one is."""
    try:
        return open_session(model, threads=threads)
    except WeightsError as error:
        raise WeightsError(name, error.reason, error.remedy) from error


def _check_metadata(metadata: Mapping[str, str], source: str) -> int:
    """Returns the model's image size, or refuses a model made under other conventions."""
    try:
        version = metadata["format_version"]
        size = int(metadata["image_size"])
        bounds = np.asarray(json.loads(metadata["age_groups"]), np.float64)
        template = np.asarray(json.loads(metadata["template"]), np.float64)
    except (KeyError, ValueError, TypeError) as error:
        raise _refusal(source, "does not describe itself as a reage model") from error
    if version not in FORMATS:
        raise _refusal(source, f"has format {version}, and this version reads 1 and 2")
    if not np.array_equal(bounds, np.asarray(AGE_GROUPS, np.float64)):
        raise _refusal(source, "was trained for other age groups")
    if template.shape != np.shape(TEMPLATE) or not np.allclose(template, TEMPLATE, atol=1e-3):
        raise _refusal(source, "was trained on faces aligned to another template")
    return size


def _check_interface(encoder: Any, decoder: Any, outputs: tuple[str, ...], source: str) -> None:
    """Refuses two files that were not exported together."""
    features = {output.name for output in encoder.get_outputs()}
    wanted = {entry.name: entry for entry in decoder.get_inputs()}
    if [entry.name for entry in encoder.get_inputs()] != ["image"]:
        raise _refusal(source, "has an encoder whose input is not one image")
    if set(wanted) != features | {"age_code"} or wanted["age_code"].shape[-1] != NUM_GROUPS:
        raise _refusal(source, "holds an encoder and a decoder that do not belong together")
    if [output.name for output in decoder.get_outputs()] != list(outputs):
        raise _refusal(source, f"has a decoder whose output is not {' and '.join(outputs)}")


def _refusal(source: str, reason: str) -> WeightsError:
    return WeightsError(source, reason, "export it again with this version of reage")
