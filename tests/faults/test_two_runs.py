"""Two runs that write into one folder at once."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from reage.images import read_photo

COMMAND = [sys.executable, "-c", "import sys; from reage.cli.app import main; sys.exit(main())"]


def test_both_end_well_and_every_result_is_whole(
    photo: Path, tiny_model: Path, tmp_path: Path
) -> None:
    album, output = tmp_path / "album", tmp_path / "out"
    album.mkdir()
    for number in range(3):
        shutil.copyfile(photo, album / f"{number}.png")
    (album / "broken.jpg").write_bytes(b"\xff\xd8 no more")
    age = [*COMMAND, "age", str(album), "--to", "70", "-o", str(output), "--model", str(tiny_model)]
    runs = [
        subprocess.Popen(age, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    for run in runs:
        _, error = run.communicate()
        assert run.returncode == 1
        assert error.count("\n") == 1
        assert "broken.jpg" in error
    first = (output / "0.png").read_bytes()
    for number in range(3):
        assert (output / f"{number}.png").read_bytes() == first
    assert read_photo(output / "0.png").pixels.shape == (256, 256, 3)
    assert (output / "failures.csv").read_text().count("broken.jpg") == 1
    assert list(output.rglob(".*")) == []
