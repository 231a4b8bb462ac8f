"""A disk that is full or read-only, and folders without permission: one sentence, nothing torn."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from reage.errors import ImageReadError, ImageWriteError
from reage.images import replace_file
from reage.inference.folder import find_jobs


@pytest.fixture
def full_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files can be opened, and take no byte."""
    opened = Path.open

    def open_full(path: Path, mode: str = "r", *args: object, **options: object):
        stream = opened(path, mode, *args, **options)
        if "x" in mode or "w" in mode:
            stream.close()
            return opened(Path("/dev/full"), "wb", buffering=0)
        return stream

    if not Path("/dev/full").exists():
        pytest.skip("there is no device that is always full")
    monkeypatch.setattr(Path, "open", open_full)


@pytest.mark.usefixtures("full_disk")
def test_a_full_disk_is_one_sentence_and_leaves_nothing(
    reage, photo: Path, tmp_path: Path, one_sentence
) -> None:
    assert reage("age", photo, "--to", 70, "-o", tmp_path / "old.png") == 1
    one_sentence("old.png: cannot be written (No space left on device)")
    assert [path.name for path in tmp_path.iterdir()] == ["me.png"]


@pytest.mark.usefixtures("full_disk")
def test_a_full_disk_leaves_the_older_file(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    descriptor = os.open(path, os.O_CREAT | os.O_WRONLY)
    os.write(descriptor, b"old")
    os.close(descriptor)
    with pytest.raises(ImageWriteError, match="No space left"):
        replace_file(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.usefixtures("full_disk")
def test_a_full_disk_in_a_folder_is_said_even_if_the_table_cannot_be_written(
    reage, photo: Path, tmp_path: Path, capsys
) -> None:
    album = tmp_path / "album"
    album.mkdir()
    photo.rename(album / "me.png")
    assert reage("age", album, "--to", 70, "-o", tmp_path / "out") == 1
    captured = capsys.readouterr()
    assert "0 aged, 0 there already, 1 failed" in captured.out
    assert captured.err.count("No space left on device") == 2
    assert "Traceback" not in captured.err
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize(
    ("mount", "output", "words"),
    [
        ("size=200k", "old.png", "old.png: cannot be written (No space left on device)"),
        ("size=1m,remount,ro", "old.png", "old.png: may not be written"),
        ("size=1m,remount,ro", "new/", "new: cannot be made a folder"),
    ],
)
def test_a_real_disk(
    photo: Path, tiny_model: Path, tmp_path: Path, mount: str, output: str, words: str
) -> None:
    """In a name space of its own the test may mount a small disk, where the system allows it."""
    unshare = shutil.which("unshare")
    if unshare is None or subprocess.run([unshare, "-rm", "true"], check=False).returncode:
        pytest.skip("no file systems can be mounted")
    size, _, rest = mount.partition(",")
    remount = f"mount -o {rest} {tmp_path}/disk" if rest else "true"
    (tmp_path / "disk").mkdir()
    script = (
        f"mount -t tmpfs -o {size} none {tmp_path}/disk && cp {photo} {tmp_path}/disk/me.png"
        f" && {remount} && cd {tmp_path}/disk && {sys.executable} -c"
        " 'import sys; from reage.cli.app import main; sys.exit(main())'"
        f" age me.png --to 70 -o {output} --model {tiny_model} --threads 1; code=$?; ls; exit $code"
    )
    done = subprocess.run([unshare, "-rm", "sh", "-c", script], capture_output=True, text=True)
    assert done.returncode == 1
    assert words in done.stderr
    assert done.stderr.count("\n") == 1
    assert done.stdout == "me.png\n"


def test_a_file_without_permission_is_refused(
    reage, photo: Path, monkeypatch: pytest.MonkeyPatch, one_sentence
) -> None:
    opened = Path.open

    def deny(path: Path, *arguments: object, **options: object):
        if path == photo:
            raise PermissionError(errno.EACCES, "Permission denied")
        return opened(path, *arguments, **options)

    monkeypatch.setattr(Path, "open", deny)
    assert reage("age", photo, "--to", 70) == 1
    one_sentence("may not be read; check its permissions")


def test_a_folder_that_cannot_be_searched_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "album" / "closed").mkdir(parents=True)
    search = os.scandir

    def deny(path: os.PathLike[str] | str):
        if Path(path).name == "closed":
            raise PermissionError(errno.EACCES, "Permission denied", os.fspath(path))
        return search(path)

    monkeypatch.setattr(os, "scandir", deny)
    with pytest.raises(ImageReadError, match=r"closed: cannot be searched \(Permission denied\)"):
        find_jobs(tmp_path / "album", tmp_path / "out", lambda path: path.suffix)
