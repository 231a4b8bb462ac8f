from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

from reage.data.stats import count_faces, count_tables, left_out, write_plots
from reage.errors import DataError, MissingExtraError

ROWS = """file,split,age,sex,ethnicity,reason
a,train,3,0,0,
b,train,35,1,2,
c,validation,35,1,2,
d,test,110,-1,-1,
e,conflict,40,0,0,copies
f,unlabelled,,,,no age
"""
PLOTS = ["age_group", "sex_ethnicity", "sex_group", "ethnicity_group", "sex_ethnicity_group"]


@pytest.fixture
def prepared(tmp_path: Path) -> Path:
    (tmp_path / "dataset.json").write_text(json.dumps({"version": 1}), "utf-8")
    (tmp_path / "manifest.csv").write_text(ROWS, "utf-8")
    return tmp_path


def test_counts(prepared: Path) -> None:
    counts = count_faces(prepared)
    expected = np.zeros((3, 14, 3, 6), int)
    expected[0, 0, 0, 0] = 1
    expected[0, 6, 1, 2] = expected[1, 6, 1, 2] = 1
    expected[2, 13, 2, 5] = 1
    assert np.array_equal(counts, expected)
    assert left_out(prepared) == {"conflict": 1, "unlabelled": 1}


def test_tables(prepared: Path) -> None:
    console = Console(width=100)
    with console.capture() as capture:
        for table in count_tables(count_faces(prepared)):
            console.print(table)
    rows = [line.replace("│", " ").split() for line in capture.get().splitlines()]
    assert ["31-40", "1", "1", "0", "2", "50.0%"] in rows
    assert ["female", "1", "1", "0", "2", "50.0%"] in rows
    assert ["Asian", "1", "1", "0", "2", "50.0%"] in rows
    assert rows.count(["unknown", "0", "0", "1", "1", "25.0%"]) == 2
    assert rows.count(["all", "2", "1", "1", "4"]) == 3


def test_unknown_is_not_shown_where_it_does_not_occur(prepared: Path) -> None:
    counts = count_faces(prepared)
    counts[2] = 0
    tables = count_tables(counts)
    assert [table.row_count for table in tables] == [15, 3, 6]


@pytest.mark.parametrize("unknown", [False, True])
def test_plots_are_drawn(unknown: bool, prepared: Path) -> None:
    counts = count_faces(prepared)
    counts[2] *= unknown
    paths = write_plots(counts, prepared / "deep" / "plots")
    assert [path.name for path in paths] == [f"{name}.png" for name in PLOTS]
    assert sorted(paths) == sorted((prepared / "deep" / "plots").iterdir())
    for path in paths:
        with Image.open(path) as image:
            assert min(image.size) >= 500
            assert len(np.unique(np.asarray(image.convert("L")))) > 10


def test_the_same_counts_give_the_same_plots(prepared: Path) -> None:
    counts = count_faces(prepared)
    first = [path.read_bytes() for path in write_plots(counts, prepared / "a")]
    assert first == [path.read_bytes() for path in write_plots(counts, prepared / "b")]


def test_a_folder_that_is_not_prepared_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"holds no dataset.json; make it with `reage data"):
        count_faces(tmp_path)


@pytest.mark.parametrize(
    ("manifest", "reason"),
    [
        ("file,split\na,train\n", "has other columns"),
        (ROWS.replace("a,train,3", "a,train,three"), "unreadable labels for a"),
        (ROWS.replace("a,train,3,0", "a,train,3,7"), "unreadable labels for a"),
    ],
)
def test_a_damaged_manifest_is_refused(manifest: str, reason: str, prepared: Path) -> None:
    (prepared / "manifest.csv").write_text(manifest, "utf-8")
    with pytest.raises(DataError, match=reason):
        count_faces(prepared)


def test_an_absent_manifest_is_refused(prepared: Path) -> None:
    (prepared / "manifest.csv").unlink()
    with pytest.raises(DataError, match=r"manifest.csv: cannot be read"):
        count_faces(prepared)


def test_plots_that_cannot_be_written(prepared: Path) -> None:
    with pytest.raises(DataError, match="cannot be written"):
        write_plots(count_faces(prepared), prepared / "manifest.csv")


def test_without_matplotlib_the_extra_is_named(
    prepared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'reage\[train\]'"):
        write_plots(count_faces(prepared), prepared / "plots")
    assert not (prepared / "plots").exists()
