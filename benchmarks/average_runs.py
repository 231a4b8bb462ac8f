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
    shutil.copytree(second, out, ignore=shutil.ignore_patterns("export", "tensorboard"))
    stages = enumerate(load_run_config(out).stages)
    states = [stage_folder(out, index, stage) / "state.npz" for index, stage in stages]
    saved = [state for state in states if state.exists()]
    if not saved:
        sys.exit(f"{second}: has no trained generator; name a run that has one")
    path = saved[-1]
    with np.load(path, allow_pickle=False) as archive:
        arrays = dict(archive)
    other = read_initial(str(first))
    for key, values in arrays.items():
        owner, _, variable = key.split("/", 2)
        if owner in AVERAGED:
            before = other[AVERAGED[owner]][variable].astype(np.float64)
            arrays[key] = (before + share * (values - before)).astype(values.dtype)
    np.savez(path, **arrays)


if __name__ == "__main__":
    first, second, out = (Path(argument) for argument in sys.argv[1:4])
    main(first, second, out, float(sys.argv[4]) if len(sys.argv) > 4 else 0.5)
