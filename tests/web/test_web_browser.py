"""The page in a real browser, where one is installed."""

from __future__ import annotations

import shutil
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("starlette")
playwright = pytest.importorskip("playwright.sync_api")
uvicorn = pytest.importorskip("uvicorn")

from reage.inference.ager import FaceAger  # noqa: E402
from reage.web.app import create_app  # noqa: E402

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync"]
PHONE, DESKTOP = {"width": 390, "height": 844}, {"width": 1280, "height": 900}


@pytest.fixture(scope="module")
def address(tiny_model: Path) -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    app = create_app(FaceAger(tiny_model, threads=1))
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_level="error"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join()


@pytest.fixture(scope="module")
def browser() -> Iterator[object]:
    with playwright.sync_playwright() as runner:
        started = runner.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield started
        started.close()


@pytest.fixture(params=[DESKTOP, PHONE], ids=["desktop", "phone"])
def page(request: pytest.FixtureRequest, browser, address: str) -> Iterator[object]:
    opened = browser.new_page(viewport=request.param, accept_downloads=True)
    asked: list[str] = []
    complaints: list[str] = []
    opened.on("request", lambda one: asked.append(one.url))
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    opened.goto(address)
    yield opened
    opened.close()
    assert all(url.startswith((address, "blob:", "data:")) for url in asked), asked
    assert complaints == []


def choose(page, path: Path) -> None:
    page.set_input_files("#file", str(path))


def shown(page, age: int) -> None:
    """Waits until the picture shows that age."""
    page.locator(f"body[data-shown='{age}']").wait_for()


def test_upload_drag_and_download(page, astronaut_path: Path, tmp_path: Path) -> None:
    choose(page, astronaut_path)
    shown(page, 70)
    assert page.inner_text("#message") == "1 face found."
    page.focus("#age")
    for _ in range(5):
        page.keyboard.press("ArrowRight")
    shown(page, 75)
    assert page.inner_text("#years") == "75"
    with page.expect_download() as download:
        page.click("#get-photo")
    assert download.value.suggested_filename == "aged_75.png"
    download.value.save_as(tmp_path / "aged.png")
    assert (tmp_path / "aged.png").stat().st_size > 10_000
    # Nothing is wider than the window, and the picture lies within it.
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    box = page.locator("#after").bounding_box()
    assert box["width"] <= page.viewport_size["width"]


def test_a_face_can_be_left_as_it_is(page, astronaut_path: Path) -> None:
    choose(page, astronaut_path)
    face = page.get_by_role("button", name="Age face 1 of 1")
    face.wait_for()
    before = page.get_attribute("#after", "src")
    face.click()
    page.locator(f'#after:not([src="{before}"])').wait_for()
    assert face.get_attribute("aria-pressed") == "false"


def test_a_bad_file_is_told_in_words(page, tmp_path: Path) -> None:
    bad = tmp_path / "bad.jpg"
    bad.write_bytes(b"no picture")
    choose(page, bad)
    page.locator("#message.bad").wait_for()
    assert "no picture" in page.inner_text("#message")
    assert page.is_visible("#drop")


def test_keyboard_and_screen_reader_find_everything(page, astronaut_path: Path) -> None:
    choose(page, astronaut_path)
    shown(page, 70)
    for name in ("Age in years", "Strength"):
        assert page.get_by_role("slider", name=name).is_visible()
    for name in ("Download photo", "Strip of ages", "Animation", "Another photo"):
        assert page.get_by_role("button", name=name).is_visible()
    assert page.get_by_alt_text("The photo at the age of 70").count() == 1
    page.get_by_role("button", name="Another photo").press("Enter")
    assert page.is_visible("#drop")
