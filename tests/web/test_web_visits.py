"""What else happens on the page in a browser: faults, leaving, archives, keyboard, colours."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path

import pytest
from browsing import UPLOAD_BYTES, choose, shown
from PIL import Image

BUSY = {"status": 503, "json": {"error": "Too many people are at it just now."}}
ORIGINAL = re.compile(r"/aged\?to=0&")


@pytest.fixture(scope="module")
def couple_path(astronaut_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A photo of two faces."""
    astronaut = Image.open(astronaut_path).convert("RGB")
    picture = Image.new("RGB", (1024, 512))
    for left in (0, 512):
        picture.paste(astronaut, (left, 0))
    path = tmp_path_factory.mktemp("couple") / "couple.png"
    picture.save(path)
    return path


def test_bad_files_are_told_in_words(page, tmp_path: Path) -> None:
    bad, large = tmp_path / "bad.jpg", tmp_path / "large.jpg"
    bad.write_bytes(b"no picture")
    large.write_bytes(bytes(UPLOAD_BYTES + 1))
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


def test_a_busy_server_is_told_and_soon_forgotten(page, astronaut_path: Path) -> None:
    choose(page, astronaut_path)
    shown(page, 70)
    page.route("**/aged?*", lambda route: route.fulfill(**BUSY))
    page.press("#age", "ArrowRight")
    page.locator("#message.bad", has_text="Too many people").wait_for()
    assert page.is_visible("#stage")
    page.unroute("**/aged?*")
    page.press("#age", "ArrowRight")
    shown(page, 72)
    assert page.inner_text("#message") == ""


def id_in(request) -> str:
    """Which photo a request is about."""
    return request.url.split("/api/photos/")[1].split("/")[0]


def is_delete(request) -> bool:
    return request.method == "DELETE"


def test_a_photo_that_cannot_be_shown_leaves_the_one_before_as_it_was(
    page, astronaut_path: Path, couple_path: Path
) -> None:
    with page.expect_request(ORIGINAL) as first:
        choose(page, astronaut_path)
    shown(page, 70)
    pictures = [page.get_attribute(image, "src") for image in ("#before", "#after")]
    page.route(ORIGINAL, lambda route: route.fulfill(**BUSY), times=1)
    with page.expect_request(ORIGINAL) as second, page.expect_request(is_delete) as forgotten:
        choose(page, couple_path)
    page.locator("#message.bad", has_text="Too many people").wait_for()
    assert id_in(forgotten.value) == id_in(second.value) != id_in(first.value)
    assert [page.get_attribute(image, "src") for image in ("#before", "#after")] == pictures
    assert page.locator("#faces button").count() == 1
    with page.expect_request("**/aged?*") as asked:
        page.press("#age", "ArrowRight")
    assert id_in(asked.value) == id_in(first.value)
    shown(page, 71)
    choose(page, couple_path)
    page.locator("#message", has_text="2 faces found.").wait_for()
    assert page.locator("#faces button").count() == 2


def test_a_first_photo_that_cannot_be_shown_can_be_chosen_again(page, astronaut_path: Path) -> None:
    page.route(ORIGINAL, lambda route: route.fulfill(**BUSY), times=1)
    with page.expect_request(ORIGINAL) as asked, page.expect_request(is_delete) as forgotten:
        choose(page, astronaut_path)
    page.locator("#message.bad", has_text="Too many people").wait_for()
    assert id_in(forgotten.value) == id_in(asked.value)
    assert page.is_visible("#drop")
    assert not page.is_visible("#result")
    choose(page, astronaut_path)
    shown(page, 70)


def test_a_photo_that_was_overtaken_is_never_shown(
    page, astronaut_path: Path, couple_path: Path
) -> None:
    held = []
    page.route(ORIGINAL, lambda route: held.append(route), times=1)
    with page.expect_request(ORIGINAL) as slow:
        choose(page, astronaut_path)
    choose(page, couple_path)
    shown(page, 70)
    before = page.get_attribute("#before", "src")
    with page.expect_request(is_delete) as forgotten:
        held[0].continue_()
    assert id_in(forgotten.value) == id_in(slow.value)
    assert page.get_attribute("#before", "src") == before
    assert page.locator("#faces button").count() == 2


def test_leaving_forgets_a_photo_that_is_not_shown_yet(page, astronaut_path: Path) -> None:
    held = []
    page.route(ORIGINAL, lambda route: held.append(route))
    with page.expect_request(ORIGINAL) as asked:
        choose(page, astronaut_path)
    assert page.request.get(asked.value.url).status == 200
    page.goto("about:blank")
    assert any(page.request.get(asked.value.url).status == 404 for _ in range(100))


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
    page.get_by_role("slider", name="Strength for all photos").press("ArrowLeft")
    page.get_by_role("radio", name="only skin").press("Space")
    with page.expect_download() as download, page.expect_request("**/api/archive?*") as request:
        page.set_input_files("#archive", str(path))
    assert request.value.url.endswith("?to=69&strength=0.95&mask=skin")
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
    for name in ("Age in years", "Strength", "Before and after"):
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
