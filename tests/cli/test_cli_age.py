from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from reage.cli.app import main

Run = Callable[..., int]


@pytest.fixture
def run(tiny_model: Path) -> Run:
    def run_age(*arguments: object) -> int:
        model = ["--model", str(tiny_model), "--threads", "1"]
        return main(["age", *map(str, arguments), *model])

    return run_age


@pytest.fixture
def photo(tmp_path: Path, astronaut_path: Path) -> Path:
    return Path(shutil.copy(astronaut_path, tmp_path / "me.png"))


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def assert_one_sentence(err: str, *words: str) -> None:
    assert err.startswith("reage: ")
    assert err.count("\n") == 1, err
    assert err.endswith(".\n")
    assert "Traceback" not in err
    for word in words:
        assert word in err


def test_writes_beside_the_input_and_says_so(
    run: Run, photo: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = photo.read_bytes()
    assert run(photo, "--to", 70) == 0
    assert names(photo.parent) == {"me.png", "me_70.png"}
    assert photo.read_bytes() == before
    with Image.open(photo.parent / "me_70.png") as aged, Image.open(photo) as original:
        assert aged.size == original.size
        assert (np.asarray(aged.convert("RGB")) != np.asarray(original.convert("RGB"))).any()
    captured = capsys.readouterr()
    assert captured.out.startswith(f"{photo} -> {photo.parent / 'me_70.png'}: 1 face, ")
    assert captured.out.endswith(" ms\n")
    assert captured.err == ""


def test_the_source_age_can_be_read_from_the_name(
    run: Run, photo: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    named = photo.rename(photo.with_name("48_1_0_20170120134009260.png"))
    outputs = [photo.with_name(f"{name}.png") for name in ("named", "told")]
    assert run(named, "--to", 70, "--source-age", "from-name", "-o", outputs[0]) == 0
    assert run(named, "--to", 70, "--source-age", 48, "-o", outputs[1]) == 0
    first, second = (np.asarray(Image.open(path)) for path in outputs)
    np.testing.assert_array_equal(first, second)
    capsys.readouterr()
    other = named.rename(photo)
    assert run(other, "--to", 70, "--source-age", "from-name") == 1
    assert_one_sentence(capsys.readouterr().err, "me.png", "1 of the 4 fields", "--source-age")


def test_same_command_twice_replaces_the_output_with_the_same_bytes(
    run: Run, photo: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(photo, "--to", 70) == 0
    first = (photo.parent / "me_70.png").read_bytes()
    capsys.readouterr()
    assert run(photo, "--to", 70) == 0
    assert (photo.parent / "me_70.png").read_bytes() == first
    assert "me_70.png (replaced): 1 face" in capsys.readouterr().out


def test_options_reach_the_ager(run: Run, photo: Path, tmp_path: Path) -> None:
    original = np.asarray(Image.open(photo).convert("RGB"))
    for index, options in enumerate((["--strength", 0], ["--source-age", 70, "--faces", 1])):
        output = tmp_path / f"out{index}.png"
        assert run(photo, "--to", 70, "-o", output, *options) == 0
        np.testing.assert_array_equal(np.asarray(Image.open(output).convert("RGB")), original)


def test_suffix_of_the_output_names_the_format(run: Run, photo: Path, tmp_path: Path) -> None:
    assert run(photo, "--to", 8, "-o", tmp_path / "young.jpg") == 0
    assert Image.open(tmp_path / "young.jpg").format == "JPEG"


def test_one_bad_photo_does_not_stop_the_rest(
    run: Run, photo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    note = tmp_path / "note.jpg"
    note.write_text("dear diary")
    second = Path(shutil.copy(photo, tmp_path / "you.png"))
    out = tmp_path / "out"

    assert run(photo, note, tmp_path / "missing.jpg", second, "--to", 70, "-o", out) == 1

    assert names(out) == {"me_70.png", "you_70.png"}
    captured = capsys.readouterr()
    assert len(captured.out.splitlines()) == 2
    first, other = captured.err.splitlines(keepends=True)
    assert_one_sentence(first, "note.jpg")
    assert_one_sentence(other, "missing.jpg")


def test_rerun_over_a_glob_never_replaces_an_input(
    run: Run, photo: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(photo, "--to", 70) == 0
    aged = photo.parent / "me_70.png"
    before = aged.read_bytes()
    capsys.readouterr()
    assert run(photo, aged, "--to", 70) == 1
    assert aged.read_bytes() == before
    assert_one_sentence(capsys.readouterr().err, "me_70.png", "never replaced", "-o")


def missing(folder: Path) -> Path:
    return folder / "missing.jpg"


def directory(folder: Path) -> Path:
    (folder / "photos.jpg").mkdir()
    return folder / "photos.jpg"


def text(folder: Path) -> Path:
    (folder / "text.jpg").write_text("these are words, not pixels")
    return folder / "text.jpg"


def empty(folder: Path) -> Path:
    (folder / "empty.jpg").touch()
    return folder / "empty.jpg"


def faceless(folder: Path) -> Path:
    Image.new("RGB", (400, 300), (60, 120, 60)).save(folder / "wall.png")
    return folder / "wall.png"


def tiny(folder: Path) -> Path:
    Image.new("RGB", (1, 1)).save(folder / "dot.png")
    return folder / "dot.png"


@pytest.mark.parametrize("make", [missing, directory, text, empty, faceless, tiny])
def test_bad_photo_is_one_sentence_and_leaves_nothing(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str], make: Callable[[Path], Path]
) -> None:
    path = make(tmp_path)
    before = names(tmp_path)
    assert run(path, "--to", 70, "-o", f"{tmp_path}/out/") == 1
    assert_one_sentence(capsys.readouterr().err, path.name)
    assert names(tmp_path) == before


def test_truncated_photo_is_one_sentence(
    run: Run, tmp_path: Path, astronaut_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "cut.jpg"
    Image.open(astronaut_path).convert("RGB").save(path)
    path.write_bytes(path.read_bytes()[:9000])
    assert run(path, "--to", 70) == 1
    assert_one_sentence(capsys.readouterr().err, "cut.jpg")
    assert names(tmp_path) == {"cut.jpg"}


@pytest.mark.shared
@pytest.mark.parametrize("number", ["32", "34", "35", "37", "41", "87"])
def test_hostile_file_is_one_sentence(
    run: Run,
    tmp_path: Path,
    shared_data: Path,
    capsys: pytest.CaptureFixture[str],
    number: str,
) -> None:
    [source] = (shared_data / "photos").glob(f"{number}_*")
    path = Path(shutil.copy(source, tmp_path))
    assert run(path, "--to", 70) == 1
    assert_one_sentence(capsys.readouterr().err, path.name)
    assert names(tmp_path) == {path.name}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--to", "-1"], "age -1: lies outside"),
        (["--to", "200"], "age 200: lies outside"),
        (["--to", "abc"], "age abc: is not a number"),
        (["--to", "nan"], "age nan: lies outside"),
        (["--to", "70", "--strength", "2"], "strength 2"),
        (["--to", "70", "--source-age", "300"], "age 300"),
        (["--to", "70", "--faces", "none"], "--faces none"),
        (["--to", "70", "--faces", "0"], "--faces 0"),
        (["--to", "70", "--threads", "0"], "threads 0"),
    ],
)
def test_wrong_value_is_one_sentence_and_exits_with_2(
    photo: Path,
    tiny_model: Path,
    capsys: pytest.CaptureFixture[str],
    options: list[str],
    words: str,
) -> None:
    assert main(["age", str(photo), "--model", str(tiny_model), *options]) == 2
    assert_one_sentence(capsys.readouterr().err, words)
    assert names(photo.parent) == {"me.png"}


def test_wrong_value_in_a_batch_is_said_once(
    run: Run, photo: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = Path(shutil.copy(photo, photo.parent / "you.png"))
    assert run(photo, other, "--to", 70, "--strength", 7) == 2
    assert_one_sentence(capsys.readouterr().err, "strength 7")


@pytest.mark.parametrize("output", ["nowhere/me.png", "file/me.png", "me.xyz", "file/folder/"])
def test_output_that_cannot_be_written_is_one_sentence(
    run: Run, photo: Path, capsys: pytest.CaptureFixture[str], output: str
) -> None:
    folder = photo.parent
    (folder / "file").touch()
    assert run(photo, "--to", 70, "-o", f"{folder}/{output}") == 1
    assert_one_sentence(capsys.readouterr().err, str(Path(output)).split("/")[-1])
    assert names(folder) == {"me.png", "file"}


def test_missing_model_is_one_sentence(
    photo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["age", str(photo), "--to", "70", "--model", str(tmp_path / "none")]) == 1
    assert_one_sentence(capsys.readouterr().err, "generator_encoder.onnx", "is missing")
    assert names(tmp_path) == {"me.png"}


def test_a_mask_of_skin_changes_less_and_an_unknown_one_is_refused(
    run: Run, photo: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    changed = {}
    with Image.open(photo) as original:
        before = np.asarray(original.convert("RGB"))
    for mask in ("face", "skin"):
        target = photo.parent / f"{mask}.png"
        assert run(photo, "--to", 70, "-o", target, "--mask", mask) == 0
        with Image.open(target) as aged:
            changed[mask] = int((np.asarray(aged.convert("RGB")) != before).any(axis=2).sum())
    assert 0 < changed["skin"] < 0.9 * changed["face"]
    capsys.readouterr()
    assert run(photo, "--to", 70, "-o", photo.parent / "c.png", "--mask", "hair") == 2
    assert_one_sentence(capsys.readouterr().err, "mask hair", "give face, skin or shape")


def test_somebodys_picture_is_not_replaced_by_a_name_that_nobody_gave(
    run: Run, photo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own = tmp_path / "me_70.png"
    Image.new("RGB", (50, 50), "red").save(own)
    before = own.read_bytes()
    assert run(photo, "--to", 70) == 1
    assert_one_sentence(capsys.readouterr().err, "me_70.png", "another picture", "not replaced")
    assert own.read_bytes() == before
    # Whoever names it means it.
    assert run(photo, "--to", 70, "-o", own) == 0
    assert own.read_bytes() != before


def test_a_picture_under_another_formats_name_is_not_made_one_of_that_name(
    run: Run, photo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    misnamed = photo.rename(tmp_path / "me.jpg")
    before = misnamed.read_bytes()
    assert run(misnamed, "--to", 70, "--in-place") == 1
    assert_one_sentence(capsys.readouterr().err, "me.jpg", "is a PNG file", "rename it")
    assert misnamed.read_bytes() == before


@pytest.mark.parametrize("suffix", ["", ".jpg", ".JPEG", ".png", ".webp", ".tif", ".bmp", ".gif"])
def test_a_picture_under_its_own_name_is_replaced(
    run: Run, photo: Path, tmp_path: Path, suffix: str
) -> None:
    own = tmp_path / f"own{suffix}"
    with Image.open(photo) as image:
        image.convert("RGB").save(own, None if suffix else "JPEG")
    before = own.read_bytes()
    assert run(own, "--to", 70, "--in-place") == 0
    assert own.read_bytes() != before
