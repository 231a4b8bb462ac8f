from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from grey_faces import GreyJudges

from reage.data.tfrecords import FaceRecord, write_split
from reage.evaluation import tables
from reage.evaluation.judges import FILES, Judges
from reage.evaluation.run import Protocol, evaluate


class TimedGreyJudges(GreyJudges):
    def milliseconds(self, images: np.ndarray) -> dict[str, float]:
        return {"grey": float(len(images))}


def record(number: int, age: int) -> FaceRecord:
    pixels = np.full((20, 20, 3), age, np.uint8)
    pixels[..., 2] = number
    image = cv2.imencode(".png", pixels)[1].tobytes()
    return FaceRecord(f"{age}_{number}.jpg", image, age, number % 2, number % 5)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("prepared")
    ages = [3, 28, 45, 65]
    write_split(folder, "test", [record(n, ages[n % 4]) for n in range(20)])
    write_split(folder, "train", [record(50 + n, ages[n % 4]) for n in range(80)])
    return folder


def test_a_whole_evaluation(prepared: Path, tiny_model: Path, tmp_path: Path) -> None:
    said: list[str] = []
    protocol = Protocol(faces=8, size=16, targets=(2.5, 28.0, 65.5), strength_curve=True)
    report, picture = evaluate(
        tiny_model,
        prepared,
        TimedGreyJudges(),
        protocol,
        name="ours",
        cache=tmp_path,
        progress=lambda *_: None,
        announce=said.append,
    )
    names = [summary["system"] for summary in report["systems"]]
    assert names == ["ours", "identity copy", "nearest real face"]
    # Two of the eight faces drawn are of each group, so six are compared with six real ones.
    assert report["real_distances"][0]["reference_held_out"] == 5
    assert report["real_distances"][0]["reference_training"] == 1
    counts = [row["first_pass"]["count"] for row in report["systems"][0]["by_target"]]
    assert counts == [report["distance_limit"]] * 3 == [6] * 3
    assert report["real_faces"] == 4 * 12
    # 8 faces to 3 ages and back, and to 8 ages at 5 strengths.
    assert "48 real and 368 aged images" in said[0]
    assert len(report["files"]) == len(set(report["files"])) == 8
    assert len(report["strength_curve"]) == 5
    copy, nearest = report["systems"][1:]
    assert copy["overall"]["verified"] == 1.0
    assert nearest["by_target"][0]["mean_judged_age"] == 3.0
    assert picture.width == 8 * 16
    assert "0-5 5+1" in tables.sources_sentence(report)
    # The judges look at brightness alone: a mirror image is the same to them.
    noise = {"sex_kept": 1.0, "verified": 1.0, "age_change": 0.0}
    # They find nobody to be a man, and half of the faces are of men.
    assert report["mirrored"] == noise | {"sex_as_labelled": 0.5}
    assert "sex kept 100.0 %, same person 100.0 %" in tables.mirror_sentence(report)
    assert "as labelled for 50.0 %." in tables.mirror_sentence(report)


def test_a_quick_evaluation_is_smaller(prepared: Path, tiny_model: Path) -> None:
    assert len(Protocol(faces=1000).quick().targets) == 8
    protocol = Protocol(faces=4, size=16).quick()
    report, _ = evaluate(
        tiny_model,
        prepared,
        TimedGreyJudges(),
        protocol,
        cache=None,
        progress=lambda *_: None,
    )
    assert report["systems"][0]["faces"] == 4
    assert report["real_faces_held_out"] == 16


@pytest.mark.shared
def test_real_judges_score_a_few_faces(shared_data: Path) -> None:
    judges = Judges(shared_data / "judges", threads=1)
    images = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3), np.uint8)
    verdicts = judges(images)
    assert verdicts.ages.shape == (2, 3)
    assert verdicts.embeddings.shape == (2, 128)
    assert all(np.isfinite(values).all() for values in vars(verdicts).values())
    assert set(judges.milliseconds(images)) == set(FILES)
