from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

import reage
from reage.cli import age
from reage.cli.app import main


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"reage {reage.__version__}\n"


@pytest.mark.parametrize("arguments", [["--help"], ["-h"], []])
def test_help_lists_the_commands(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 0
    out = capsys.readouterr().out
    assert "age" in out
    assert "sweep" in out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["agee"], "No such command 'agee'"),
        (["age", "photo.jpg"], "Missing option '--to'"),
        (["age", "--to", "70"], "Missing argument 'IN"),
        (["age", "photo.jpg", "--to", "70", "--colour"], "No such option: --colour"),
        (["age", "photo.jpg", "--to", "70", "--threads", "few"], "Invalid value for '--threads'"),
    ],
)
def test_wrong_usage_is_one_sentence_and_exits_with_2(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("reage: ")
    assert captured.err.count("\n") == 1
    assert words in captured.err
    assert captured.err.rstrip().endswith("--help.")


def test_interrupt_exits_with_130_and_says_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(age, "parse_faces", interrupted)
    assert main(["age", "photo.jpg", "--to", "70"]) == 130
    assert "Traceback" not in capsys.readouterr().err


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys; from reage.cli.app import main; main(['age', '--help']);"
        "heavy = {'numpy', 'cv2', 'onnxruntime', 'PIL', 'tensorflow', 'keras'};"
        "sys.exit(repr(heavy & set(sys.modules)) if heavy & set(sys.modules) else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("command", ["age", "video"])
def test_a_name_that_no_disk_holds_is_one_sentence(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name = "v" * 300
    album = tmp_path / "album"
    album.mkdir()
    source = album if command == "age" else tmp_path / "clip.mp4"
    assert main([command, str(source), "--to", "70", "-o", str(tmp_path / name)]) == 1
    err = capsys.readouterr().err
    assert err.startswith("reage: ")
    assert name in err
    assert err.count("\n") == 1


def test_a_name_that_the_console_lacks_is_no_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding="cp1252"))
    picture = tmp_path / "\u5199.png"
    Image.new("RGB", (8, 8)).save(picture)
    assert main(["inspect", str(picture)]) == 1
    sys.stdout.flush()
    assert b"\\u5199.png" in written.getvalue()


def test_estimate_and_inspect_have_limits_of_their_own(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    picture = tmp_path / "large.png"
    Image.new("1", (11_000, 10_000)).save(picture)
    assert main(["estimate", str(picture), "--max-pixels", "1000"]) == 1
    assert "over the limit of 1,000" in capsys.readouterr().err
    # Nothing of it is decoded: it has no mark, which is all there is to say.
    assert main(["inspect", str(picture)]) == 1
    captured = capsys.readouterr()
    assert "large.png" in captured.out
    assert captured.err == ""
