"""Average the generators and discriminators of two runs of the same networks.

python benchmarks/average_runs.py FIRST SECOND OUT [SHARE]

Wortsman et al. 2022, "Model soups": where one run goes on from the other, the mean of their weights
is often better than both. OUT is a copy of SECOND whose latest stage holds the mean, to which
SECOND contributes SHARE, by default half; `reage export` and `reage evaluate` read it as any run.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import numpy as np

from reage.training.initial import read_initial
from reage.training.run import load_run_config, stage_folder

AVERAGED = {"average": "generator", "discriminator": "discriminator"}
"""What is averaged, by its name in a training state, and its name in `read_initial`."""


def main(first: Path, second: Path, out: Path, share: float) -> None:
    """Writes OUT."""
    if out.exists():
        sys.exit(f"{out}: is there already; name another folder")
    path = latest_state(second)
    with np.load(path, allow_pickle=False) as archive:
        arrays = dict(archive)
    other = read_initial(str(first))
    for key, values in arrays.items():
        owner, _, variable = key.split("/", 2)
        if owner in AVERAGED:
            before = other[AVERAGED[owner]].get(variable)
            if before is None or before.shape != values.shape:
                sys.exit(f"{first}: has other networks than {second}; name runs of the same ones")
            mean = before + share * (values - before.astype(np.float64))
            arrays[key] = mean.astype(values.dtype)
    shutil.copytree(second, out, ignore=shutil.ignore_patterns("export", "tensorboard"))
    np.savez(out / path.relative_to(second), **arrays)


def latest_state(run: Path) -> Path:
    """The saved state of a run's latest stage."""
    stages = enumerate(load_run_config(run).stages)
    states = [stage_folder(run, index, stage) / "state.npz" for index, stage in stages]
    saved = [state for state in states if state.exists()]
    if not saved:
        sys.exit(f"{run}: has no trained generator; name a run that has one")
    return saved[-1]


if __name__ == "__main__":
    first, second, out = (Path(argument) for argument in sys.argv[1:4])
    main(first, second, out, float(sys.argv[4]) if len(sys.argv) > 4 else 0.5)
