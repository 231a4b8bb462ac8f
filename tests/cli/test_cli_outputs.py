from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from reage.cli.outputs import OutputPlan
from reage.errors import ImageWriteError, UsageError


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("me.jpg", "me_70.jpg"),
        ("ME.JPEG", "ME_70.JPEG"),
        ("a.b.png", "a.b_70.png"),
        ("noext", "noext_70.jpg"),
        ("drawing.svg", "drawing_70.jpg"),
    ],
)
def test_default_is_beside_the_input_in_its_format(
    tmp_path: Path, name: str, expected: str
) -> None:
    source = tmp_path / name
    assert OutputPlan([source], None, "70").path(source) == tmp_path / expected


def test_named_file(tmp_path: Path) -> None:
    source, output = tmp_path / "me.jpg", tmp_path / "old.png"
    assert OutputPlan([source], str(output), "70").path(source) == output


@pytest.mark.parametrize("ending", ["", "/"])
def test_several_inputs_go_into_a_folder_that_is_made_when_needed(
    tmp_path: Path, ending: str
) -> None:
    sources = [tmp_path / "a.jpg", tmp_path / "b.png"]
    plan = OutputPlan(sources, f"{tmp_path}/new/folder{ending}", "70")
    assert [plan.path(source) for source in sources] == [
        tmp_path / "new/folder/a_70.jpg",
        tmp_path / "new/folder/b_70.png",
    ]
    assert not (tmp_path / "new").exists()
    plan.make_folder()
    assert (tmp_path / "new/folder").is_dir()


def test_one_input_goes_into_a_folder_that_exists_or_ends_with_a_slash(tmp_path: Path) -> None:
    source = tmp_path / "a.jpg"
    (tmp_path / "there").mkdir()
    for output in (tmp_path / "there", f"{tmp_path}/new/"):
        target = OutputPlan([source], str(output), "70").path(source)
        assert target == Path(output) / "a_70.jpg"


def test_one_file_for_several_inputs_is_wrong_usage(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="one file for several photos"):
        OutputPlan([tmp_path / "a.jpg", tmp_path / "b.jpg"], str(tmp_path / "c.jpg"), "70")


def test_input_is_never_the_output(tmp_path: Path, symlink: Callable[[Path, Path], None]) -> None:
    source, other = tmp_path / "me.jpg", tmp_path / "me_70.jpg"
    source.touch()
    other.touch()
    symlink(tmp_path / "link.jpg", source)
    with pytest.raises(ImageWriteError, match="never replaced; name another output"):
        OutputPlan([source], str(source), "70").path(source)
    with pytest.raises(ImageWriteError, match="never replaced"):
        OutputPlan([source], str(tmp_path / "link.jpg"), "70").path(source)
    with pytest.raises(ImageWriteError, match="never replaced"):
        OutputPlan([source, other], None, "70").path(source)


def test_two_inputs_never_share_an_output(tmp_path: Path) -> None:
    sources = [tmp_path / "x/me.jpg", tmp_path / "y/me.jpg"]
    plan = OutputPlan(sources, f"{tmp_path}/out/", "70")
    plan.path(sources[0])
    with pytest.raises(ImageWriteError, match=r"already holds the result of .*x.me\.jpg"):
        plan.path(sources[1])


def test_folder_under_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ImageWriteError, match="cannot be made a folder"):
        OutputPlan([tmp_path / "a.jpg"], f"{tmp_path}/file/out/", "70")


def test_name_too_long_for_a_path_is_said(tmp_path: Path) -> None:
    with pytest.raises(ImageWriteError, match="is no path"):
        OutputPlan([tmp_path / "a.jpg"], f"{tmp_path}/{'x' * 300}/", "70")


@pytest.mark.parametrize("source", [Path(), Path("/"), Path("..")])
def test_folder_as_an_input_is_left_for_the_reader_to_refuse(source: Path) -> None:
    assert OutputPlan([source], None, "70").path(source).name.endswith("_70.jpg")
