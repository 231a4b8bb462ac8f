"""One process of a distributed run: `RUN PREPARED [STEP]`; at STEP it hangs."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras

from reage.training import critic
from reage.training import fit as fit_module
from reage.training import run as run_module


def without_chance(patch: Callable[[Any, str, Any], None]) -> None:
    """Takes away what no two ways of training share: augmentation, and steps along rounding.

    Adam takes whole steps along gradients that are zero but for rounding.
    """
    patch(critic, "augment", lambda images, seed: images)  # noqa: ARG005
    patch(keras.optimizers, "Adam", lambda *_, **__: keras.optimizers.SGD(1e-3))


def hang_at(step: int) -> None:
    """Lets this worker say that a step is done, and wait to be killed."""

    class Hanging(fit_module.StopAt):
        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            super().on_train_batch_end(batch, logs)
            if int(self.model.steps.numpy()) == step:
                print(f"step {step} is done", flush=True)
                sys.stdin.read()

    fit_module.StopAt = Hanging


def main() -> None:
    run, prepared = map(Path, sys.argv[1:3])
    without_chance(setattr)
    if sys.argv[3:]:
        hang_at(int(sys.argv[3]))
    config = run_module.load_run_config(run)
    run_module.train_critic(run, prepared, config)
    run_module.train_generator(run, prepared, config)


if __name__ == "__main__":
    main()
