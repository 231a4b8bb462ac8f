from __future__ import annotations

import asyncio
import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tiny_model import PER_YEAR

pytest.importorskip("starlette")

from starlette.testclient import TestClient

from reage.images import read_photo
from reage.images.provenance import read_mark
from reage.inference.ager import FaceAger
from reage.inference.opened import OpenedPhoto
from reage.web.app import Limits, Queue, RefusalError, create_app
from reage.web.store import Visit, VisitStore


@pytest.fixture(scope="module")
def ager(tiny_model: Path) -> FaceAger:
    return FaceAger(tiny_model, threads=1)


@pytest.fixture(scope="module")
def client(ager: FaceAger) -> TestClient:
    limits = Limits(upload_bytes=1_000_000, pixels=2_000_000, archive_photos=3)
    return TestClient(create_app(ager, limits))


@pytest.fixture(scope="module")
def photo(astronaut_path: Path) -> bytes:
    return astronaut_path.read_bytes()


def upload(client: TestClient, data: bytes) -> dict:
    answer = client.post("/api/photos", content=data)
    assert answer.status_code == 201, answer.text
    return answer.json()


def pixels(data: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB")).astype(float)


def test_page_needs_nothing_from_elsewhere(client: TestClient) -> None:
    for path, kind in (("/", "text/html"), ("/page.js", "javascript"), ("/style.css", "css")):
        answer = client.get(path)
        assert answer.status_code == 200
        assert kind in answer.headers["content-type"]
        assert "http://" not in answer.text
        assert "https://" not in answer.text
        assert "default-src 'self'" in answer.headers["content-security-policy"]


def test_a_photo_is_opened_once_and_aged_often(client: TestClient, photo: bytes) -> None:
    found = upload(client, photo)
    assert (found["width"], found["height"], len(found["faces"])) == (512, 512, 1)
    x0, y0, x1, y1 = map(int, found["faces"][0]["box"])
    path = f"/api/photos/{found['id']}/aged"
    answers = {
        to: pixels(client.get(path, params={"to": to}).content)[y0:y1, x0:x1].mean()
        for to in (20, 80)
    }
    # The model adds PER_YEAR for each year, in units of [-1, 1], where the mask is full.
    assert 0.5 < (answers[80] - answers[20]) / (60 * PER_YEAR * 127.5) <= 1.05
    nobody = pixels(client.get(path, params={"to": 80, "faces": ""}).content)
    np.testing.assert_allclose(nobody.mean(), pixels(photo).mean(), atol=1)


def test_downloads(client: TestClient, photo: bytes) -> None:
    name = upload(client, photo)["id"]
    full = client.get(f"/api/photos/{name}/photo", params={"to": 70})
    assert full.headers["content-disposition"] == 'attachment; filename="aged_70.png"'
    aged = read_photo(full.content)
    mark = read_mark(aged)
    assert mark is not None
    assert mark.target_ages == (70.0,)
    before = read_photo(photo)
    changed = (aged.pixels != before.pixels).any(axis=-1)
    assert changed.any()
    assert not changed[300:].any()
    strip = Image.open(io.BytesIO(client.get(f"/api/photos/{name}/strip?to=1").content))
    assert strip.width > 4 * strip.height
    gif = Image.open(io.BytesIO(client.get(f"/api/photos/{name}/gif?to=1").content))
    assert gif.n_frames == 12


def test_an_archive_comes_back_aged(client: TestClient, photo: bytes) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("../../evil.png", photo)
        archive.writestr("notes.txt", "no picture")
    answer = client.post("/api/archive?to=70", content=buffer.getvalue())
    assert answer.status_code == 200
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert archive.namelist() == ["000_evil_70.png", "failures.txt"]
        assert archive.read("failures.txt").decode().startswith("notes.txt: ")


@pytest.mark.parametrize(
    ("data", "status", "words"),
    [
        (b"", 422, "Nothing arrived"),
        (b"no picture", 422, "This photo is no picture"),
        (b"x" * 1_000_001, 413, "more than 1 MB"),
        ("sky", 422, "no face"),
        ("large", 422, "pixels"),
    ],
)
def test_bad_uploads_get_one_sentence(
    client: TestClient, data: bytes | str, status: int, words: str
) -> None:
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


def test_bad_wishes_get_one_sentence(client: TestClient, photo: bytes) -> None:
    name = upload(client, photo)["id"]
    for query in ("to=old", "to=200", "to=50&faces=7", "to=50&strength=3", ""):
        answer = client.get(f"/api/photos/{name}/aged?{query}")
        assert answer.status_code == 422, query
        assert answer.json()["error"].endswith(".")
    assert client.get("/api/photos/nobody/aged?to=5").status_code == 404
    assert client.get(f"/api/photos/{name}/secrets?to=5").status_code == 404
    assert client.post("/api/archive?to=5", content=b"no zip").status_code == 422


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


def test_a_forgotten_photo_is_gone(client: TestClient, photo: bytes) -> None:
    name = upload(client, photo)["id"]
    assert client.delete(f"/api/photos/{name}").status_code == 204
    assert client.get(f"/api/photos/{name}/aged?to=5").status_code == 404


def test_nothing_is_left_on_disk(
    client: TestClient, photo: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import tempfile

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    name = upload(client, photo)["id"]
    client.get(f"/api/photos/{name}/photo?to=70")
    client.get(f"/api/photos/{name}/gif?to=70")
    assert list(tmp_path.iterdir()) == []


def visit(opened: OpenedPhoto | None = None) -> Visit:
    return Visit(b"", opened)  # type: ignore[arg-type]


def test_the_store_forgets_the_oldest_and_the_unused() -> None:
    now = 0.0
    store = VisitStore(limit=2, seconds=10, clock=lambda: now)
    first, second = store.add(visit()), store.add(visit())
    assert store.get(first) is not None
    third = store.add(visit())
    assert store.get(second) is None  # Unused for longest.
    now = 9.0
    assert store.get(first) is not None
    now = 12.0
    assert store.get(third) is None
    assert store.get(first) is not None
    assert len({first, second, third}) == 3
    assert len(first) >= 32


def test_the_queue_refuses_when_it_is_full() -> None:
    async def scenario() -> None:
        queue = Queue(at_once=1, waiting=1)
        async with queue.turn():
            waiting = asyncio.ensure_future(queue.turn().__aenter__())
            await asyncio.sleep(0)
            with pytest.raises(RefusalError, match="Too many"):
                await queue.turn().__aenter__()
            waiting.cancel()
        async with queue.turn():
            pass

    asyncio.run(scenario())


def test_opening_once_gives_what_ageing_gives(ager: FaceAger, astronaut_path: Path) -> None:
    opened = ager.open(astronaut_path)
    for to in (5, 70):
        expected = ager(astronaut_path, to=to, strength=0.5).pixels
        np.testing.assert_array_equal(opened.age(to, strength=0.5).pixels, expected)
    assert opened.age(70, faces=()).faces == ()
