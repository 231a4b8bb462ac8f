"""Times training: images per second, the input pipeline's share, and the published architecture.

Usage: python benchmarks/train_throughput.py [--steps 20] [--data prepared] [--precision P]

Without `--data` it trains on random faces in memory. A GAN step is one generator step with the
second pass of its configuration, and one discriminator step if it has one. Every case runs in a
process of its own, so that its peak memory is its own; its batches come from the input pipeline
and, in turn, from memory. The published architecture takes seconds per image: it gets 2 steps of
one image each.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from machine import describe_machine

WARM_UP = 3
PUBLISHED = "published, GAN 200 px"


@dataclass(frozen=True)
class Case:
    """What is timed: a phase of a preset, or of the defaults, and the images/s for two cores."""

    preset: str | None
    phase: str
    image_size: int
    batch_size: int
    to_reach: float | None


CASES = {
    "critic 64 px": Case(None, "critic", 64, 32, 100),
    "GAN 64 px": Case(None, "generator", 64, 32, 50),
    "GAN 128 px": Case(None, "generator", 128, 16, 12),
    PUBLISHED: Case("published", "generator", 200, 1, None),
}


def main() -> None:
    options = parse_arguments()
    if options.case:
        print(json.dumps(time_case(CASES[options.case], options)))
        return
    print(
        describe_machine(None, "tensorflow", "keras"),
        f"{options.steps} steps each, {options.precision}",
        sep="\n",
    )
    rows = {name: run_apart(name) for name in CASES}
    print_table(rows)


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


def print_table(rows: dict[str, dict[str, Any]]) -> None:
    from rich.console import Console
    from rich.table import Table

    published = rows[PUBLISHED]["images_per_second"]
    table = Table(
        "case", "batch", "ms per step", "from memory", "images/s", "to reach", "ratio", "peak GB"
    )
    for name, row in rows.items():
        table.add_row(
            name,
            str(CASES[name].batch_size),
            f"{row['ms']:.0f}",
            f"{row['ms_from_memory']:.0f}",
            f"{row['images_per_second']:.3g}",
            f"{CASES[name].to_reach or ''}",
            f"{row['images_per_second'] / published:.3g}",
            f"{row['peak_gb']:.2f}",
        )
    Console(width=110).print(table)


def time_case(case: Case, options: argparse.Namespace) -> dict[str, Any]:
    """Times a case with the real input pipeline, and with one batch that lies ready."""
    import keras
    import tensorflow as tf

    from reage.data.pipeline import as_dataset, load_faces, training_batches
    from reage.training.config import TrainConfig, load_config, preset_path

    if case.preset:
        config, steps = load_config(preset_path(case.preset)), min(options.steps, 2)
    else:
        config, steps = TrainConfig(precision=options.precision), options.steps
    keras.config.set_dtype_policy(config.precision)
    size = case.image_size
    faces = load_faces(options.data, "train", size) if options.data else random_faces(size)
    batches = training_batches(
        faces, 0, batch_size=case.batch_size, seed=0, sampling=config.sampling
    )
    stream = iter(as_dataset(batches))
    model = critic_trainer(config, size) if case.phase == "critic" else gan(config, size)
    step = tf.function(model.train_step, autograph=False)

    def seconds(batch: Any) -> float:
        start = time.perf_counter()
        step(next(stream) if batch is None else batch)
        return time.perf_counter() - start

    ready = next(stream)
    for _ in range(min(steps, WARM_UP)):
        seconds(None)
    # Taken in turn, so that both see the same noise of the machine.
    pairs = [(seconds(None), seconds(ready)) for _ in range(steps)]
    streamed, cached = (statistics.median(column) for column in zip(*pairs, strict=True))
    return {
        "ms": 1e3 * streamed,
        "ms_from_memory": 1e3 * cached,
        "images_per_second": case.batch_size / streamed,
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


def critic_trainer(config: Any, size: int) -> Any:
    import keras

    from reage.training.critic import build_critic_trainer

    settings = replace(config.critic, image_size=size, epsilon_ramp=0.0)
    trainer = build_critic_trainer(replace(config, critic=settings))
    trainer.compile(optimizer=keras.optimizers.Adam(1e-3), jit_compile=False)
    trainer.optimizer.build(trainer.heads.trainable_variables)
    return trainer


def gan(config: Any, size: int) -> Any:
    """The last stage of a configuration, at another size."""
    from reage.ages import NUM_GROUPS
    from reage.training.generator_terms import TaughtCritic
    from reage.training.networks import make_critic
    from reage.training.stage import build_gan

    stage = replace(config.stages[-1], image_size=size)
    critic_size = min(size, config.critic.image_size)
    config = replace(config, critic=replace(config.critic, image_size=critic_size))
    targets = np.full((NUM_GROUPS, NUM_GROUPS), 1 / NUM_GROUPS, np.float32)
    return build_gan(config, stage, [TaughtCritic(make_critic(config), targets)])


if __name__ == "__main__":
    main()
