from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from synthetic_faces import encode, jpeg, pixels, write_folder

from reage.data.folder import normalize_image, read_age_folders, read_csv
from reage.data.tfrecords import UNKNOWN, FaceRecord
from reage.data.utkface import Skipped
from reage.errors import DataError, ImageReadError


def test_folders_named_by_age(tmp_path: Path) -> None:
    files = {
        "7/a.jpg": b"a",
        "30/b.png": b"b",
        "30/trip/c.jpg": b"c",
        "30/notes.txt": b"",
        "x/d.jpg": b"",
    }
    assert list(read_age_folders(write_folder(tmp_path, files))) == [
        FaceRecord("7/a.jpg", b"a", 7, UNKNOWN, UNKNOWN),
        FaceRecord("30/b.png", b"b", 30, UNKNOWN, UNKNOWN),
        FaceRecord("30/trip/c.jpg", b"c", 30, UNKNOWN, UNKNOWN),
    ]


def test_a_folder_named_by_an_impossible_age_is_reported(tmp_path: Path) -> None:
    write_folder(tmp_path, {"250/a.jpg": b"a"})
    (item,) = read_age_folders(tmp_path)
    assert item == Skipped("250/a.jpg", "unlabelled", "the age 250 lies outside 0 to 116")


def write_csv(folder: Path, text: str) -> Path:
    path = folder / "faces.csv"
    path.write_text(text, "utf-8")
    return path


def test_csv_with_all_columns(tmp_path: Path) -> None:
    write_folder(tmp_path, {"a.jpg": b"a", "sub/b.jpg": b"b"})
    path = write_csv(tmp_path, "file,age,sex,ethnicity\na.jpg,31,1,4\nsub/b.jpg, 5 ,male,asian\n")
    assert list(read_csv(path)) == [
        FaceRecord("a.jpg", b"a", 31, 1, 4),
        FaceRecord("sub/b.jpg", b"b", 5, 0, 2),
    ]


def test_csv_columns_may_be_absent_empty_or_in_another_order(tmp_path: Path) -> None:
    write_folder(tmp_path, {"a.jpg": b"a", "b.jpg": b"b"})
    # A byte order mark and capital letters are what spreadsheets write.
    path = write_csv(tmp_path, "\ufeffAge,Sex,File\r\n31,,a.jpg\r\n32,-1,b.jpg\r\n")
    assert list(read_csv(path)) == [
        FaceRecord("a.jpg", b"a", 31, UNKNOWN, UNKNOWN),
        FaceRecord("b.jpg", b"b", 32, UNKNOWN, UNKNOWN),
    ]


@pytest.mark.parametrize(
    ("row", "split", "reason"),
    [
        ("a.jpg,young,0", "unlabelled", "'young' is not a whole number"),
        ("a.jpg,,0", "unlabelled", "'' is not a whole number"),
        ("a.jpg,130,0", "unlabelled", "130 lies outside"),
        ("a.jpg,30,5", "unlabelled", "'5' is neither"),
        ("absent.jpg,30,0", "unreadable", "No such file"),
        (",30,0", "unreadable", "cannot be read"),
    ],
)
def test_a_bad_csv_row_is_reported(row: str, split: str, reason: str, tmp_path: Path) -> None:
    write_folder(tmp_path, {"a.jpg": b"a"})
    (item,) = read_csv(write_csv(tmp_path, f"file,age,sex\n{row}\n"))
    assert isinstance(item, Skipped)
    assert item.split == split
    assert reason in item.reason


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("name,age\na.jpg,3\n", "has no column `file`"),
        ("file,years\na.jpg,3\n", "has no column `age`"),
        ("", "has no column `file`"),
        ("file,age\na.jpg,3\na.jpg,4\n", "lists a.jpg more than once"),
    ],
)
def test_a_bad_csv_is_refused(text: str, reason: str, tmp_path: Path) -> None:
    path = write_csv(tmp_path, text)
    with pytest.raises(DataError, match=reason) as caught:
        list(read_csv(path))
    assert str(path) in str(caught.value)


def test_a_csv_that_is_no_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "faces.csv"
    path.write_bytes(jpeg(0))
    with pytest.raises(DataError, match="cannot be read as CSV"):
        list(read_csv(path))


def test_a_200_pixel_jpeg_stays_untouched() -> None:
    assert normalize_image(jpeg(1)) == jpeg(1)


@pytest.mark.parametrize(("format", "size"), [("PNG", 200), ("JPEG", 317), ("WEBP", 90)])
def test_any_other_picture_becomes_a_200_pixel_jpeg(format: str, size: int) -> None:
    normal = normalize_image(encode(pixels(1, size), format))
    with Image.open(io.BytesIO(normal)) as image:
        assert (image.format, image.size, image.mode) == ("JPEG", (200, 200), "RGB")
        found = np.asarray(image).astype(int)
    assert np.abs(found - pixels(1)).mean() < 6


def test_a_rotated_photo_becomes_upright() -> None:
    out = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6  # to be shown turned by 90 degrees clockwise
    Image.fromarray(pixels(1)).rotate(90).save(out, "JPEG", exif=exif, quality=95)
    with Image.open(io.BytesIO(normalize_image(out.getvalue()))) as image:
        assert np.abs(np.asarray(image).astype(int) - pixels(1)).mean() < 6


def test_a_picture_far_from_square_is_no_face_crop() -> None:
    with pytest.raises(ImageReadError, match="300x200 pixels are too far from square"):
        normalize_image(encode(pixels(1, 300)[:200]))


@pytest.mark.parametrize("data", [b"", b"no picture", jpeg(1, 300)[:2000]])
def test_a_damaged_picture_is_refused(data: bytes) -> None:
    with pytest.raises(ImageReadError):
        normalize_image(data)
