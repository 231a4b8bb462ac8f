from __future__ import annotations

from pathlib import Path

import cv2
import keras
import numpy as np
import pytest

from reage.data.prepare import prepare
from reage.training.config import TrainConfig, from_dict

AGES = [age for age in range(1, 105, 4) for _ in range(4)]


@pytest.fixture(autouse=True)
def restore_policy():
    before = keras.config.dtype_policy()
    yield
    keras.config.set_dtype_policy(before)


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A prepared data set of random smooth pictures of all ages."""
    folder = tmp_path_factory.mktemp("faces")
    for number, age in enumerate(AGES):
        noise = np.random.default_rng(number).integers(0, 256, (8, 8, 3)).astype(np.uint8)
        picture = cv2.resize(noise, (200, 200), interpolation=cv2.INTER_CUBIC)
        name = f"{age}_{number % 2}_{number % 5}_{20170101000000000 + number}.jpg.chip.jpg"
        cv2.imwrite(str(folder / name), picture)
    return prepare(folder, tmp_path_factory.mktemp("data") / "prepared").folder


@pytest.fixture(scope="session")
def tiny_config() -> TrainConfig:
    return from_dict(
        {
            "width": 0.1,
            "precision": "float32",
            "log_every": 8,
            "checkpoint_minutes": 0,
            "critic": {"image_size": 32, "batch_size": 4, "steps": 20},
            "stages": [
                {"image_size": 32, "batch_size": 4, "steps": 2, "realism": False},
                {"image_size": 32, "batch_size": 4, "steps": 20, "r1_interval": 4},
            ],
        },
        "test",
    )
