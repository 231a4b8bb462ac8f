from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from synthetic_faces import jpeg, utk_files, write_archive

from reage.cli.app import main


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    files = utk_files(20) | {f"{n}_1_0.jpg": jpeg(n) for n in range(100, 112)}
    return write_archive(tmp_path / "UTKFace.tar.gz", files)


def test_prepare_and_stats(
    archive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    prepared = tmp_path / "prepared"
    assert main(["data", "prepare", str(archive), "-o", str(prepared)]) == 0
    out = capsys.readouterr().out
    assert f"{prepared}: written: 16 train, 2 validation, 2 test\n" in out
    assert "left out: 12 unlabelled\n" in out
    assert "  100_1_0.jpg: the name has 3 of the 4 fields" in out
    assert "  and 2 more, see" in out

    assert main(["data", "prepare", str(archive), "-o", str(prepared)]) == 0
    assert "is there already, identical and intact" in capsys.readouterr().out

    plots = tmp_path / "plots"
    assert main(["data", "stats", str(prepared), "-o", str(plots)]) == 0
    out = capsys.readouterr().out
    assert "Faces by ethnicity" in out
    assert "left out: 12 unlabelled" in out
    assert len(list(plots.glob("*.png"))) == 5


def test_progress_goes_to_the_error_stream(
    archive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["data", "prepare", str(archive), "-o", str(tmp_path / "prepared")])
    captured = capsys.readouterr()
    for step in ("Reading", "Checking", "Writing train"):
        assert step in captured.err
        assert step not in captured.out


@pytest.mark.parametrize(
    "arguments",
    [
        ["data", "prepare", "absent.tar.gz"],
        ["data", "prepare", "{archive}", "-o", "{folder}"],
        ["data", "stats", "{folder}"],
    ],
)
def test_an_error_is_one_sentence(
    arguments: list[str],
    archive: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    filled = [text.format(archive=archive, folder=tmp_path / "x") for text in arguments]
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "note.txt").write_text("mine")
    assert main(filled) == 1
    error = capsys.readouterr().err
    assert error.splitlines()[-1].startswith("reage: ")
    assert "Traceback" not in error


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys; from reage.cli.app import main; main(['data', 'prepare', '--help']);"
        "heavy = {'numpy', 'cv2', 'PIL', 'tensorflow', 'matplotlib', 'reage.data'};"
        "sys.exit(repr(heavy & set(sys.modules)) if heavy & set(sys.modules) else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "--seed" in done.stdout
