from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image
from tiny_model import PER_YEAR, write_tiny_model

pytest.importorskip("starlette")

from starlette.testclient import TestClient

from reage.images import read_photo
from reage.images.provenance import read_mark
from reage.inference.ager import FaceAger
from reage.web.app import create_app
from reage.web.limits import Limits
from reage.web.work import MAX_PREVIEW_SIDE, SWEEP_AGES


@pytest.fixture(scope="module")
def ager(tiny_model: Path) -> FaceAger:
    return FaceAger(tiny_model, threads=1)


@pytest.fixture(scope="module")
def client(ager: FaceAger) -> Iterator[TestClient]:
    limits = Limits(upload_bytes=1_000_000, pixels=2_000_000, archive_photos=3)
    with TestClient(create_app(ager, limits)) as opened:
        yield opened


@pytest.fixture(scope="module")
def photo(astronaut_path: Path) -> bytes:
    return astronaut_path.read_bytes()


@pytest.fixture(scope="module")
def couple(photo: bytes) -> bytes:
    """Two faces, in a photo larger than its preview, as JPEG."""
    pixels = read_photo(photo).pixels
    pair = np.concatenate([pixels, cv2.resize(pixels[:, ::-1], (512, 512))], axis=1)
    large = cv2.resize(pair, None, fx=1.5, fy=1.5, interpolation=cv2.INTER_CUBIC)
    assert max(large.shape) > MAX_PREVIEW_SIDE
    buffer = io.BytesIO()
    Image.fromarray(large).save(buffer, "JPEG", quality=95)
    return buffer.getvalue()


def upload(client: TestClient, data: bytes) -> dict:
    answer = client.post("/api/photos", content=data)
    assert answer.status_code == 201, answer.text
    return answer.json()


