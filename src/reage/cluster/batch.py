"""A batch: which photos, where their results go, and what is to be done with each."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path

from reage.cluster.store import Store
from reage.inference.ager import FaceChoice
from reage.inference.patches import MaskChoice
from reage.inference.session import DECODER_FILE, ENCODER_FILE, AgingModel
from reage.weights import load_weights


@dataclass(frozen=True)
class Settings:
    """What is to be done with each photo; see `FaceAger.age`.

    Attributes:
        to: The target age in years.
        faces: Which faces.
        strength: How much of the change, 0..1.
        mask: What of a face may change.
        estimate: Whether to estimate how old the faces look in the photo.
    """

    to: float
    faces: FaceChoice = "all"
    strength: float = 1.0
    mask: MaskChoice = "face"
    estimate: bool = False


@dataclass(frozen=True)
class ModelFiles:
    """A generator as the content of its two ONNX files, which travels to the workers."""

    encoder: bytes
    decoder: bytes


@dataclass(frozen=True)
class Batch:
    """Everything a worker has to know.

    Attributes:
        source: The photos.
        target: The results, the records and the table of faces.
        settings: What is to be done with each photo.
        model: The generator.
    """

    source: Store
    target: Store
    settings: Settings
    model: ModelFiles

    def fingerprint(self) -> str:
        """Stands for all that decides, beside a photo, what its result is; hex digits."""
        digest = hashlib.sha256(json.dumps(asdict(self.settings), sort_keys=True).encode())
        for content in (self.model.encoder, self.model.decoder):
            digest.update(hashlib.sha256(content).digest())
        return digest.hexdigest()


def read_model(folder: Path | None) -> ModelFiles:
    """Reads an exported model, or the packaged one.

    Raises:
        WeightsError: If a file is missing, damaged or of another format.
    """
    if folder is None:
        return ModelFiles(load_weights(ENCODER_FILE), load_weights(DECODER_FILE))
    # Says what is wrong with it before a cluster is bothered.
    AgingModel.from_folder(folder, threads=1)
    return ModelFiles((folder / ENCODER_FILE).read_bytes(), (folder / DECODER_FILE).read_bytes())
