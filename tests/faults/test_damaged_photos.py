"""Damaged photos: each is read whole, or refused with one typed error."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from reage.errors import NoFaceError, ReageError
from reage.images import encode_photo, read_photo
from reage.inference.ager import FaceAger

FORMATS = {
    "JPEG": {},
    "PNG": {},
    "WEBP": {},
    "WEBP lossless": {"lossless": True},
    "GIF": {},
    "TIFF": {},
    "TIFF packed": {"compression": "tiff_lzw"},
    "AVIF": {},
    "HEIF": {},
}


@pytest.fixture(scope="module")
def sound(astronaut_path: Path) -> dict[str, bytes]:
    """A face of 64 x 64 pixels in each format."""
    pillow_heif = pytest.importorskip("pillow_heif")
    with Image.open(astronaut_path) as whole:
        face = whole.convert("RGB").crop((150, 20, 310, 180)).resize((64, 64))
    files = {}
    for name, options in FORMATS.items():
        buffer = io.BytesIO()
        if name == "HEIF":
            pillow_heif.from_pillow(face).save(buffer)
        else:
            face.save(buffer, name.split()[0], **options)
        files[name] = buffer.getvalue()
    return files


@pytest.fixture(scope="module")
def ager(tiny_model: Path) -> FaceAger:
    return FaceAger(tiny_model, threads=1)


changes = st.lists(
    st.tuples(
        st.floats(0, 1, exclude_max=True),
        st.sampled_from(("set", "remove", "repeat", "cut")),
        st.binary(min_size=1, max_size=8),
    ),
    min_size=1,
    max_size=4,
)


@pytest.mark.parametrize("name", FORMATS)
@settings(
    max_examples=15,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(changes=changes)
def test_a_changed_file_is_read_or_refused(
    sound: dict[str, bytes], ager: FaceAger, name: str, changes: list[tuple[float, str, bytes]]
) -> None:
    data = damaged(sound[name], changes)
    try:
        photo = read_photo(data)
    except ReageError:
        return
    height, width = photo.pixels.shape[:2]
    assert photo.pixels.shape == (height, width, 3)
    assert photo.pixels.dtype == np.uint8
    if max(height, width) > 256:
        return
    try:
        result = ager.age(photo, 70)
    except NoFaceError:
        return
    again = read_photo(encode_photo(result.marked(), result.pixels))
    assert again.pixels.shape == photo.pixels.shape


def damaged(data: bytes, changes: list[tuple[float, str, bytes]]) -> bytes:
    content = bytearray(data)
    for share, change, new in changes:
        start = int(share * len(content))
        if change == "set":
            content[start : start + len(new)] = new
        elif change == "remove":
            del content[start : start + len(new)]
        elif change == "repeat":
            content[start:start] = content[start : start + len(new)] * 3
        else:
            del content[start:]
    return bytes(content)