def pixels_of(data: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB")).astype(float)


def test_page_needs_nothing_from_elsewhere(client: TestClient) -> None:
    page = client.get("/")
    for path, kind in (
        ("/", "text/html"),
        ("/page.js", "text/javascript"),
        ("/stage.js", "text/javascript"),
        ("/server.js", "text/javascript"),
        ("/style.css", "text/css"),
    ):
        answer = client.get(path)
        assert answer.status_code == 200
        assert answer.headers["content-type"] == f"{kind}; charset=utf-8"
        assert "//" not in answer.text.replace("// ", "")
        assert "default-src 'self'" in answer.headers["content-security-policy"]
    assert "/page.js" in page.text


def test_a_photo_is_opened_once_and_aged_often(
    client: TestClient, ager: FaceAger, photo: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = upload(client, photo)
    assert (found["width"], found["height"], len(found["faces"])) == (512, 512, 1)
    x0, y0, x1, y1 = map(int, found["faces"][0]["box"])
    path = f"/api/photos/{found['id']}/aged"

    def fail(*_: object, **__: object) -> None:
        raise AssertionError("encoded or searched again")

    monkeypatch.setattr(ager.model, "encode", fail)
    monkeypatch.setattr(ager.finder, "find", fail)
    answers = {
        to: pixels_of(client.get(path, params={"to": to}).content)[y0:y1, x0:x1].mean()
        for to in (20, 80)
    }
    # The model adds PER_YEAR for each year, in units of [-1, 1], where the mask is full.
    assert 0.5 < (answers[80] - answers[20]) / (60 * PER_YEAR * 127.5) <= 1.05
    nobody = pixels_of(client.get(path, params={"to": 80, "faces": ""}).content)
    np.testing.assert_allclose(nobody.mean(), pixels_of(photo).mean(), atol=1)


def test_downloads(client: TestClient, ager: FaceAger, photo: bytes) -> None:
    name = upload(client, photo)["id"]
    full = client.get(f"/api/photos/{name}/photo", params={"to": 70})
    assert full.headers["content-disposition"] == 'attachment; filename="aged_70.png"'
    aged = read_photo(full.content)
    mark = read_mark(aged)
    assert mark is not None
    assert mark.target_ages == (70.0,)
    np.testing.assert_array_equal(aged.pixels, ager(photo, to=70).pixels)
    strip = client.get(f"/api/photos/{name}/strip?to=1").content
    width, height = Image.open(io.BytesIO(strip)).size
    assert width > 4 * height
    strip_mark = read_mark(read_photo(strip))
    assert strip_mark is not None
    assert strip_mark.target_ages == SWEEP_AGES
    gif = Image.open(io.BytesIO(client.get(f"/api/photos/{name}/gif?to=1").content))
    assert gif.n_frames == 2 * len(SWEEP_AGES) - 2


def test_only_the_skin_may_be_asked_for(client: TestClient, ager: FaceAger, photo: bytes) -> None:
    name = upload(client, photo)["id"]
    path, wish = f"/api/photos/{name}", {"to": 70, "mask": "skin"}
    full = read_photo(client.get(f"{path}/photo", params=wish).content).pixels
    np.testing.assert_array_equal(full, ager(photo, to=70, mask="skin").pixels)
    original, whole = read_photo(photo).pixels, ager(photo, to=70).pixels
    assert 0 < (full != original).sum() < (whole != original).sum()
    for kind in ("aged", "strip", "gif"):
        skin, face = (
            client.get(f"{path}/{kind}", params={"to": 70, "mask": mask}).content
            for mask in ("skin", "face")
        )
        assert skin != face, kind


def test_the_shape_may_be_asked_for_and_stays_where_a_photo_is_transparent(
    tmp_path: Path, photo: bytes
) -> None:
    moving = FaceAger(write_tiny_model(tmp_path, flow=(0.05, 0.0)), threads=1)
    buffer = io.BytesIO()
    clear = Image.open(io.BytesIO(photo)).convert("RGBA")
    clear.putalpha(200)
    clear.save(buffer, "PNG")
    wish = {"to": 50, "mask": "shape"}
    with TestClient(create_app(moving, Limits())) as client:
        for data, moves in ((photo, True), (buffer.getvalue(), False)):
            path = f"/api/photos/{upload(client, data)['id']}"
            full = read_photo(client.get(f"{path}/photo", params=wish).content).pixels
            np.testing.assert_array_equal(full, moving(data, **wish).pixels)
            assert (full != read_photo(data).pixels).any() == moves
            shape, face = (
                client.get(f"{path}/aged", params=wish | {"mask": mask}).content
                for mask in ("shape", "face")
            )
            assert (shape != face) == moves


def test_only_chosen_faces_change_in_every_answer(client: TestClient, couple: bytes) -> None:
    found = upload(client, couple)
    assert len(found["faces"]) == 2
    original = pixels_of(couple)
    left, right = (slice(0, original.shape[1] // 2), slice(original.shape[1] // 2, None))
    for chosen, face in enumerate(found["faces"]):
        x0, _, x1, _ = face["box"]
        mine, other = (left, right) if (x0 + x1) / 2 < left.stop else (right, left)
        wish = {"to": 100, "faces": str(chosen)}
        answer = client.get(f"/api/photos/{found['id']}/photo", params=wish)
        change = np.abs(pixels_of(answer.content) - original)
        assert change[:, mine].max() > 20
        assert change[:, other].mean() < 0.5 < change[:, mine].mean()
        assert change.shape[:2] == (found["height"], found["width"])
    both, one = (
        Image.open(
            io.BytesIO(client.get(f"/api/photos/{found['id']}/strip?to=1{faces}").content)
        ).size
        for faces in ("", "&faces=0")
    )
    assert both[0] / both[1] != one[0] / one[1]
    for kind in ("photo", "strip", "gif"):
        answer = client.get(f"/api/photos/{found['id']}/{kind}?to=70&faces=")
        assert answer.status_code == 422
        assert "choose one" in answer.json()["error"]


def test_an_archive_comes_back_aged(client: TestClient, photo: bytes) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("me.png", photo)
        archive.writestr("notes.txt", "no picture")
    answer = client.post("/api/archive?to=70", content=buffer.getvalue())
    assert answer.status_code == 200
    assert (answer.headers["reage-aged"], answer.headers["reage-failed"]) == ("1", "1")
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert archive.namelist() == ["001_me_70.png", "failures.txt"]


def test_an_archive_keeps_strength_and_mask(
    client: TestClient, ager: FaceAger, photo: bytes
) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("me.png", photo)
    answer = client.post("/api/archive?to=70&strength=0.5&mask=skin", content=buffer.getvalue())
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        aged = read_photo(archive.read("001_me_70.png")).pixels
    expected = ager(photo, to=70, strength=0.5, mask="skin").pixels
    np.testing.assert_array_equal(aged, expected)


@pytest.mark.parametrize(
    ("data", "status", "words"),
    [
        (b"", 422, "Nothing arrived"),
        (b"no picture", 422, "This photo is no picture"),
        (b"x" * 1_000_001, 413, "more than 1 MB"),
        ("sky", 422, "no face"),
        ("large", 422, "pixels"),
        ("cut", 422, "This photo is cut short"),
    ],
)
def test_bad_uploads_get_one_sentence(
    client: TestClient, photo: bytes, data: bytes | str, status: int, words: str
) -> None:
    if data == "cut":
        data = photo[: len(photo) // 2]
    if isinstance(data, str):
        buffer = io.BytesIO()
        side = 64 if data == "sky" else 2000
        Image.new("RGB", (side, side)).save(buffer, "PNG")
        data = buffer.getvalue()
    answer = client.post("/api/photos", content=data)
    assert answer.status_code == status
    sentence = answer.json()["error"]
    assert words in sentence
    assert sentence.endswith(".")
    assert "/" not in sentence
    assert "Traceback" not in answer.text


def test_an_upload_of_unknown_size_ends_at_the_limit(client: TestClient) -> None:
    sent = 0

    def parts() -> Iterator[bytes]:
        nonlocal sent
        for _ in range(100):
            sent += 1
            yield b"x" * 100_000

    answer = client.post("/api/photos", content=parts())
    assert answer.status_code == 413
    assert "content-length" not in answer.request.headers


def test_bad_wishes_get_one_sentence(client: TestClient, photo: bytes) -> None:
    name = upload(client, photo)["id"]
    for query in (
        "to=old",
        "to=200",
        "to=nan",
        "to=50&faces=7",
        "to=50&strength=3",
        "to=50&mask=hair",
        "",
    ):
        answer = client.get(f"/api/photos/{name}/aged?{query}")
        assert answer.status_code == 422, query
        sentence = answer.json()["error"]
        assert sentence.startswith("This cannot be done: ")
        assert sentence.endswith(".")
    assert client.get("/api/photos/nobody/aged?to=5").status_code == 404
    assert client.get(f"/api/photos/{name}/secrets?to=5").status_code == 404
    assert client.post("/api/archive?to=5", content=b"no zip").status_code == 422


def test_paths_that_lead_nowhere_are_answered_like_the_rest(client: TestClient) -> None:
    for method, path in (("GET", "/etc/passwd"), ("GET", "/../app.py"), ("PUT", "/api/photos")):
        answer = client.request(method, path)
        assert answer.status_code in (404, 405)
        assert answer.json()["error"].endswith(".")
        assert "content-security-policy" in answer.headers


def test_other_sites_cannot_make_a_browser_ask(ager: FaceAger, photo: bytes) -> None:
    client = TestClient(create_app(ager, hosts=("localhost",)), base_url="http://localhost:1")
    for site, status in (("cross-site", 403), ("same-site", 403), ("same-origin", 201)):
        answer = client.post("/api/photos", content=photo, headers={"sec-fetch-site": site})
        assert answer.status_code == status, site
    assert client.get("/", headers={"host": "evil.example"}).status_code == 421


def test_an_unexpected_fault_says_nothing_of_the_machine(
    ager: FaceAger, photo: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = TestClient(create_app(ager))

    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("/home/someone/secret")

    monkeypatch.setattr(ager, "open", fail)
    answer = client.post("/api/photos", content=photo)
    assert answer.status_code == 500
    assert "secret" not in answer.text


def test_visitors_see_their_own_photos_only(client: TestClient, photo: bytes) -> None:
    first, second = upload(client, photo)["id"], upload(client, photo)["id"]
    assert first != second
    assert client.delete(f"/api/photos/{first}").status_code == 204
    assert client.get(f"/api/photos/{first}/aged?to=5").status_code == 404
    answer = client.get(f"/api/photos/{second}/aged?to=5")
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    for path in ("/api/photos", "/api/photos/"):
        assert client.get(path).status_code in (404, 405)
