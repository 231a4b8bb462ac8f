"""What tests do with the page in a browser."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

UPLOAD_BYTES = 5_000_000
PHONE = {"width": 390, "height": 844}
"""A small screen."""


@contextmanager
def watched_page(
    browser: Any,
    address: str,
    *,
    forgiven: str = "(?!)",
    prepare: Callable[[Any], None] = lambda _: None,
    **context: Any,
) -> Iterator[Any]:
    """The page at `address`, freshly opened: nothing it does may widen it, or make it complain.

    Args:
        browser: Playwright's.
        address: What the page may ask for begins with it.
        forgiven: Pattern of lines on the console that are no complaints; by default of none.
        prepare: Called with the page before it is loaded.
        context: Options of the browser's context.
    """
    opened = browser.new_context(**context).new_page()
    asked: list[str] = []
    complaints: list[str] = []
    opened.on("request", lambda one: asked.append(one.url))
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    opened.on(
        "console",
        lambda line: (
            complaints.append(line.text)
            if line.type == "error" and not re.search(forgiven, line.text)
            else None
        ),
    )
    prepare(opened)
    opened.goto(address)
    yield opened
    # Nothing is wider than the window, whatever was done.
    assert opened.evaluate("document.documentElement.scrollWidth <= innerWidth")
    opened.context.close()
    assert all(url.startswith((address, "blob:", "data:")) for url in asked), asked
    assert complaints == []


def choose(page, path: Path) -> None:
    page.set_input_files("#file", str(path))


def shown(page, age: int) -> None:
    """Waits until the picture shows that age."""
    page.locator(f"body[data-shown='{age}']").wait_for()


def center(page, selector: str) -> tuple[float, float]:
    page.locator(selector).scroll_into_view_if_needed()
    box = page.locator(selector).bounding_box()
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
