"""The page in a real browser, where one is installed."""

from __future__ import annotations

import io
import os
import shutil
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

pytest.importorskip("starlette")
playwright = pytest.importorskip("playwright.sync_api")
uvicorn = pytest.importorskip("uvicorn")

from reage.cli.serve import listen  # noqa: E402
from reage.inference.ager import FaceAger  # noqa: E402
from reage.web.app import LOCAL_HOSTS, create_app  # noqa: E402
from reage.web.limits import Limits  # noqa: E402

CHROMIUM = (
    os.environ.get("REAGE_CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
)
pytestmark = pytest.mark.skipif(
    CHROMIUM is None,
    reason="no Chromium: install Debian's package chromium, or name one in REAGE_CHROMIUM",
)
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
]
PHONE, DESKTOP = {"width": 390, "height": 844}, {"width": 1280, "height": 900}
LIMITS = Limits(upload_bytes=5_000_000)
DROP = """async ([selector, data, name, type, kind]) => {
  const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
  const transfer = new DataTransfer();
  transfer.items.add(new File([bytes], name, { type }));
  const event = kind === "paste"
    ? new ClipboardEvent("paste", { clipboardData: transfer, bubbles: true })
    : new DragEvent("drop", { dataTransfer: transfer, bubbles: true, cancelable: true });
  document.querySelector(selector).dispatchEvent(event);
}"""


@pytest.fixture(scope="module")
def address(tiny_model: Path) -> Iterator[str]:
    app = create_app(FaceAger(tiny_model, threads=1), LIMITS, hosts=LOCAL_HOSTS)
    with listen("127.0.0.1", 0) as listener:
        server = uvicorn.Server(uvicorn.Config(app, log_level="error"))
        thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        server.should_exit = True
        thread.join()


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory, astronaut_path: Path) -> Iterator[object]:
    """A browser whose camera films the astronaut."""
    film = tmp_path_factory.mktemp("camera") / "film.mjpeg"
    buffer = io.BytesIO()
    Image.open(astronaut_path).convert("RGB").save(buffer, "JPEG", quality=95)
    film.write_bytes(buffer.getvalue() * 3)
    flags = [*FLAGS, f"--use-file-for-fake-video-capture={film}"]
    with playwright.sync_playwright() as runner:
        started = runner.chromium.launch(executable_path=CHROMIUM, args=flags)
        yield started
        started.close()


@pytest.fixture(params=[DESKTOP, PHONE], ids=["desktop", "phone"])
def page(request: pytest.FixtureRequest, browser, address: str) -> Iterator[object]:
    context = browser.new_context(
        viewport=request.param, accept_downloads=True, has_touch=request.param == PHONE
    )
    opened = context.new_page()
    asked: list[str] = []
    complaints: list[str] = []
    opened.on("request", lambda one: asked.append(one.url))
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    opened.on(
        "console",
        # What the server refuses shows up here too, and belongs to the tests.
        lambda line: (
            complaints.append(line.text)
            if line.type == "error" and "status of 4" not in line.text
            else None
        ),
    )
    opened.goto(address)
    yield opened
    # Nothing is wider than the window, whatever was done.
    assert opened.evaluate("document.documentElement.scrollWidth <= innerWidth")
    context.close()
    assert all(url.startswith((address, "blob:", "data:")) for url in asked), asked
    assert complaints == []


def choose(page, path: Path) -> None:
    page.set_input_files("#file", str(path))


def shown(page, age: int) -> None:
    """Waits until the picture shows that age."""
    page.locator(f"body[data-shown='{age}']").wait_for()


def encoded(path: Path) -> str:
    import base64

    return base64.b64encode(path.read_bytes()).decode()


def center(page, selector: str) -> tuple[float, float]:
    page.locator(selector).scroll_into_view_if_needed()
    box = page.locator(selector).bounding_box()
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def test_upload_drag_and_download(page, astronaut_path: Path, tmp_path: Path) -> None:
    choose(page, astronaut_path)
    shown(page, 70)
    assert page.inner_text("#message") == "1 face found."
    seen: list[str] = []
    page.on("response", lambda answer: seen.append(answer.url) if "/aged" in answer.url else None)
    _, y = center(page, "#age")
    box = page.locator("#age").bounding_box()
    page.mouse.move(box["x"] + 0.7 * box["width"], y)
    page.mouse.down()
    for share in (60, 50, 40, 30, 20):
        page.mouse.move(box["x"] + share / 100 * box["width"], y)
        shown(page, int(page.input_value("#age")))
    # The picture follows before the mouse lets go.
    held = int(page.input_value("#age"))
    assert abs(held - 20) <= 3
    assert len({url.split("to=")[1].split("&")[0] for url in seen}) >= 4
    page.mouse.up()
    shown(page, held)
    assert page.inner_text("#years") == str(held)
    with page.expect_download() as download:
        page.click("#get-photo")
    assert download.value.suggested_filename == f"aged_{held}.png"
    download.value.save_as(tmp_path / "aged.png")
    assert Image.open(tmp_path / "aged.png").size == (512, 512)
    box = page.locator("#after").bounding_box()
    assert box["width"] <= page.viewport_size["width"]


