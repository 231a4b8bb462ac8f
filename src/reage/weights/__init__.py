"""The model files that ship with the package, each checked against its card before use."""

from __future__ import annotations

import hashlib
import json
from importlib import resources
from typing import Any, Final

from reage.errors import WeightsError

CARD_FILE: Final = "weights.json"
_REMEDY: Final = "reinstall the package"


def weights_card() -> dict[str, Any]:
    """What is known of each file: `{file name: {sha256, licence, origin, purpose, input, ...}}`.

    Raises:
        WeightsError: If the card is missing or is not JSON.
    """
    try:
        card = json.loads(_read(CARD_FILE))
    except ValueError as error:
        raise WeightsError(CARD_FILE, f"is not JSON ({error})", _REMEDY) from error
    if not isinstance(card, dict):
        raise WeightsError(CARD_FILE, "does not map file names to entries", _REMEDY)
    return card


def load_weights(name: str) -> bytes:
    """Reads a packaged model file, e.g. `face_landmark.onnx`, and verifies its SHA-256.

    Raises:
        WeightsError: If the card does not list the file, or the file is missing or damaged.
    """
    card = weights_card()
    if name not in card:
        raise WeightsError(name, "is not on the weights card", f"use one of {', '.join(card)}")
    content = _read(name)
    if hashlib.sha256(content).hexdigest() != card[name]["sha256"]:
        raise WeightsError(
            name, "is damaged or was changed: its SHA-256 is not the card's", _REMEDY
        )
    return content


def _read(name: str) -> bytes:
    try:
        return (resources.files(__name__) / name).read_bytes()
    except OSError as error:
        raise WeightsError(name, "is missing from the package", _REMEDY) from error
