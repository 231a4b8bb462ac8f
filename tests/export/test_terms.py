"""What an exported model says of its data."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from reage.export.terms import OTHER_LICENCE, UTKFACE_LICENCE, terms_of
from reage.training.config import CriticConfig, TrainConfig, as_dict


def a_run(folder: Path, **settings: object) -> str:
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(as_dict(TrainConfig(**settings))))
    return str(folder)


def test_own_photos_alone_bring_their_own_terms(tmp_path: Path) -> None:
    assert terms_of(TrainConfig(), "family") == {
        "training_data": "family, training split of reage",
        "licence": OTHER_LICENCE,
    }
    chain = a_run(tmp_path / "second", init=a_run(tmp_path / "first"))
    found = terms_of(TrainConfig(init=chain), "family")
    assert found["training_data"] == "family, training split of reage; started from second"
    assert found["licence"] == OTHER_LICENCE


def test_what_utkface_had_a_part_in_keeps_its_licence(tmp_path: Path) -> None:
    assert terms_of(TrainConfig(), "UTKFace.tar.gz")["licence"] == UTKFACE_LICENCE
    fine_tuned = TrainConfig(init="shipped")
    assert terms_of(fine_tuned, "family")["licence"] == UTKFACE_LICENCE
    by_critic = dataclasses.replace(TrainConfig(), critic=CriticConfig(init="shipped"))
    assert terms_of(by_critic, "family")["licence"] == UTKFACE_LICENCE
    chain = a_run(tmp_path / "second", init=a_run(tmp_path / "first", init="shipped"))
    assert terms_of(TrainConfig(init=chain), "family")["licence"] == UTKFACE_LICENCE


@pytest.mark.parametrize("content", [None, "no json"])
def test_a_run_that_is_gone_may_come_from_utkface(tmp_path: Path, content: str | None) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    if content is not None:
        (gone / "config.json").write_text(content)
    assert terms_of(TrainConfig(init=str(gone)), "family")["licence"] == UTKFACE_LICENCE


def test_a_circle_of_runs_ends(tmp_path: Path) -> None:
    run = tmp_path / "run"
    a_run(run, init=str(run))
    assert terms_of(TrainConfig(init=str(run)), "family")["licence"] == OTHER_LICENCE


def test_every_teacher_counts(tmp_path: Path) -> None:
    other = a_run(tmp_path / "other", critic=CriticConfig(init="shipped"))
    taught = TrainConfig(critics=(other,))
    assert terms_of(taught, "family") == {
        "training_data": "family, training split of reage; started from other",
        "licence": UTKFACE_LICENCE,
    }
    both = a_run(
        tmp_path / "both", init=a_run(tmp_path / "own"), critic=CriticConfig(init="shipped")
    )
    assert terms_of(TrainConfig(init=both), "family")["licence"] == UTKFACE_LICENCE


def test_what_a_run_was_trained_on_counts(tmp_path: Path) -> None:
    run = a_run(tmp_path / "run")
    (tmp_path / "run" / "data.json").write_text('{"source": "UTKFace.tar.gz"}')
    assert terms_of(TrainConfig(init=run), "family")["licence"] == UTKFACE_LICENCE