def test_strip_and_animation(page, astronaut_path: Path, tmp_path: Path) -> None:
    choose(page, astronaut_path)
    shown(page, 70)
    for button, name, kind in (
        ("Strip of ages", "ages.jpg", "JPEG"),
        ("Animation", "ages.gif", "GIF"),
    ):
        with page.expect_download() as download:
            page.get_by_role("button", name=button).click()
        assert download.value.suggested_filename == name
        download.value.save_as(tmp_path / name)
        assert Image.open(tmp_path / name).format == kind
        assert page.get_by_alt_text("The faces at several ages").is_visible()


def test_the_line_between_before_and_after_is_dragged(page, astronaut_path: Path) -> None:
    choose(page, astronaut_path)
    shown(page, 70)
    x, y = center(page, "#line span")
    stage = page.locator("#stage").bounding_box()
    page.mouse.move(max(x, stage["x"] + 2), y)
    page.mouse.down()
    page.mouse.move(stage["x"] + stage["width"] / 2, y, steps=4)
    page.mouse.up()
    assert abs(int(page.input_value("#split")) - 50) <= 1
    assert "50%" in page.evaluate("document.getElementById('after').style.clipPath")
    assert page.locator("#is").inner_text() == "at 70"
    page.get_by_role("slider", name="How much of the photo").press("End")
    assert "100%" in page.evaluate("document.getElementById('after').style.clipPath")


def test_before_and_after_lie_on_each_other(page, astronaut_path: Path, tmp_path: Path) -> None:
    astronaut = Image.open(astronaut_path).convert("RGB")
    for width, height in ((1400, 600), (520, 1400)):
        picture = Image.new("RGB", (width, height))
        picture.paste(astronaut, (4, 40))
        picture.save(tmp_path / "photo.png")
        choose(page, tmp_path / "photo.png")
        shown(page, 70)
        before, after, stage = (
            page.locator(selector).bounding_box() for selector in ("#before", "#after", "#stage")
        )
        assert before == pytest.approx(after, abs=0.6)
        assert before == pytest.approx(stage, abs=0.6)
        assert before["width"] / before["height"] == pytest.approx(width / height, rel=0.02)
        # The outline lies where the face is: around x 222, y 120 of the astronaut.
        x, y = center(page, "#faces button")
        before = page.locator("#before").bounding_box()
        scale = before["width"] / width
        assert (x - before["x"]) / scale == pytest.approx(226, abs=20)
        assert (y - before["y"]) / scale == pytest.approx(160, abs=30)
        page.get_by_role("button", name="Another photo").click()


def test_a_face_can_be_left_as_it_is(page, astronaut_path: Path) -> None:
    choose(page, astronaut_path)
    shown(page, 70)
    face = page.get_by_role("button", name="Age face 1 of 1")
    before = page.get_attribute("#after", "src")
    face.click()
    page.locator(f'#after:not([src="{before}"])').wait_for()
    assert face.get_attribute("aria-pressed") == "false"
    page.click("#get-photo")
    page.locator("#message.bad").wait_for()
    assert "choose one" in page.inner_text("#message")
    face.press("Enter")
    assert face.get_attribute("aria-pressed") == "true"


@pytest.mark.parametrize("kind", ["drop", "paste"])
def test_a_photo_can_be_dropped_or_pasted(page, astronaut_path: Path, kind: str) -> None:
    data = encoded(astronaut_path)
    page.evaluate(DROP, ["body", data, "me.png", "image/png", kind])
    shown(page, 70)
    assert page.inner_text("#message") == "1 face found."


def test_the_camera_takes_a_photo_and_is_let_go(page) -> None:
    page.click("#camera")
    page.get_by_role("button", name="Take the picture").click()
    shown(page, 70)
    assert page.inner_text("#message") == "1 face found."
    assert page.evaluate("document.getElementById('live').srcObject") is None


