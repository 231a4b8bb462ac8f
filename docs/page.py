"""Takes the pictures of "The web page" in a browser: `python docs/page.py CHROMIUM`.

The page is served with the packaged weights; CHROMIUM is the browser's program.
"""

from __future__ import annotations

import io
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import sync_playwright

from reage import FaceAger
from reage.cli.serve import listen
from reage.web.app import LOCAL_HOSTS, create_app
from reage.web.limits import Limits
from reage.web.server import make_server

PHOTO = Path(__file__).parents[1] / "examples" / "astronaut.png"
PICTURES = Path(__file__).with_name("web")
AGE, SPLIT = 80, 48
DESKTOP, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}


def main(program: str) -> None:
    """Takes all pictures with the browser `program`."""
    with served() as address, sync_playwright() as runner:
        browser = runner.chromium.launch(executable_path=program, args=["--no-sandbox"])
        for name, options, strip in (
            ("desktop", {"viewport": DESKTOP}, True),
            ("dark", {"viewport": DESKTOP, "color_scheme": "dark"}, True),
            ("phone", {"viewport": PHONE, "has_touch": True}, False),
        ):
            page = browser.new_context(**options).new_page()
            page.goto(address)
            age_photo(page, strip=strip)
            picture = Image.open(io.BytesIO(page.screenshot(full_page=True)))
            picture.convert("RGB").save(PICTURES / f"{name}.jpg", quality=88)
        browser.close()


def age_photo(page: Any, *, strip: bool) -> None:
    """Leaves the page with the photo aged, and with a strip of ages below if there is to be one."""
    page.set_input_files("#file", str(PHOTO))
    page.locator("body[data-shown]").wait_for()
    for selector, value in (("#age", AGE), ("#split", SPLIT)):
        page.locator(selector).fill(str(value))
    page.locator(f"body[data-shown='{AGE}']").wait_for()
    if strip:
        with page.expect_download():
            page.get_by_role("button", name="Strip of ages").click()


@contextmanager
def served() -> Iterator[str]:
    """Where the page is served within."""
    limits = Limits()
    app = create_app(FaceAger(), limits, hosts=LOCAL_HOSTS)
    with listen("127.0.0.1", 0) as listener:
        server = make_server(app, limits)
        thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        server.should_exit = True
        thread.join()


if __name__ == "__main__":
    main(sys.argv[1])
