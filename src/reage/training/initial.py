"""Initial weights of a run: those of another run, or those that ship inside the package."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from reage.errors import TrainingError
from reage.models.growth import fill
from reage.scratch import replacing
from reage.training.state import DAMAGED
from reage.weights import load_weights

SHIPPED = "shipped"
SHIPPED_FILE = "training.npz"
OWNERS = ("critic", "generator", "discriminator")
JUDGES = ("discriminator", "projected")

Arrays = Mapping[str, NDArray[Any]]
"""Weights by the path of their variable, such as `encoder/from_rgb_64/kernel`."""


def read_initial(init: str) -> dict[str, Arrays]:
    """The weights that `init` stands for, by owner: critic, generator, discriminator.

    Args:
        init: `shipped`, or a training run's folder; of a run's generator it is the average of the
            latest stage, of a critic that is not finished its average so far. What a run has not
            trained yet is left out.

    Raises:
        TrainingError: If the folder holds no trained network.
        WeightsError: If the shipped file is missing or damaged.
    """
    if init == SHIPPED:
        return _by_owner(io.BytesIO(load_weights(SHIPPED_FILE)), SHIPPED_FILE)
    run = Path(init)
    weights: dict[str, Arrays] = {}
    critic, unfinished = run / "critic" / "critic.npz", run / "critic" / "state.npz"
    if critic.exists():
        weights |= _by_owner(critic, critic)
    elif unfinished.exists():
        weights["critic"] = _by_owner(unfinished, unfinished)["average"]
    stages = sorted(run.glob("generator/stage_*/state.npz"), key=_stage_number)
    if stages:
        found = _by_owner(stages[-1], stages[-1])
        weights["generator"] = found["average"]
        weights |= {name: found[name] for name in JUDGES if name in found}
    if not weights:
        raise TrainingError(run, "holds no trained network", "name a run's folder, or shipped")
    return weights


def start_from(init: str, networks: Mapping[str, Any]) -> None:
    """Fills networks, by owner, with the initial weights that `init` stands for, if any.

    Args:
        init: See `read_initial`; empty changes nothing.
        networks: What to fill; finer ones than were trained start as `reage.models.growth` says.

    Raises:
        TrainingError: If `init` holds no trained network, or one of another width.
    """
    weights = read_initial(init) if init else {}
    for owner, network in networks.items():
        if owner not in weights:
            continue
        found = weights[owner]
        for variable in network.variables:
            if variable.path in found and found[variable.path].shape != tuple(variable.shape):
                raise TrainingError(init, "holds networks of another width", "set `width` as there")
        fill(network, found)


def write_initial(path: Path, weights: Mapping[str, Arrays]) -> None:
    """Writes what `read_initial` gave as the one file that ships, in half precision."""
    arrays = {
        f"{owner}/{index:04d}/{variable}": values.astype(np.float16)
        for owner in OWNERS
        for index, (variable, values) in enumerate(weights[owner].items())
    }
    with replacing(path) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, **arrays)  # type: ignore[arg-type]


def _by_owner(file: Path | IO[bytes], subject: Path | str) -> dict[str, Arrays]:
    try:
        with np.load(file, allow_pickle=False) as archive:
            arrays = {key: archive[key] for key in archive.files}
    except DAMAGED as error:
        raise TrainingError(
            subject, "is missing or damaged", "name another run, or install reage again"
        ) from error
    owners: dict[str, dict[str, NDArray[Any]]] = {}
    for key, values in arrays.items():
        owner, _, variable = key.split("/", 2)
        owners.setdefault(owner, {})[variable] = values
    return dict(owners)


def _stage_number(path: Path) -> int:
    found = re.match(r"stage_([0-9]+)_", path.parent.name)
    return int(found[1]) if found else -1
