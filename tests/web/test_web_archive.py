from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("starlette")

from reage.errors import ImageReadError, UsageError
from reage.images import read_photo
from reage.inference.ager import FaceAger
from reage.web.answers import about_photo
from reage.web.archive import AgedArchive, age_archive
from reage.web.limits import Limits, RefusalError
from reage.web.work import MAX_FACES, Wish

LIMITS = Limits(upload_bytes=1_000_000, pixels=2_000_000, archive_photos=4)
WISH = Wish(70, 1.0, None)


@pytest.fixture(scope="module")
def ager(tiny_model: Path) -> FaceAger:
    return FaceAger(tiny_model, threads=1)


@pytest.fixture(scope="module")
def photo(astronaut_path: Path) -> bytes:
    return astronaut_path.read_bytes()


def packed(files: dict[str, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def unpacked(archive: AgedArchive) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(archive.data)) as source:
        return {name: source.read(name) for name in source.namelist()}


def test_good_photos_come_back_aged_and_bad_ones_are_named(ager: FaceAger, photo: bytes) -> None:
    files = {"../../evil.png": photo, "notes.txt": b"no picture", "a\\b.png": photo}
    aged = age_archive(ager, packed(files), WISH, LIMITS, 60)
    found = unpacked(aged)
    assert list(found) == ["001_evil_70.png", "003_b_70.png", "failures.txt"]
    assert (aged.aged, aged.failed) == (2, 1)
    assert found["failures.txt"].decode().startswith("notes.txt: is no picture")
    pixels = read_photo(found["003_b_70.png"]).pixels
    np.testing.assert_array_equal(pixels, ager(read_photo(photo).pixels, to=70).pixels)


def test_more_faces_are_aged_than_the_page_shows(ager: FaceAger, astronaut_path: Path) -> None:
    face = Image.open(astronaut_path).convert("RGB").crop((130, 0, 330, 230)).resize((130, 150))
    crowd, buffer = np.tile(np.asarray(face), (3, 5, 1)), io.BytesIO()
    Image.fromarray(crowd).save(buffer, "PNG")
    (found,) = unpacked(
        age_archive(ager, packed({"crowd.png": buffer.getvalue()}), WISH, LIMITS, 60)
    ).values()
    change = read_photo(found).pixels.astype(float) - crowd
    changes = change.reshape(3, 150, 5, 130, 3).mean(axis=(1, 3, 4))
    assert changes.size > MAX_FACES
    # The same change for each of them: the model adds as much everywhere.
    np.testing.assert_allclose(changes, np.median(changes), rtol=0.1)
    assert changes.min() > 1


@pytest.mark.parametrize("strength", [-0.1, 1.1, float("nan")])
def test_a_bad_strength_is_no_photos_fault(ager: FaceAger, photo: bytes, strength: float) -> None:
    with pytest.raises(UsageError, match="share"):
        age_archive(ager, packed({"me.png": photo}), Wish(70, strength, None), LIMITS, 60)


def test_what_archivers_add_is_no_photo(ager: FaceAger, photo: bytes) -> None:
    files = {"__MACOSX/._me.png": b"x", ".DS_Store": b"x", "in/": b"", "in/me.png": photo}
    aged = age_archive(ager, packed(files), WISH, LIMITS, 60)
    assert list(unpacked(aged)) == ["001_me_70.png"]
    assert aged.failed == 0


def test_damaged_data_fails_alone(ager: FaceAger, photo: bytes) -> None:
    data = bytearray(packed({"bad.png": photo, "good.png": photo}, zipfile.ZIP_DEFLATED))
    start = 30 + len("bad.png")
    data[start : start + 64] = b"\xff" * 64  # A block of a kind that does not exist.
    found = unpacked(age_archive(ager, bytes(data), WISH, LIMITS, 60))
    assert list(found) == ["002_good_70.png", "failures.txt"]
    assert b"bad.png: cannot be unpacked" in found["failures.txt"]


def test_photos_that_are_not_reached_in_time_are_named(ager: FaceAger, photo: bytes) -> None:
    times = iter([0.0, 1.0, 11.0])
    files = {"one.png": photo, "two.png": photo}
    aged = age_archive(ager, packed(files), WISH, LIMITS, 10, clock=lambda: next(times))
    found = unpacked(aged)
    assert list(found) == ["001_one_70.png", "failures.txt"]
    assert b"two.png: was not reached in time" in found["failures.txt"]


def test_photos_keep_the_limit_of_pixels(ager: FaceAger) -> None:
    buffer = io.BytesIO()
    Image.new("RGB", (2000, 2000)).save(buffer, "PNG")
    found = unpacked(age_archive(ager, packed({"l.png": buffer.getvalue()}), WISH, LIMITS, 60))
    assert b"pixels" in found["failures.txt"]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"no zip", "no zip file"),
        (packed({}), "empty"),
        (packed({"folder/": b""}), "empty"),
        (packed({f"{n}.png": b"x" for n in range(5)}), "at most 4"),
        (packed({"bomb.png": bytes(20_000_001)}, zipfile.ZIP_DEFLATED), "unpacks to too much"),
    ],
)
def test_bad_archives_are_refused(ager: FaceAger, data: bytes, words: str) -> None:
    with pytest.raises(RefusalError, match=words) as caught:
        age_archive(ager, data, WISH, LIMITS, 60)
    assert caught.value.status == 422


def test_a_bad_age_is_no_photos_fault(ager: FaceAger, photo: bytes) -> None:
    with pytest.raises(UsageError):
        age_archive(ager, packed({"me.png": photo}), Wish(500, 1.0, None), LIMITS, 60)


def test_a_name_that_is_no_text_stops_no_other(ager: FaceAger, photo: bytes) -> None:
    data = bytearray(packed({"\u00e9.png": photo, "ok.png": photo}))
    # The first name in the file itself, which the list of contents repeats.
    data[data.index("\u00e9".encode())] = 0xFF
    aged = age_archive(ager, bytes(data), WISH, LIMITS, 600.0)
    assert (aged.aged, aged.failed) == (1, 1)


def test_a_visitor_is_not_told_of_limits_that_are_not_theirs() -> None:
    with pytest.raises(ImageReadError) as caught:
        read_photo(png(4), max_pixels=9)
    assert str(caught.value).endswith("make it smaller, or raise the limit.")
    assert about_photo(caught.value).endswith("make it smaller.")


def png(side: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (side, side)).save(buffer, "PNG")
    return buffer.getvalue()
