"""The camera on the page: whatever happens, it films only where it is seen to film."""

from __future__ import annotations

from pathlib import Path

import pytest
from browsing import choose, shown

# Keeps every answer of the camera, and lets a test hold back the permission.
WATCH = """() => {
  const devices = navigator.mediaDevices;
  const film = devices.getUserMedia.bind(devices);
  window.permission = Promise.resolve();
  window.asked = [];
  devices.getUserMedia = (wish) => {
    asked.push(permission.then(() => film(wish)));
    return asked.at(-1);
  };
}"""
ASK_FIRST = "() => { permission = new Promise((resolve) => { window.allow = resolve; }); }"
STATES = """async () => (await Promise.all(asked))
  .flatMap((stream) => stream.getTracks()).map((track) => track.readyState)"""


@pytest.fixture
def filmed(page):
    """The page, which tells what the camera does."""
    page.evaluate(WATCH)
    return page


def start(page) -> None:
    page.click("#camera")
    page.get_by_role("button", name="Take the picture").wait_for()


def states(page) -> list[str]:
    """What became of each film the page was given, in the order it asked for them."""
    return page.evaluate(STATES)


def test_it_takes_a_photo_and_is_let_go(filmed) -> None:
    start(filmed)
    assert states(filmed) == ["live"]
    filmed.click("#shoot")
    shown(filmed, 70)
    assert filmed.inner_text("#message") == "1 face found."
    assert states(filmed) == ["ended"]
    assert filmed.evaluate("document.getElementById('live').srcObject") is None


def test_who_asks_twice_is_filmed_once(filmed, astronaut_path: Path) -> None:
    start(filmed)
    start(filmed)
    assert states(filmed) == ["ended", "live"]
    choose(filmed, astronaut_path)
    shown(filmed, 70)
    assert states(filmed) == ["ended", "ended"]


def test_who_asks_twice_before_they_permit_it_is_filmed_once(filmed) -> None:
    filmed.evaluate(ASK_FIRST)
    filmed.click("#camera")
    filmed.click("#camera")
    filmed.evaluate("allow()")
    filmed.locator("#shoot").wait_for()
    assert states(filmed) == ["ended", "live"]


def test_a_permission_that_comes_after_a_photo_was_chosen_starts_nothing(
    filmed, astronaut_path: Path
) -> None:
    filmed.evaluate(ASK_FIRST)
    filmed.click("#camera")
    choose(filmed, astronaut_path)
    shown(filmed, 70)
    filmed.evaluate("allow()")
    assert states(filmed) == ["ended"]
    filmed.click("#again")
    assert not filmed.is_visible("#live")
    start(filmed)
    assert states(filmed) == ["ended", "live"]


def test_it_is_let_go_when_the_photo_chosen_before_appears(filmed, astronaut_path: Path) -> None:
    held = []
    filmed.route("**/api/photos", lambda route: held.append(route))
    with filmed.expect_request("**/api/photos"):
        choose(filmed, astronaut_path)
    start(filmed)
    assert states(filmed) == ["live"]
    held[0].continue_()
    shown(filmed, 70)
    assert states(filmed) == ["ended"]


@pytest.mark.parametrize("permitted", ["before", "after"])
def test_the_other_tab_lets_it_go(filmed, permitted: str) -> None:
    one, many = (filmed.get_by_role("tab", name=name) for name in ("One photo", "Many photos"))
    if permitted == "before":
        start(filmed)
        one.click()
        assert states(filmed) == ["live"]
        many.click()
    else:
        filmed.evaluate(ASK_FIRST)
        filmed.click("#camera")
        many.click()
        filmed.evaluate("allow()")
    assert states(filmed) == ["ended"]
    one.click()
    assert not filmed.is_visible("#live")
    assert not filmed.is_visible("#shoot")
    start(filmed)
    assert states(filmed) == ["ended", "live"]


def test_a_camera_that_cannot_be_used_is_told(filmed) -> None:
    filmed.evaluate(
        "() => { permission = Promise.reject(new Error()); permission.catch(() => {}); }"
    )
    filmed.click("#camera")
    filmed.locator("#message.bad", has_text="cannot be used here").wait_for()
    assert not filmed.is_visible("#shoot")
