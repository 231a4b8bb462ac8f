"""What an exported model says of its training data, and of the terms that come with them."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from reage.errors import ReageError
from reage.training.config import TrainConfig
from reage.training.initial import SHIPPED
from reage.training.run import load_run_config

UTKFACE: Final = "UTKFace"
UTKFACE_LICENCE: Final = "Non-commercial research use, as the UTKFace data; the code is Apache-2.0"
OTHER_LICENCE: Final = "The terms of the data it was trained on; the code is Apache-2.0"


def terms_of(config: TrainConfig, source: str) -> dict[str, str]:
    """The `training_data` and the `licence` of a model.

    Args:
        config: Of the run that trained it.
        source: What its training data were prepared from, as `dataset.json` has it.
    """
    started_from = {init for init in (config.init, config.critic.init) if init}
    data = f"{source}, training split of reage"
    if started_from:
        names = sorted({Path(init).name for init in started_from})
        data += f"; started from {', '.join(names)}"
    from_utkface = source.startswith(UTKFACE) or any(map(_comes_from_utkface, started_from))
    return {"training_data": data, "licence": UTKFACE_LICENCE if from_utkface else OTHER_LICENCE}


def _comes_from_utkface(init: str) -> bool:
    """Whether the shipped weights are behind a run; one that cannot be read may come from them."""
    seen = set()
    while init and init != SHIPPED and init not in seen:
        seen.add(init)
        try:
            config = load_run_config(Path(init))
        except ReageError:
            return True
        init = config.init or config.critic.init
    return init == SHIPPED
