"""What an exported model says of its training data, and of the terms that come with them."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from reage.errors import ReageError
from reage.training.config import TrainConfig
from reage.training.initial import SHIPPED
from reage.training.run import data_source, load_run_config

UTKFACE: Final = "UTKFace"
UTKFACE_LICENCE: Final = "Non-commercial research use, as the UTKFace data; the code is Apache-2.0"
OTHER_LICENCE: Final = "The terms of the data it was trained on; the code is Apache-2.0"


def terms_of(config: TrainConfig, source: str) -> dict[str, str]:
    """The `training_data` and the `licence` of a model.

    Args:
        config: Of the run that trained it.
        source: What its training data were prepared from, as `dataset.json` has it.
    """
    started_from = _teachers(config)
    data = f"{source}, training split of reage"
    if started_from:
        names = sorted({Path(init).name for init in started_from})
        data += f"; started from {', '.join(names)}"
    from_utkface = source.startswith(UTKFACE) or _comes_from_utkface(started_from)
    return {"training_data": data, "licence": UTKFACE_LICENCE if from_utkface else OTHER_LICENCE}


def _teachers(config: TrainConfig) -> set[str]:
    """The runs whose weights a run started from, or was taught by."""
    return {init for init in (config.init, config.critic.init, *config.critics) if init}


def _comes_from_utkface(runs: set[str]) -> bool:
    """Whether UTKFace or the shipped weights are behind runs; one that cannot be read may be."""
    seen, waiting = set[str](), set(runs)
    while waiting:
        run = waiting.pop()
        if run == SHIPPED:
            return True
        seen.add(run)
        try:
            config, source = load_run_config(Path(run)), data_source(Path(run))
        except ReageError:
            return True
        if source.startswith(UTKFACE):
            return True
        waiting |= _teachers(config) - seen
    return False
