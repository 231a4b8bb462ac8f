from __future__ import annotations

import sys
from pathlib import Path

import pytest
from synthetic_faces import contents, jpeg, utk_files, utk_name, write_archive, write_folder

from reage.data import prepare as prepare_module
from reage.data.prepare import prepare, read_dataset
from reage.data.select import select
from reage.errors import DataError, MissingExtraError, ReageError


def test_a_second_run_finds_everything_in_place(prepared: Path, archive: Path) -> None:
    before = contents(prepared)
    result = prepare(archive, prepared)
    assert result.reused
    assert contents(prepared) == before


@pytest.mark.parametrize("damage", ["cut", "remove", "manifest"])
def test_a_damaged_result_is_not_taken_for_intact(
    damage: str, prepared: Path, archive: Path, finished: Path
) -> None:
    shard = prepared / "train-00003-of-00008.tfrecord"
    if damage == "cut":
        shard.write_bytes(shard.read_bytes()[:-1])
    elif damage == "remove":
        shard.unlink()
    else:
        (prepared / "manifest.csv").write_text("file\n", "utf-8")
    with pytest.raises(DataError, match="--force"):
        prepare(archive, prepared)
    assert not prepare(archive, prepared, force=True).reused
    assert contents(prepared) == contents(finished)


def test_another_data_set_is_replaced_only_by_force(prepared: Path, archive: Path) -> None:
    before = contents(prepared)
    with pytest.raises(DataError, match="another or a damaged data set; replace it with --force"):
        prepare(archive, prepared, seed=1)
    assert contents(prepared) == before
    prepare(archive, prepared, seed=1, force=True)
    assert read_dataset(prepared)["seed"] == 1
    assert [path.name for path in prepared.parent.iterdir()] == ["prepared"]


@pytest.mark.parametrize("force", [False, True])
def test_a_folder_of_other_things_is_never_replaced(
    force: bool, archive: Path, tmp_path: Path
) -> None:
    write_folder(tmp_path / "photos", {"holiday.txt": b"dear"})
    with pytest.raises(DataError, match="exists and is no prepared data set"):
        prepare(archive, tmp_path / "photos", force=force)
    assert contents(tmp_path / "photos") == {"holiday.txt": b"dear"}


def test_the_source_is_never_replaced(prepared: Path) -> None:
    source = write_folder(prepared / "faces", utk_files(3))
    for output in (prepared, source):
        with pytest.raises(DataError, match="holds the source itself"):
            prepare(source, output, force=True)
    assert contents(source) == utk_files(3)


def test_an_empty_output_folder_is_filled(archive: Path, finished: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    assert contents(prepare(archive, tmp_path / "out").folder) == contents(finished)


def bad_sources(folder: Path) -> dict[str, Path]:
    write_folder(folder, {"text.tar.gz": b"no archive", "cut.tar.gz": b""})
    whole = write_archive(folder / "whole.tar.gz", utk_files(5)).read_bytes()
    (folder / "cut.tar.gz").write_bytes(whole[: len(whole) // 2])
    (folder / "empty").mkdir()
    write_folder(folder / "nothing", {"notes.txt": b""})
    write_folder(folder / "names", {"holiday.jpg": jpeg(1)})
    write_archive(folder / "hollow.tar.gz", {})
    (folder / "columns.csv").write_text("file,years\na.jpg,3\n", "utf-8")
    (folder / "rows.csv").write_text("file,age\n", "utf-8")
    return {
        "there is no such file or folder": folder / "absent.tar.gz",
        "is not a tar archive": folder / "text.tar.gz",
        "is truncated or damaged": folder / "cut.tar.gz",
        "holds no images": folder / "empty",
        r"nothing: holds no images": folder / "nothing",
        r"no usable face among 1 file.*holiday.jpg: the name has 1 of the 4": folder / "names",
        r"hollow.tar.gz: holds no images": folder / "hollow.tar.gz",
        "has no column `age`": folder / "columns.csv",
        r"rows.csv: holds no images": folder / "rows.csv",
    }


def test_a_bad_source_is_refused_and_leaves_nothing_behind(tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.mkdir()
    for reason, source in bad_sources(tmp_path).items():
        with pytest.raises(DataError, match=reason) as caught:
            prepare(source, target / "prepared")
        assert str(source) in str(caught.value)
        assert list(target.iterdir()) == []


def test_two_different_files_of_one_name_are_refused(tmp_path: Path) -> None:
    name = utk_name(20, 1)
    source = write_folder(tmp_path, {f"a/{name}": jpeg(1), f"b/{name}": jpeg(1)})
    assert [face.file for face in select(source).faces] == [name]
    (source / "b" / name).write_bytes(jpeg(2))
    with pytest.raises(DataError, match="two different files"):
        select(source)


@pytest.mark.parametrize("replaces", [False, True])
@pytest.mark.parametrize("failure", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_a_failure_while_writing_leaves_what_was_there(
    replaces: bool,
    failure: BaseException,
    archive: Path,
    prepared: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    output = prepared if replaces else prepared.parent / "fresh"
    before = {path.name: contents(path) for path in prepared.parent.iterdir()}
    write_split = prepare_module.write_split

    def fail_at_test_split(folder: Path, split: str, *rest: object, **options: object) -> object:
        if split == "test":
            raise failure
        return write_split(folder, split, *rest, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(prepare_module, "write_split", fail_at_test_split)
    with pytest.raises((ReageError, KeyboardInterrupt)):
        prepare(archive, output, force=True, seed=1)
    assert {path.name: contents(path) for path in prepared.parent.iterdir()} == before


def test_a_failing_rename_brings_the_former_data_back(
    archive: Path, prepared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = contents(prepared)
    rename = Path.replace

    def fail_for_new(self: Path, target: Path) -> Path:
        if self.name == "new":
            raise PermissionError(13, "Permission denied")
        return rename(self, target)

    monkeypatch.setattr(Path, "replace", fail_for_new)
    with pytest.raises(DataError, match="cannot be written"):
        prepare(archive, prepared, force=True)
    assert contents(prepared) == before
    assert [path.name for path in prepared.parent.iterdir()] == ["prepared"]


def test_without_tensorflow_the_extra_is_named(
    archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "tensorflow", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'reage\[train\]'"):
        prepare(archive, tmp_path / "prepared")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("text", ["", "[]", '{"version": 2}', "\xff"])
def test_a_foreign_description_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "dataset.json").write_text(text, "latin-1")
    with pytest.raises(DataError, match=r"dataset\.json"):
        read_dataset(tmp_path)
