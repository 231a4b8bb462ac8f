from __future__ import annotations

from pathlib import Path

import pytest
from synthetic_faces import jpeg, utk_files, utk_name, write_archive, write_folder

from reage.data.tfrecords import FaceRecord
from reage.data.utkface import Skipped, parse_name, read_archive, read_folder
from reage.errors import DataError


@pytest.mark.parametrize(
    ("name", "labels"),
    [
        ("100_1_2_20170112213500903.jpg.chip.jpg", (100, 1, 2)),
        ("1_0_4_20161219194756275.jpg", (1, 0, 4)),
        ("some/folder/116_0_3_x.jpg", (116, 0, 3)),
        # Two official names carry slips in the time, which is no label.
        ("24_0_1_20170116220224657 .jpg.chip.jpg", (24, 0, 1)),
        ("55_0_0_20170116232725357jpg.chip.jpg", (55, 0, 0)),
    ],
)
def test_labels_from_a_name(name: str, labels: tuple[int, int, int]) -> None:
    assert parse_name(name) == labels


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("39_1_20170116174525125.jpg.chip.jpg", "3 of the 4 fields"),
        ("holiday.jpg", "1 of the 4 fields"),
        ("img_2017_01_02_03.jpg", "not of the form age_sex_ethnicity_time"),
        ("117_0_0_1.jpg", "the age 117 lies outside 0 to 116"),
        ("-1_0_0_1.jpg", "not a number"),
        ("x_0_0_1.jpg", "not a number"),
        ("²_0_0_1.jpg", "not a number"),
        ("20_2_0_1.jpg", "sex or ethnicity"),
        ("20_0_5_1.jpg", "sex or ethnicity"),
    ],
)
def test_a_wrong_name_says_why(name: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        parse_name(name)


def test_archive_and_folder_hold_the_same(tmp_path: Path) -> None:
    files = utk_files(3) | {"39_1_20170116174525125.jpg.chip.jpg": jpeg(9)}
    archive = write_archive(tmp_path / "UTKFace.tar.gz", files)
    folder = write_folder(tmp_path / "extracted", {f"UTKFace/{k}": v for k, v in files.items()})
    from_archive = sorted(read_archive(archive), key=lambda item: item.file)
    assert from_archive == sorted(read_folder(folder), key=lambda item: item.file)
    records = [item for item in from_archive if isinstance(item, FaceRecord)]
    assert {record.file: record.image for record in records} == utk_files(3)
    (skipped,) = [item for item in from_archive if isinstance(item, Skipped)]
    assert (skipped.file, skipped.split) == ("39_1_20170116174525125.jpg.chip.jpg", "unlabelled")


def test_a_record_carries_the_labels(tmp_path: Path) -> None:
    name = utk_name(34, 1, sex=1, ethnicity=3)
    (record,) = read_archive(write_archive(tmp_path / "a.tar", {name: b"bytes"}, "w"))
    assert record == FaceRecord(name, b"bytes", 34, 1, 3)


def test_other_and_hidden_files_are_no_images(tmp_path: Path) -> None:
    files = {"README.txt": b"", f"._{utk_name(20, 1)}": b"", utk_name(20, 1): b"x"}
    archive = write_archive(tmp_path / "a.tar.gz", files)
    assert [item.file for item in read_archive(archive)] == [utk_name(20, 1)]


@pytest.mark.parametrize("mode", ["w:gz", "w:xz", "w:bz2", "w"])
@pytest.mark.parametrize("share", [0.3, 0.7, 0.95])
def test_a_truncated_archive_is_refused(mode: str, share: float, tmp_path: Path) -> None:
    whole = write_archive(tmp_path / "whole.tar", utk_files(30), mode).read_bytes()
    path = tmp_path / "cut.tar"
    path.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(DataError, match=r"cut.tar: (is truncated or damaged|is not a tar)"):
        list(read_archive(path))


def test_a_tar_that_ends_between_two_members_is_refused(tmp_path: Path) -> None:
    path = write_archive(tmp_path / "a.tar", {utk_name(20, n): bytes(512) for n in range(3)}, "w")
    path.write_bytes(path.read_bytes()[: 2 * 1024])
    with pytest.raises(DataError, match="truncated or damaged"):
        list(read_archive(path))


def test_a_damaged_header_in_the_middle_is_refused(tmp_path: Path) -> None:
    path = write_archive(tmp_path / "a.tar", {utk_name(20, n): bytes(512) for n in range(3)}, "w")
    data = bytearray(path.read_bytes())
    data[1024:1034] = b"\xff" * 10
    path.write_bytes(data)
    with pytest.raises(DataError, match="truncated or damaged"):
        list(read_archive(path))


@pytest.mark.parametrize("data", [b"", b"no archive at all", jpeg(0)])
def test_what_is_no_archive_is_refused(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "faces.tar.gz"
    path.write_bytes(data)
    with pytest.raises(DataError, match="is not a tar archive"):
        list(read_archive(path))
