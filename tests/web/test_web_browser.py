"""Ageing a photo, on the page in a browser."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest
from browsing import center, choose, shown
from PIL import Image

DROP = """async ([selector, data, name, type, kind]) => {
  const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
  const transfer = new DataTransfer();
  transfer.items.add(new File([bytes], name, { type }));
  const event = kind === "paste"
    ? new ClipboardEvent("paste", { clipboardData: transfer, bubbles: true })
    : new DragEvent("drop", { dataTransfer: transfer, bubbles: true, cancelable: true });
  document.querySelector(selector).dispatchEvent(event);
}"""


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
    page.get_by_role("slider", name="Before and after").press("End")
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


def test_only_the_skin_can_be_aged(page, astronaut_path: Path) -> None:
    choose(page, astronaut_path)
    shown(page, 70)
    whole, skin = (
        page.get_by_role("group", name="May change").get_by_role("radio", name=name)
        for name in ("the whole face", "only skin")
    )
    assert whole.is_checked()
    with page.expect_response(lambda answer: "mask=skin" in answer.url) as answer:
        whole.press("ArrowDown")
    assert answer.value.status == 200
    assert skin.is_checked()
    with page.expect_response(lambda answer: "strength=0.95" in answer.url) as answer:
        page.get_by_role("slider", name="Strength").press("ArrowLeft")
    assert "mask=skin" in answer.value.url
    assert page.inner_text("#share") == "95 %"
    with page.expect_response(lambda answer: "/photo?" in answer.url) as answer:
        page.click("#get-photo")
    assert "strength=0.95&mask=skin" in answer.value.url
    with page.expect_response(lambda answer: "mask=face" in answer.url):
        page.locator("#mask").get_by_text("the whole face").click()


@pytest.mark.parametrize("kind", ["drop", "paste"])
def test_a_photo_can_be_dropped_or_pasted(page, astronaut_path: Path, kind: str) -> None:
    data = base64.b64encode(astronaut_path.read_bytes()).decode()
    page.evaluate(DROP, ["body", data, "me.png", "image/png", kind])
    shown(page, 70)
    assert page.inner_text("#message") == "1 face found."
