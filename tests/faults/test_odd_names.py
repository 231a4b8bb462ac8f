"""Names and kinds of files that trip programs up: each is aged, or refused in one sentence."""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path

import pytest
from PIL import Image

from reage.cli.app import main

posix = pytest.mark.skipif(os.name != "posix", reason="names and files that only POSIX has")


@pytest.mark.parametrize(
    "name",
    [
        "a b  c.png",
        "-to.png",
        "--help.png",
        "[red]x[bold].png",
        "%s{0}$HOME`id`.png",
        "né 写真.png",
        ".hidden.png",
        "a.b.c.png",
        pytest.param("line\nbreak.png", marks=posix),
        pytest.param("caf\udce9.png", marks=posix, id="not UTF-8"),
        pytest.param("x" * 248 + ".png", id="longest"),
    ],
)
def test_any_name_is_aged(
    reage, photo: Path, monkeypatch: pytest.MonkeyPatch, name: str, capsys
) -> None:
    monkeypatch.chdir(photo.parent)
    try:
        photo.rename(name)
    except OSError:
        pytest.skip("the file system does not allow the name")
    # As in most languages' locales, where what is no text cannot be printed as it is.
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO(), "utf-8", errors="strict"))
    assert reage("age", "--to", 70, "--", name) == 0
    expected = f"{Path(name).stem}_70.png"
    assert {path.name for path in Path().iterdir()} == {name, expected}
    with Image.open(expected) as aged:
        aged.load()
    assert capsys.readouterr().err == ""


@posix
def test_a_folder_of_names_that_are_no_text(reage, photo: Path, tmp_path: Path, capsys) -> None:
    album = tmp_path / os.fsdecode(b"\xe9t\xe9")
    try:
        album.mkdir()
    except OSError:
        pytest.skip("the file system does not allow the name")
    photo.rename(album / os.fsdecode(b"\xff.png"))
    (album / os.fsdecode(b"\xfe.jpg")).write_bytes(b"no photo")
    assert reage("age", album, "--to", 70, "-o", tmp_path / "out") == 1
    written = {os.fsencode(path.name) for path in (tmp_path / "out").iterdir()}
    assert written == {b"failures.csv", b"\xff.png"}
    assert b"\xe9t\xe9/\xfe.jpg," in (tmp_path / "out" / "failures.csv").read_bytes()
    assert "1 aged, 0 there already, 1 failed" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["x" * 252 + ".png", "x" * 5000])
def test_a_name_too_long_is_refused(reage, photo: Path, one_sentence, name: str) -> None:
    assert reage("age", photo, "--to", 70, "-o", photo.parent / name) == 1
    one_sentence("name")
    assert reage("age", photo.parent / name, "--to", 70) == 1
    one_sentence("xxx")


def test_a_photo_whose_result_would_have_too_long_a_name(reage, photo: Path, one_sentence) -> None:
    longest = photo.rename(photo.with_name("x" * 251 + ".png"))
    assert reage("age", longest, "--to", 70) == 1
    one_sentence("File name too long" if os.name == "posix" else "cannot be written")
    assert reage("age", longest, "--to", 70, "--in-place") == 0


@pytest.mark.usefixtures("photo")
def test_dots_lead_where_they_say(reage, tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    source = tmp_path / "a" / "b" / ".." / ".." / "me.png"
    assert reage("age", source, "--to", 70, "-o", tmp_path / "a" / ".." / "old.png") == 0
    assert (tmp_path / "old.png").is_file()


@posix
@pytest.mark.parametrize("command", ["age", "sweep", "video", "inspect", "estimate"])
@pytest.mark.parametrize("kind", ["pipe", "device", "loop", "dangling link"])
def test_what_is_no_file_is_refused_as_input(
    tmp_path: Path, one_sentence, command: str, kind: str
) -> None:
    source = odd_file(tmp_path, kind)
    years = {"age": ["--to", "70"], "video": ["--to", "70"]}.get(command, [])
    assert main([command, str(source), *years]) == 1
    one_sentence(str(source))


@posix
@pytest.mark.parametrize("kind", ["pipe", "device"])
def test_what_is_no_file_is_refused_as_output(
    reage, photo: Path, tmp_path: Path, one_sentence, kind: str
) -> None:
    target = odd_file(tmp_path, kind)
    assert reage("age", photo, "--to", 70, "-o", target) == 1
    one_sentence("is no regular file")


@posix
def test_a_pipe_is_refused_as_model_and_as_certificate(
    photo: Path, tmp_path: Path, one_sentence
) -> None:
    os.mkfifo(tmp_path / "generator_encoder.onnx")
    assert main(["age", str(photo), "--to", "70", "--model", str(tmp_path)]) == 1
    one_sentence("generator_encoder.onnx: is no regular file")
    pytest.importorskip("c2pa")
    pipe = odd_file(tmp_path, "pipe")
    certificate = ["--c2pa-cert", str(pipe), "--c2pa-key", str(pipe)]
    assert main(["age", str(photo), "--to", "70", *certificate]) == 2
    one_sentence("is no regular file")


@posix
def test_a_loop_of_links_is_a_place_to_write(reage, photo: Path, tmp_path: Path) -> None:
    loop = odd_file(tmp_path, "loop")
    assert reage("age", photo, "--to", 70, "-o", loop) == 0
    with Image.open(loop) as aged:
        aged.load()


def odd_file(folder: Path, kind: str) -> Path:
    path = folder / "odd.png"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "device":
        path.symlink_to("/dev/zero")
    elif kind == "loop":
        path.symlink_to(folder / "back.png")
        (folder / "back.png").symlink_to(path)
    else:
        path.symlink_to(folder / "gone.png")
    return path
