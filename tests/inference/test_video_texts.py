"""Texts of a clip that are no UTF-8, with any version of PyAV."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import av
import pytest
from clip_maker import moving_astronaut, write_clip

from reage.cli.app import main
from reage.inference.ager import FaceAger
from reage.inference.video import age_video
from reage.inference.video.reader import Clip


@pytest.fixture(scope="module")
def clip(astronaut_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    texts = {"title": "A head", "comment": "My words"}
    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    return write_clip(path, moving_astronaut(astronaut_path, 3), sound=False, metadata=texts)


def test_a_clip_with_texts_in_another_encoding_is_aged(
    clip: Path, tiny_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    content = clip.read_bytes()
    assert content.count(b"A head") == content.count(b"My words") == 1
    foreign, aged = tmp_path / "foreign.mp4", tmp_path / "aged.mp4"
    foreign.write_bytes(content.replace(b"A head", b"A h\xe9ad").replace(b"words", b"w\xf6rds"))

    assert main(["inspect", str(foreign)]) == 1
    assert age_video(foreign, aged, 70, ager=FaceAger(tiny_model, threads=1)).faces == 1
    with Clip(aged) as result:
        assert result.container.metadata["title"].startswith("A h")
        assert result.container.metadata["comment"].startswith("My w")
    assert main(["inspect", str(aged)]) == 0
    assert "target age 70" in capsys.readouterr().out


def test_pyav_19_is_not_given_the_option_that_it_dropped(
    clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = av.open
    given: list[dict[str, Any]] = []

    def open_and_note(*arguments: Any, **options: Any) -> Any:
        given.append(options)
        return opened(*arguments, **options)

    monkeypatch.setattr(av, "open", open_and_note)
    for version in ("18.1.0", "19.0.1"):
        monkeypatch.setattr(av, "__version__", version)
        with Clip(clip):
            pass
    before, after = given[0], given[-1]
    assert before["metadata_errors"] == "replace"
    assert after == {name: value for name, value in before.items() if name != "metadata_errors"}
