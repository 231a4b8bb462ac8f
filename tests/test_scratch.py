"""Unfinished files: gone after the run, and gone after the next run where the first was killed."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from reage.scratch import remove_abandoned, replacing, scratch, scratch_folder

# Leaves a file and a folder unfinished, says so, and waits to be killed.
CHILD = """
import sys
from pathlib import Path
from reage.scratch import scratch, scratch_folder

folder = Path(sys.argv[1])
with scratch(folder) as file, scratch_folder(folder) as made:
    file.write_bytes(b"half")
    (made / "part").write_bytes(b"half")
    print("written", flush=True)
    sys.stdin.read()
"""


@contextmanager
def unfinished(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that has a file and a folder unfinished in `folder`; killed in the end."""
    command = [sys.executable, "-c", CHILD, str(folder)]
    child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    with child:
        assert child.stdout is not None
        assert child.stdout.readline() == "written\n"
        try:
            yield child
        finally:
            child.kill()


def test_the_next_run_removes_what_a_killed_one_left(tmp_path: Path) -> None:
    with unfinished(tmp_path):
        pass
    assert len(list(tmp_path.glob(".reage-*.tmp"))) == 2
    remove_abandoned(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_what_a_living_run_writes_stays(tmp_path: Path) -> None:
    with unfinished(tmp_path):
        before = sorted(tmp_path.rglob("*"))
        remove_abandoned(tmp_path)
        assert sorted(tmp_path.rglob("*")) == before
        assert len(before) == 5


def test_a_run_leaves_its_own_unfinished_files_alone(tmp_path: Path) -> None:
    with scratch_folder(tmp_path) as folder:
        (folder / "part").write_bytes(b"half")
        with scratch_folder(tmp_path) as other:
            assert other != folder
        assert (folder / "part").read_bytes() == b"half"
    assert list(tmp_path.iterdir()) == []


def test_only_deep_looks_into_folders(tmp_path: Path) -> None:
    inner = tmp_path / "inner"
    inner.mkdir()
    with unfinished(inner):
        pass
    remove_abandoned(tmp_path)
    assert list(inner.iterdir())
    remove_abandoned(tmp_path, deep=True)
    assert list(inner.iterdir()) == []


def test_other_hidden_files_stay(tmp_path: Path) -> None:
    names = {".reage-notes.txt", ".hidden.lock", "reage.tmp", ".reage-0.tmp"}
    for name in names:
        (tmp_path / name).write_bytes(b"")
    remove_abandoned(tmp_path, deep=True)
    assert {path.name for path in tmp_path.iterdir()} == names


def test_a_whole_file_takes_the_place_of_the_older_one(tmp_path: Path) -> None:
    target = tmp_path / "state.npz"
    target.write_bytes(b"old")
    with replacing(target) as path:
        path.write_bytes(b"new")
        assert target.read_bytes() == b"old"
    assert target.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [target]


def test_an_error_leaves_the_older_file_and_nothing_else(tmp_path: Path) -> None:
    target = tmp_path / "state.npz"
    target.write_bytes(b"old")

    def fail() -> None:
        with replacing(target) as path:
            path.write_bytes(b"ne")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert target.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [target]


def test_what_was_moved_away_stays(tmp_path: Path) -> None:
    with scratch(tmp_path) as path:
        path.write_bytes(b"whole")
        path.replace(tmp_path / "target")
    assert [entry.name for entry in tmp_path.iterdir()] == ["target"]


def test_a_disk_without_locks_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: int) -> bool:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr("reage.scratch._take_lock", refuse)
    with scratch(tmp_path) as path:
        path.write_bytes(b"half")
        remove_abandoned(tmp_path)
        assert path.read_bytes() == b"half"
    assert list(tmp_path.iterdir()) == []
