"""Where the time of a training step goes, by kind of operation.

Usage: python benchmarks/train_operations.py ["GAN 64 px"] [--steps 4]

Takes the case of that name in train_throughput.py, random faces, `mixed_bfloat16`, and adds up what
TensorFlow's profiler says of every operation. Operations run side by side and the profiler slows
them, so only shares mean something, and those only on a quiet machine.
"""

from __future__ import annotations

import argparse
import re
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

from machine import describe_machine
from train_throughput import CASES, Case, critic_trainer, gan, random_faces

WARM_UP = 2
SHOWN = 16


def main() -> None:
    parser = argparse.ArgumentParser(description="Says where the time of a training step goes.")
    parser.add_argument("case", nargs="?", choices=CASES, default="GAN 64 px")
    parser.add_argument("--steps", type=int, default=4)
    options = parser.parse_args()
    time, calls = profile(training_step(CASES[options.case]), options.steps)
    print(describe_machine(None, "tensorflow", "keras"))
    print(f"{options.case}: share of the time, and calls per step")
    for kind, picoseconds in time.most_common(SHOWN):
        share = picoseconds / time.total()
        print(f"{kind:40s} {share:6.1%} {calls[kind] / options.steps:6.0f}")


def training_step(case: Case) -> Any:
    """One step of a case of the default configuration, compiled, on a batch that lies ready."""
    import keras
    import tensorflow as tf

    from reage.data.pipeline import training_batch
    from reage.training.config import TrainConfig

    config = TrainConfig()
    keras.config.set_dtype_policy(config.precision)
    faces = random_faces(case.image_size)
    batch = training_batch(faces, 0, batch_size=case.batch_size, seed=0, sampling=config.sampling)
    build = critic_trainer if case.phase == "critic" else gan
    step = tf.function(build(config, case.image_size).train_step, autograph=False)
    tensors = {name: tf.constant(value) for name, value in batch.items()}
    return lambda: step(tensors)


def profile(step: Any, steps: int) -> tuple[Counter[str], Counter[str]]:
    """Picoseconds and number of calls by kind of operation."""
    import tensorflow as tf

    for _ in range(WARM_UP):
        step()
    with tempfile.TemporaryDirectory() as folder:
        with tf.profiler.experimental.Profile(folder):
            for _ in range(steps):
                step()
        return read_profile(next(Path(folder).rglob("*.xplane.pb")))


def read_profile(path: Path) -> tuple[Counter[str], Counter[str]]:
    from tensorflow.tsl.profiler.protobuf import xplane_pb2

    time: Counter[str] = Counter()
    calls: Counter[str] = Counter()
    space = xplane_pb2.XSpace.FromString(path.read_bytes())
    for plane in (plane for plane in space.planes if "CPU" in plane.name):
        for event in (event for line in plane.lines for event in line.events):
            operation = re.fullmatch(r"[^:]+:(\w+)", plane.event_metadata[event.metadata_id].name)
            if operation:
                time[operation[1]] += event.duration_ps
                calls[operation[1]] += 1
    return time, calls


if __name__ == "__main__":
    main()