def test_bad_files_are_told_in_words(page, tmp_path: Path) -> None:
    bad, large = tmp_path / "bad.jpg", tmp_path / "large.jpg"
    bad.write_bytes(b"no picture")
    large.write_bytes(bytes(LIMITS.upload_bytes + 1))
    for path, words in ((bad, "no picture"), (large, "more than 5 MB")):
        choose(page, path)
        page.locator("#message.bad", has_text=words).wait_for()
        assert page.is_visible("#drop")


def test_a_photo_that_was_forgotten_is_asked_for_again(page, astronaut_path: Path) -> None:
    choose(page, astronaut_path)
    shown(page, 70)
    source = []
    page.on("request", lambda one: source.append(one.url))
    page.press("#age", "ArrowRight")
    shown(page, 71)
    photo = source[0].split("/aged")[0]
    assert page.evaluate("(url) => fetch(url, {method: 'DELETE'}).then((a) => a.status)", photo)
    page.press("#age", "ArrowRight")
    page.locator("#message.bad", has_text="no longer kept").wait_for()
    assert page.is_visible("#drop")
    choose(page, astronaut_path)
    shown(page, 72)


def test_another_photo_and_leaving_forget_the_first(page, astronaut_path: Path) -> None:
    asked: list[str] = []
    page.on("request", lambda one: asked.append(one.url) if "/aged" in one.url else None)
    choose(page, astronaut_path)
    shown(page, 70)
    page.get_by_role("button", name="Another photo").press("Enter")
    assert page.is_visible("#drop")
    assert page.evaluate("document.activeElement.id") == "drop"
    choose(page, astronaut_path)
    shown(page, 70)
    first, second = asked[0], asked[-1]
    assert page.request.get(first).status == 404
    assert page.request.get(second).status == 200
    page.goto("about:blank")
    # The browser says so on its way out, without waiting for an answer.
    assert any(page.request.get(second).status == 404 for _ in range(100))


def test_many_photos(page, astronaut_path: Path, tmp_path: Path) -> None:
    path = tmp_path / "photos.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.write(astronaut_path, "me.png")
        archive.writestr("notes.txt", "no picture")
    page.get_by_role("tab", name="One photo").press("ArrowRight")
    many = page.get_by_role("tab", name="Many photos")
    assert many.get_attribute("aria-selected") == "true"
    assert not page.is_visible("#drop")
    page.get_by_role("slider", name="Age in years for all photos").press("ArrowLeft")
    with page.expect_download() as download:
        page.set_input_files("#archive", str(path))
    assert download.value.suggested_filename == "aged_69.zip"
    download.value.save_as(tmp_path / "aged.zip")
    with zipfile.ZipFile(tmp_path / "aged.zip") as archive:
        assert archive.namelist() == ["001_me_69.png", "failures.txt"]
    page.locator("#message", has_text="1 aged and downloaded, 1 not").wait_for()
    bad = tmp_path / "bad.zip"
    bad.write_bytes(b"no zip")
    page.set_input_files("#archive", str(bad))
    page.locator("#message.bad", has_text="no zip file").wait_for()


def test_keyboard_and_screen_reader_find_everything(page, astronaut_path: Path) -> None:
    page.keyboard.press("Tab")
    reached = []
    for _ in range(4):
        reached.append(page.evaluate("document.activeElement.id"))
        page.keyboard.press("Tab")
    assert reached[:3] == ["tab-one", "drop", "camera"]
    with page.expect_file_chooser() as chooser:
        page.press("#drop", "Enter")
    chooser.value.set_files(str(astronaut_path))
    shown(page, 70)
    for name in ("Age in years", "Strength", "How much of the photo is shown as it was"):
        assert page.get_by_role("slider", name=name).is_visible()
    for name in ("Download photo", "Strip of ages", "Animation", "Another photo"):
        assert page.get_by_role("button", name=name).is_visible()
    assert page.get_by_alt_text("The photo at the age of 70").count() == 1
    assert page.get_by_role("status").inner_text() == "1 face found."


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_light_and_dark_can_be_read(browser, address: str, scheme: str) -> None:
    page = browser.new_page(color_scheme=scheme)
    page.goto(address)
    paper, ink = (
        sum(map(int, page.evaluate(f"getComputedStyle(document.body).{name}")[4:-1].split(",")))
        for name in ("backgroundColor", "color")
    )
    assert (paper > 600 and ink < 150) if scheme == "light" else (paper < 150 and ink > 600)
    page.close()
