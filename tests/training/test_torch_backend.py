"""The same step on Keras's PyTorch backend, on which this process is not."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from tiny_gan import tiny_batch, tiny_gan, weights

from reage.evaluation.systems import open_system

CHILD = """
import json
import sys

import keras
from keras import ops
import numpy as np
from tiny_gan import tiny_batch, tiny_gan, weights

from reage.data.pydataset import FaceBatches
from reage.data.pipeline import Faces, Sampling

assert keras.backend.backend() == "torch"
gan = tiny_gan(accumulate=2)
batch = {name: ops.convert_to_tensor(value) for name, value in tiny_batch(8).items()}
logs = {name: float(value) for name, value in gan.train_step(batch).items()}
np.savez(sys.argv[1], **weights(gan))

# The reader feeds `fit`, with the augmentation on.
rng = np.random.default_rng(0)
labels = np.zeros(20, np.int64)
images = rng.integers(0, 256, (20, 32, 32, 3), np.uint8)
faces = Faces(images, np.arange(20.0, dtype=np.float32), labels, labels, ("",) * 20)
batches = FaceBatches(faces, 0, batch_size=4, seed=0, sampling=Sampling())
trained = tiny_gan(augment_strength=1.0)
history = trained.fit(batches, steps_per_epoch=2, epochs=2, shuffle=False, verbose=0).history
assert int(trained.steps.numpy()) == 4
assert np.isfinite([values for values in history.values()]).all()
assert "tensorflow" not in sys.modules
print(json.dumps(logs))
"""

needs_torch = pytest.mark.skipif(
    importlib.util.find_spec("torch") is None, reason="needs the extra `torch`"
)


@needs_torch
def test_a_step_on_torch_is_the_step_on_tensorflow(tmp_path: Path) -> None:
    keras.config.set_dtype_policy("float32")
    gan = tiny_gan(accumulate=2)
    batch = {name: tf.constant(value) for name, value in tiny_batch(8).items()}
    expected = {name: float(value) for name, value in gan.train_step(batch).items()}
    assert expected["d_r1"] > 0
    found, moved = step_on_torch(tmp_path / "weights.npz")
    assert found == pytest.approx(expected, rel=1e-4, abs=1e-4)
    for name, value in weights(gan).items():
        np.testing.assert_allclose(moved[name], value, atol=1e-4, err_msg=name)


def step_on_torch(path: Path) -> tuple[dict[str, float], dict[str, Any]]:
    environment = os.environ | {
        "KERAS_BACKEND": "torch",
        "PYTHONPATH": str(Path(__file__).parent),
    }
    done = subprocess.run(
        [sys.executable, "-c", CHILD, str(path)],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    with np.load(path) as archive:
        return json.loads(done.stdout.splitlines()[-1]), dict(archive)


WITHOUT_TENSORFLOW = """
import sys

sys.modules["tensorflow"] = None  # an import of it raises ImportError
from reage.cli.app import main

sys.exit(main(sys.argv[1:]))
"""


@needs_torch
def test_a_whole_run_needs_no_tensorflow(prepared: Path, tmp_path: Path) -> None:
    settings = ["critic.steps=2", "stages.0.steps=1", "stages.1.steps=2", "log_every=1"]
    options = ["--preset", "tiny", *(f"--set={setting}" for setting in settings)]
    for phase in ("critic", "generator", "figures"):
        arguments = [phase, *options, "--data", str(prepared), "--run", str(tmp_path)]
        done = subprocess.run(
            [sys.executable, "-c", WITHOUT_TENSORFLOW, "train", *arguments],
            env=os.environ | {"KERAS_BACKEND": "torch"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
    assert (tmp_path / "figures" / "transformation.png").is_file()
    # What PyTorch trained, TensorFlow reads.
    faces = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3), np.uint8)
    aged, present = open_system(tmp_path, ())(faces, np.array([8.0, 70.0]))
    assert present.all()
    assert 0 < np.abs(aged.astype(int) - faces).max() < 128
