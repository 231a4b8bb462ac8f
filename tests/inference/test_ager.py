from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tiny_model import PER_YEAR, write_tiny_model

import reage
from reage.errors import AgeRangeError, ImageReadError, NoFaceError, UsageError
from reage.faces.types import Face
from reage.inference.ager import FaceAger
from reage.inference.patches import MaskChoice
from reage.inference.video.frames import VideoAger


@pytest.fixture(scope="module")
def ager(tiny_model: Path) -> FaceAger:
    return FaceAger(tiny_model, threads=1)


@pytest.fixture(scope="module")
def astronaut(astronaut_path: Path) -> np.ndarray:
    return np.asarray(Image.open(astronaut_path).convert("RGB"))


@pytest.fixture(scope="module")
def couple(astronaut: np.ndarray) -> np.ndarray:
    """The astronaut twice, the second time at half the size."""
    height, width = astronaut.shape[:2]
    photo = np.full((height, width + width // 2, 3), 128, np.uint8)
    photo[:, :width] = astronaut
    photo[: height // 2, width:] = astronaut[::2, ::2]
    return photo


def at(pixels: np.ndarray, xy: np.ndarray) -> np.ndarray:
    x, y = np.rint(xy).astype(int)
    return pixels[y, x].astype(int)


def cheek(face: Face | reage.AgedFace) -> np.ndarray:
    """A point well inside the face, away from highlights that could saturate."""
    return face.landmarks[[0, 2, 3]].mean(axis=0)


def test_only_the_face_changes_and_by_the_models_delta(
    ager: FaceAger, astronaut: np.ndarray
) -> None:
    result = ager(astronaut, to=40)

    [face] = result.faces
    change = 127.5 * (40 - 50) * PER_YEAR
    inside = at(result.pixels, cheek(face)) - at(astronaut, cheek(face))
    np.testing.assert_allclose(inside, change, atol=1)
    x0, y0, x1, y1 = face.box
    assert (result.pixels != astronaut).any(axis=2)[int(y0) : int(y1), int(x0) : int(x1)].any()
    np.testing.assert_array_equal(result.pixels[300:], astronaut[300:])
    assert result.pixels.shape == astronaut.shape
    assert result.image.size == (512, 512)


def test_result_tells_what_was_done_to_the_face(ager: FaceAger, astronaut: np.ndarray) -> None:
    [face] = ager.age(astronaut, to=70).faces
    assert face.target_age == 70
    assert face.matrix.shape == (2, 3)
    assert face.score > 0.5
    x0, y0, x1, y1 = face.box
    assert 150 < x0 < x1 < 300
    assert 20 < y0 < y1 < 220
    assert (face.landmarks > (x0, y0)).all()
    assert (face.landmarks < (x1, y1)).all()


def test_a_flow_moves_the_face_within_itself(tmp_path: Path, astronaut: np.ndarray) -> None:
    still, moving = (
        FaceAger(write_tiny_model(tmp_path / str(flow), flow=flow), threads=1)
        for flow in ((0.0, 0.0), (0.05, 0.0))
    )
    before, after = (each(astronaut, to=50, mask="shape") for each in (still, moving))
    np.testing.assert_array_equal(before.pixels, astronaut)
    [face] = after.faces
    # What was 0.05 sides to the right of the nose is seen on it.
    step = round(0.05 * crop_side(face))
    x, y = np.rint(face.landmarks[2]).astype(int)
    seen = after.pixels[y - 5 : y + 5, x - 5 : x + 5].astype(int)
    expected = astronaut[y - 5 : y + 5, x - 5 + step : x + 5 + step].astype(int)
    was = astronaut[y - 5 : y + 5, x - 5 : x + 5].astype(int)
    assert np.abs(seen - expected).mean() < 0.2 * np.abs(was - expected).mean()
    np.testing.assert_array_equal(after.pixels[300:], astronaut[300:])


def crop_side(face: reage.AgedFace) -> float:
    """Side of the crop, in pixels of the photo."""
    return 64 / float(np.hypot(*face.matrix[:, 0]))


@pytest.mark.parametrize("mask", ["face", "skin"])
def test_shape_stays_unless_it_is_asked_for(
    tmp_path: Path, astronaut: np.ndarray, mask: MaskChoice
) -> None:
    ager = FaceAger(write_tiny_model(tmp_path, flow=(0.05, 0.0)), threads=1)
    np.testing.assert_array_equal(ager(astronaut, to=50, mask=mask).pixels, astronaut)


def test_nothing_hidden_by_transparency_is_moved_into_sight(
    tmp_path: Path, astronaut: np.ndarray
) -> None:
    ager = FaceAger(write_tiny_model(tmp_path, flow=(0.05, 0.0)), threads=1)
    photo = Image.fromarray(astronaut)
    photo.putalpha(255)
    np.testing.assert_array_equal(ager(photo, to=50, mask="shape").pixels, astronaut)
    opened = ager.open(astronaut, mask="shape")
    assert (opened.age(50).pixels != astronaut).any()
    np.testing.assert_array_equal(opened.on(photo).age(50).pixels, astronaut)


def test_a_model_that_moves_nothing_says_so(ager: FaceAger, astronaut: np.ndarray) -> None:
    with pytest.raises(UsageError, match="mask shape: is beyond this model"):
        ager(astronaut, to=50, mask="shape")
    with pytest.raises(UsageError, match="mask shape: is beyond this model"):
        VideoAger(ager, 50, mask="shape")


def test_same_photo_and_age_give_the_same_bytes(ager: FaceAger, astronaut: np.ndarray) -> None:
    first, second = ager(astronaut, to=70), ager(astronaut, to=70)
    assert first.pixels.tobytes() == second.pixels.tobytes()


def test_path_bytes_image_and_array_are_the_same_photo(
    ager: FaceAger, astronaut: np.ndarray, astronaut_path: Path
) -> None:
    expected = ager(astronaut, to=70).pixels
    sources = (
        astronaut_path,
        str(astronaut_path),
        astronaut_path.read_bytes(),
        Image.fromarray(astronaut),
    )
    for source in sources:
        np.testing.assert_array_equal(ager(source, to=70).pixels, expected)


def test_input_array_stays_as_it_was(ager: FaceAger, astronaut: np.ndarray) -> None:
    photo = astronaut.copy()
    ager(photo, to=90)
    np.testing.assert_array_equal(photo, astronaut)


def test_strength_zero_changes_nothing(ager: FaceAger, astronaut: np.ndarray) -> None:
    np.testing.assert_array_equal(ager(astronaut, to=90, strength=0).pixels, astronaut)


def test_strength_scales_the_change(ager: FaceAger, astronaut: np.ndarray) -> None:
    result = ager(astronaut, to=10, strength=0.5)
    point = cheek(result.faces[0])
    change = 0.5 * 127.5 * (10 - 50) * PER_YEAR
    np.testing.assert_allclose(at(result.pixels, point) - at(astronaut, point), change, atol=1)


def test_ageing_to_the_source_age_changes_nothing(ager: FaceAger, astronaut: np.ndarray) -> None:
    np.testing.assert_array_equal(ager(astronaut, to=33, source_age=33).pixels, astronaut)


def test_source_age_is_where_the_change_begins(ager: FaceAger, astronaut: np.ndarray) -> None:
    result = ager(astronaut, to=20, source_age=40)
    point = cheek(result.faces[0])
    change = 127.5 * (20 - 40) * PER_YEAR
    np.testing.assert_allclose(at(result.pixels, point) - at(astronaut, point), change, atol=1)


def test_every_face_is_aged_largest_first(ager: FaceAger, couple: np.ndarray) -> None:
    result = ager(couple, to=30)
    assert [face.box[0] > 512 for face in result.faces] == [False, True]
    for face in result.faces:
        change = at(result.pixels, cheek(face)) - at(couple, cheek(face))
        np.testing.assert_allclose(change, 127.5 * (30 - 50) * PER_YEAR, atol=1)


@pytest.mark.parametrize(("choice", "count"), [("largest", 1), (1, 1), (2, 2), (9, 2), ("all", 2)])
def test_choice_of_faces(ager: FaceAger, couple: np.ndarray, choice: str | int, count: int) -> None:
    result = ager(couple, to=30, faces=choice)  # type: ignore[arg-type]
    assert len(result.faces) == count
    assert result.faces[0].box[0] < 512
    small_face_changed = (result.pixels[:, 520:] != couple[:, 520:]).any()
    assert small_face_changed == (count == 2)


def test_overlapping_faces_are_cropped_from_the_original(
    tmp_path: Path, astronaut: np.ndarray
) -> None:
    # The delta of this model depends on the crop: a crop from the photo as aged so far would show.
    ager = FaceAger(write_tiny_model(tmp_path, gain=0.2), threads=1)
    once = ager(astronaut, to=50)
    [face] = ager.finder.find(astronaut)

    class Twice:
        def find(self, _: np.ndarray) -> list[Face]:
            return [face, face]

    ager.finder = Twice()  # type: ignore[assignment]
    twice = ager(astronaut, to=50)

    point = cheek(face)
    change_once = at(once.pixels, point) - at(astronaut, point)
    change_twice = at(twice.pixels, point) - at(astronaut, point)
    assert np.abs(change_once).max() >= 4
    np.testing.assert_allclose(change_twice, 2 * change_once, atol=1)


def test_photo_without_a_face_is_named(ager: FaceAger, tmp_path: Path) -> None:
    path = tmp_path / "wall.png"
    Image.new("RGB", (320, 240), (90, 120, 90)).save(path)
    with pytest.raises(NoFaceError, match=r"wall\.png: .*; .+\."):
        ager(path, to=70)


def test_file_that_is_no_photo_is_named(ager: FaceAger, tmp_path: Path) -> None:
    path = tmp_path / "note.jpg"
    path.write_text("dear diary")
    with pytest.raises(ImageReadError, match=r"note\.jpg"):
        ager(path, to=70)


@pytest.mark.parametrize("age", [-1, 117, float("nan"), float("inf")])
def test_age_outside_the_range_is_refused(
    ager: FaceAger, astronaut: np.ndarray, age: float
) -> None:
    with pytest.raises(AgeRangeError):
        ager(astronaut, to=age)
    with pytest.raises(AgeRangeError):
        ager(astronaut, to=30, source_age=age)
    with pytest.raises(AgeRangeError):
        ager.sweep(astronaut, ages=[20, age])


@pytest.mark.parametrize("strength", [-0.1, 1.1, float("nan")])
def test_strength_outside_0_to_1_is_refused(
    ager: FaceAger, astronaut: np.ndarray, strength: float
) -> None:
    with pytest.raises(UsageError, match="from 0 to 1"):
        ager(astronaut, to=30, strength=strength)


@pytest.mark.parametrize("choice", [0, -1, "smallest", True, 1.5])
def test_choice_that_names_no_faces_is_refused(
    ager: FaceAger, astronaut: np.ndarray, choice: object
) -> None:
    with pytest.raises(UsageError, match="names no faces"):
        ager(astronaut, to=30, faces=choice)  # type: ignore[arg-type]


def test_saved_png_holds_the_same_pixels(
    ager: FaceAger, astronaut: np.ndarray, tmp_path: Path
) -> None:
    result = ager(astronaut, to=70)
    result.save(tmp_path / "aged.png")
    saved = np.asarray(Image.open(tmp_path / "aged.png").convert("RGB"))
    np.testing.assert_array_equal(saved, result.pixels)


def test_package_exports_the_same_classes() -> None:
    assert reage.FaceAger is FaceAger
    assert reage.NoFaceError is NoFaceError
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        reage.Nothing  # noqa: B018


@pytest.fixture(scope="module")
def with_band(astronaut: np.ndarray) -> np.ndarray:
    """The astronaut with a black band across her forehead."""
    photo = astronaut.copy()
    photo[84:92, 190:260] = 20
    return photo


def test_the_skin_mask_spares_a_band_and_changes_the_cheeks_as_much(
    ager: FaceAger, with_band: np.ndarray
) -> None:
    whole, skin = (ager(with_band, to=40, mask=mask).pixels for mask in ("face", "skin"))
    [face] = ager(with_band, to=40).faces
    change = at(skin, cheek(face)) - at(with_band, cheek(face))
    np.testing.assert_allclose(change, 127.5 * (40 - 50) * PER_YEAR, atol=1)
    band = np.s_[86:90, 200:250]
    assert (whole[band] != with_band[band]).all()
    np.testing.assert_array_equal(skin[band], with_band[band])


def test_an_opened_photo_keeps_its_mask_at_any_size(ager: FaceAger, with_band: np.ndarray) -> None:
    opened = ager.open(with_band, mask="skin")
    np.testing.assert_array_equal(opened.age(40).pixels, ager(with_band, to=40, mask="skin").pixels)
    large = np.asarray(Image.fromarray(with_band).resize((1024, 1024)))
    aged = opened.on(large).age(40).pixels
    band = np.s_[172:180, 400:500]
    np.testing.assert_array_equal(aged[band], large[band])
    [patch] = opened.patches
    assert (at(aged, 2 * cheek(patch.face)) != at(large, 2 * cheek(patch.face))).all()


def test_an_unknown_mask_is_refused(ager: FaceAger, astronaut: np.ndarray) -> None:
    wrong: Any = "hair"
    for call in (ager.age, ager.open):
        with pytest.raises(UsageError, match="mask hair: is no part of a face; give face, skin"):
            call(astronaut, mask=wrong, **({"to": 40} if call == ager.age else {}))
