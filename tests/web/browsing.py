"""What tests do with the page in a browser."""

from __future__ import annotations

from pathlib import Path

UPLOAD_BYTES = 5_000_000


def choose(page, path: Path) -> None:
    page.set_input_files("#file", str(path))


def shown(page, age: int) -> None:
    """Waits until the picture shows that age."""
    page.locator(f"body[data-shown='{age}']").wait_for()


def center(page, selector: str) -> tuple[float, float]:
    page.locator(selector).scroll_into_view_if_needed()
    box = page.locator(selector).bounding_box()
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
