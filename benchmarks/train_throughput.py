"""Times training: images per second of the critic and of the GAN, and the input pipeline's share.

Usage: python benchmarks/train_throughput.py [--steps 20] [--data prepared] [--precision P]

Without `--data` it trains on random faces in memory. A GAN step is one generator step with both
passes and one discriminator step. Every case runs in a process of its own, so that its peak memory
is its own.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import time
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

WARM_UP = 3
CASES = {
    "critic 64 px": ("critic", 64, 32, 100),
    "GAN 64 px": ("gan", 64, 16, 50),
    "GAN 128 px": ("gan", 128, 16, 12),
}
"""Name: what, image size, batch size, images per second to reach on two cores."""


def main() -> None:
    options = parse_arguments()
    if options.case:
        print(json.dumps(time_case(options.case, options)))
        return
    from rich.console import Console
    from rich.table import Table

    print(describe_machine(), f"{options.steps} steps each, {options.precision}", sep="\n")
    table = Table(
        "case", "batch", "ms per step", "images/s", "to reach", "input's share", "peak GB"
    )
    for name in CASES:
        row = run_apart(name)
        table.add_row(
            name,
            str(row["batch"]),
            f"{row['ms']:.0f}",
            f"{row['images_per_second']:.1f}",
            str(CASES[name][3]),
            f"{100 * row['input_share']:.1f} %",
            f"{row['peak_gb']:.2f}",
        )
    Console(width=110).print(table)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Times training.")
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--precision", default="mixed_bfloat16")
    parser.add_argument("--case", choices=CASES, help=argparse.SUPPRESS)
    return parser.parse_args()


def run_apart(case: str) -> dict[str, Any]:
    """Runs one case in a new process and returns what it measured."""
    command = [sys.executable, __file__, *sys.argv[1:], "--case", case]
    environment = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)
    return dict(json.loads(done.stdout.splitlines()[-1]))


def time_case(case: str, options: argparse.Namespace) -> dict[str, Any]:
    """Times a case with the real input pipeline, and with one batch that lies ready."""
    import keras
    import tensorflow as tf

    from reage.data.pipeline import Sampling, as_dataset, load_faces, training_batches

    kind, size, batch_size, _ = CASES[case]
    keras.config.set_dtype_policy(options.precision)
    faces = load_faces(options.data, "train", size) if options.data else random_faces(size)
    batches = training_batches(faces, 0, batch_size=batch_size, seed=0, sampling=Sampling())
    stream = iter(as_dataset(batches))
    model = critic_trainer(size) if kind == "critic" else gan(size)
    step = tf.function(model.train_step)

    def seconds(batch: Any) -> float:
        start = time.perf_counter()
        step(next(stream) if batch is None else batch)
        return time.perf_counter() - start

    ready = next(stream)
    for _ in range(WARM_UP):
        seconds(None)
    # Taken in turn, so that both see the same noise of the machine.
    pairs = [(seconds(None), seconds(ready)) for _ in range(options.steps)]
    streamed, cached = (statistics.median(column) for column in zip(*pairs, strict=True))
    return {
        "batch": batch_size,
        "ms": 1e3 * streamed,
        "images_per_second": batch_size / streamed,
        "input_share": max(0.0, 1 - cached / streamed),
        "peak_gb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20,
    }


def random_faces(size: int) -> Any:
    """Noise with ages of all groups: it costs what faces cost."""
    from reage.data.pipeline import Faces

    count = 2000
    rng = np.random.default_rng(0)
    labels = np.zeros(count, np.int64)
    return Faces(
        rng.integers(0, 256, (count, size, size, 3), np.uint8),
        rng.uniform(0, 116, count).astype(np.float32),
        labels,
        labels,
        tuple(map(str, range(count))),
    )


def critic_trainer(size: int) -> Any:
    import keras

    from reage.models.discriminator import build_critic
    from reage.models.presets import discriminator_size
    from reage.training.config import CriticConfig
    from reage.training.critic import AgeCriticTrainer

    config = CriticConfig()
    trainer = AgeCriticTrainer(
        build_critic(discriminator_size(size)),
        build_critic(discriminator_size(size)),
        epsilon=config.epsilon,
        epsilon_ramp_steps=1,
        clean_share=config.clean_share,
        label_sigma=config.label_sigma,
        attribute_weight=config.attribute_weight,
        ema_decay=config.ema_decay,
        seed=0,
    )
    trainer.compile(optimizer=keras.optimizers.Adam(1e-3), jit_compile=False)
    trainer.optimizer.build(trainer.heads.trainable_variables)
    return trainer


def gan(size: int) -> Any:
    import keras

    from reage.ages import NUM_GROUPS
    from reage.models.discriminator import build_critic, build_discriminator
    from reage.models.generator import build_generator
    from reage.models.presets import discriminator_size, generator_size
    from reage.training.gan import FaceAgingGAN, LossWeights

    model = FaceAgingGAN(
        generator=build_generator(generator_size(size)),
        average=build_generator(generator_size(size)),
        discriminator=build_discriminator(discriminator_size(size)),
        critic=build_critic(discriminator_size(min(size, 64))),
        critic_targets=np.full((NUM_GROUPS, NUM_GROUPS), 1 / NUM_GROUPS, np.float32),
        weights=LossWeights(),
    )
    model.compile(keras.optimizers.Adam(2e-4), keras.optimizers.Adam(4e-4))
    return model


def describe_machine() -> str:
    """The processor and the versions that decide how fast training is."""
    info = Path("/proc/cpuinfo")
    names = (
        [
            line.split(":")[1].strip()
            for line in info.read_text().splitlines()
            if line.startswith("model name")
        ]
        if info.exists()
        else []
    )
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    versions = ", ".join(f"{name} {metadata.version(name)}" for name in ("tensorflow", "keras"))
    processor = names[0] if names else platform.processor()
    return f"{processor}, {cores} cores, Python {platform.python_version()}, {versions}"


if __name__ == "__main__":
    main()
