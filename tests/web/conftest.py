"""The page in a real browser, where one is installed."""

from __future__ import annotations

import io
import os
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from browsing import PHONE, UPLOAD_BYTES, watched_page
from PIL import Image

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
]
DESKTOP = {"width": 1280, "height": 900}


@pytest.fixture(scope="module")
def address(tiny_model: Path) -> Iterator[str]:
    """Where the page is served."""
    pytest.importorskip("uvicorn")
    from reage.cli.serve import listen
    from reage.inference.ager import FaceAger
    from reage.web.app import LOCAL_HOSTS, create_app
    from reage.web.limits import Limits
    from reage.web.server import make_server

    limits = Limits(upload_bytes=UPLOAD_BYTES)
    app = create_app(FaceAger(tiny_model, threads=1), limits, hosts=LOCAL_HOSTS)
    with listen("127.0.0.1", 0) as listener:
        server = make_server(app, limits)
        thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        server.should_exit = True
        thread.join()


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory, astronaut_path: Path) -> Iterator[object]:
    """A browser whose camera films the astronaut."""
    playwright = pytest.importorskip("playwright.sync_api")
    names = (shutil.which("chromium"), shutil.which("google-chrome"))
    program = os.environ.get("REAGE_CHROMIUM") or next(filter(None, names), None)
    if program is None:
        pytest.skip("no Chromium: install Debian's package, or name one in REAGE_CHROMIUM")
    film = tmp_path_factory.mktemp("camera") / "film.mjpeg"
    buffer = io.BytesIO()
    Image.open(astronaut_path).convert("RGB").save(buffer, "JPEG", quality=95)
    film.write_bytes(buffer.getvalue() * 3)
    flags = [*FLAGS, f"--use-file-for-fake-video-capture={film}"]
    with playwright.sync_playwright() as runner:
        started = runner.chromium.launch(executable_path=program, args=flags)
        yield started
        started.close()


@pytest.fixture(params=[DESKTOP, PHONE], ids=["desktop", "phone"])
def page(request: pytest.FixtureRequest, browser, address: str) -> Iterator[object]:
    """The page on a large and on a small screen; see `watched_page`."""
    # What the server refuses shows up on the console too, and belongs to the tests.
    with watched_page(
        browser,
        address,
        forgiven=r"status of (4|503)",
        viewport=request.param,
        accept_downloads=True,
        has_touch=request.param == PHONE,
    ) as opened:
        yield opened
