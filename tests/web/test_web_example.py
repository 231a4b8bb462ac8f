"""The example page: its conventions in Node.js, and the page itself in a browser."""

from __future__ import annotations

import json
import shutil
import subprocess
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from browsing import PHONE, watched_page
from PIL import Image

from reage.ages import GROUP_CENTERS, soft_code
from reage.faces.align import TEMPLATE

PAGE = Path(__file__).parents[2] / "examples" / "web"
AGES = [0, 2.5, 5, 30, 45.5, 77, 100, 108.5, 116]
SCRIPT = """
import { CENTERS, TEMPLATE, addDelta, softCode, toModel } from "./ages.js";
const pixels = new Uint8ClampedArray(16).fill(100);
addDelta(pixels, 2, Float32Array.of(0.2, -2, 2), 1);
const ramp = new Uint8ClampedArray(64);
addDelta(ramp, 4, Float32Array.of(0, 0, 0, 1, 0, 0, 0, 0, 0, 1, 0, 0), 2);
console.log(JSON.stringify({
  centers: CENTERS, template: TEMPLATE,
  codes: JSON.parse(process.argv[1]).map((age) => [...softCode(age)]),
  model: [...toModel(Uint8ClampedArray.of(0, 255, 102, 255))],
  pixels: [...pixels], ramp: [0, 1, 2, 3].map((x) => ramp[x * 4]),
}));
"""


@pytest.mark.skipif(shutil.which("node") is None, reason="no Node.js")
def test_conventions_are_those_of_the_package() -> None:
    done = subprocess.run(
        ["node", "--input-type=module", "-e", SCRIPT, json.dumps(AGES)],
        cwd=PAGE,
        capture_output=True,
        text=True,
        check=True,
    )
    found = json.loads(done.stdout)
    assert found["centers"] == list(GROUP_CENTERS)
    assert found["template"] == [list(point) for point in TEMPLATE]
    np.testing.assert_allclose(found["codes"], soft_code(AGES), atol=1e-6)
    np.testing.assert_allclose(found["model"], [-1, 1, -0.2], atol=1e-6)
    assert found["pixels"] == [126, 0, 255, 100] * 4
    # Bilinear between pixel centers, the outermost repeated: 0, 1/4, 3/4, 1 of half the range.
    np.testing.assert_allclose(found["ramp"], np.array([0, 0.25, 0.75, 1]) * 127.5, atol=0.5)


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(PAGE)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def page(browser, address: str, tiny_model: Path) -> Iterator[object]:
    """The page with the tiny model, whose delta is (years - 50) * 0.004."""
    if not (PAGE / "node_modules" / "onnxruntime-web").is_dir():
        pytest.skip("no onnxruntime-web: run `npm install` in examples/web")

    def give_model(opened) -> None:
        opened.route(
            "**/model/*.onnx",
            lambda route: route.fulfill(path=tiny_model / route.request.url.rsplit("/", 1)[1]),
        )

    with watched_page(browser, address, prepare=give_model, viewport=PHONE) as opened:
        yield opened


def color(page, canvas: str) -> list[int]:
    """RGB in the middle of a canvas."""
    return page.evaluate(
        "(id) => [...document.getElementById(id).getContext('2d')"
        ".getImageData(192, 192, 1, 1).data.slice(0, 3)]",
        canvas,
    )


def test_a_crop_is_aged_in_the_browser(page, tmp_path: Path) -> None:
    Image.new("RGB", (300, 200), (100, 120, 140)).save(tmp_path / "photo.png")
    page.locator("#file:enabled").set_input_files(tmp_path / "photo.png")
    page.locator("body[data-shown='70']").wait_for()
    assert color(page, "stage") == [100, 120, 140]
    brighter = np.array([100, 120, 140]) + 20 * 0.004 * 127.5
    np.testing.assert_allclose(color(page, "after"), brighter, atol=1)
    page.get_by_label("Age").press("Home")
    page.locator("body[data-shown='0']").wait_for()
    # Ages below the first center are that center's.
    darker = np.array([100, 120, 140]) - 47.5 * 0.004 * 127.5
    np.testing.assert_allclose(color(page, "after"), darker, atol=1)
    assert page.get_by_role("img", name="The face at 0 years").is_visible()


def test_the_photo_is_moved_zoomed_and_turned(page, tmp_path: Path) -> None:
    # Left half red, right half blue: the middle of the square tells where it lies.
    picture = Image.new("RGB", (384, 384), (200, 0, 0))
    picture.paste((0, 0, 200), (192, 0, 384, 384))
    picture.save(tmp_path / "photo.png")
    page.locator("#file:enabled").set_input_files(tmp_path / "photo.png")
    page.locator("body[data-shown]").wait_for()
    square = page.get_by_role("img", name="The photo under a square")
    for _ in range(3):
        square.press("ArrowRight")
    assert color(page, "stage") == [200, 0, 0]
    for _ in range(6):
        square.press("ArrowLeft")
    assert color(page, "stage") == [0, 0, 200]
    box = square.bounding_box()
    page.mouse.move(box["x"] + 20, box["y"] + 20)
    page.mouse.down()
    page.mouse.move(box["x"] + 80, box["y"] + 20, steps=3)
    page.mouse.up()
    assert color(page, "stage") == [200, 0, 0]
    page.get_by_label("Zoom").press("End")
    page.get_by_label("Turn").press("End")
    assert color(page, "stage") == [200, 0, 0]


def test_a_file_that_is_no_photo_is_refused_in_words(page, tmp_path: Path) -> None:
    (tmp_path / "notes.png").write_text("no photo")
    page.locator("#file:enabled").set_input_files(tmp_path / "notes.png")
    page.get_by_text("notes.png cannot be read as a photo.").wait_for()
