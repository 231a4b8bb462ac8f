"""Which epochs of a run are left, and what its log keeps of those before."""

from __future__ import annotations

from pathlib import Path

import pytest

from reage.errors import TrainingError
from reage.training.log import Epochs, epochs_left, forget_epochs, read_log

HEAD = "epoch,loss,val_loss"


@pytest.mark.parametrize(
    ("done", "expected"),
    [
        (0, [Epochs(0, 3, 8)]),  # Steps 8, 16 and 20, where training ends.
        (5, [Epochs(0, 1, 3), Epochs(1, 3, 8)]),
        (8, [Epochs(1, 3, 8)]),
        (10, [Epochs(1, 2, 6), Epochs(2, 3, 8)]),
        (18, [Epochs(2, 3, 6)]),
    ],
)
def test_epochs_end_where_they_would_have_ended(done: int, expected: list[Epochs]) -> None:
    assert epochs_left(done, steps=20, length=8) == expected


def test_a_log_that_ends_with_a_whole_epoch() -> None:
    assert epochs_left(10, steps=16, length=8) == [Epochs(1, 2, 6)]
    assert epochs_left(8, steps=16, length=8) == [Epochs(1, 2, 8)]


def write(folder: Path, *lines: str, end: str = "\r\n") -> Path:
    path = folder / "log.csv"
    path.write_bytes(("\r\n".join(lines) + end).encode())
    return path


def test_epochs_to_be_run_again_are_forgotten(tmp_path: Path) -> None:
    path = write(tmp_path, HEAD, "0,3.0,NA", "1,2.0,NA", "2,1.0,NA")
    forget_epochs(path, 1)
    assert path.read_bytes() == b"epoch,loss,val_loss\r\n0,3.0,NA\r\n"
    assert [entry.name for entry in tmp_path.iterdir()] == ["log.csv"]


def test_a_resumed_run_may_log_other_losses(tmp_path: Path) -> None:
    path = write(tmp_path, "epoch,b,d,val_b,val_d", "0,2.0,4.0,NA,NA", "1,2.5,4.5,NA,NA")
    forget_epochs(path, 1, ["d", "c", "b"])
    with path.open("a", newline="") as file:
        file.write("1,7.0,8.0,9.0,NA,NA,NA\r\n")
    assert read_log(path) == {0: {"b": 2.0, "d": 4.0}, 1: {"b": 7.0, "c": 8.0, "d": 9.0}}
    assert path.read_text().splitlines()[0] == "epoch,b,c,d,val_b,val_c,val_d"


def test_a_line_that_a_kill_cut_short_is_left_out(tmp_path: Path) -> None:
    path = write(tmp_path, HEAD, "0,3.0,NA", "1,2.0,N", end="")
    assert read_log(path) == {0: {"loss": 3.0}}
    forget_epochs(path, 5)
    assert path.read_text().splitlines() == [HEAD, "0,3.0,NA"]


def test_no_log_yet(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    forget_epochs(path, 0)
    assert read_log(path) == {}
    assert not path.exists()
    path.touch()
    forget_epochs(path, 0)
    assert read_log(path) == {}


@pytest.mark.parametrize("line", ["x,3.0,NA", "0,much,NA", "0,3.0"])
def test_a_damaged_log_is_named(line: str, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"log\.csv: is damaged; remove it"):
        read_log(write(tmp_path, HEAD, line))
