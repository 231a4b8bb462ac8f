"""Draws the pictures of "Gallery" and "How it works": `python docs/gallery.py`.

Both photos are in the public domain: NASA's portrait of Eileen Collins and the US Navy's of Grace
Hopper.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from reage import FaceAger
from reage.faces.align import crop_face, invert, transform_points
from reage.faces.change import delta_of
from reage.inference.opened import OpenedPhoto
from reage.inference.strip import Window, arrange, make_tile, portrait_window

EXAMPLES = Path(__file__).parents[1] / "examples"
PICTURES = Path(__file__).with_name("gallery")
AGES = (5, 15, 30, 50, 70, 90)
YOUNG, OLD = 4, 75
WIDTH = 1200

Views = Iterable[tuple[str, NDArray[np.uint8]]]
"""Labels and uint8 RGB pictures of one size."""


def main() -> None:
    """Writes all pictures to `docs/gallery`."""
    ager = FaceAger(threads=1)
    astronaut = EXAMPLES / "astronaut.png"
    opened = ager.open(astronaut)
    window = portrait(opened)
    save("ages", ager.sweep(astronaut, AGES).strip())
    save("hopper", ager.sweep(EXAMPLES / "hopper.jpg", AGES).strip())
    with Image.open(astronaut) as photo:
        save("grey", ager.sweep(photo.convert("L"), AGES).strip())
    save("strength", side_by_side(strengths(opened), window))
    save("skin", side_by_side(masks(opened, ager.open(astronaut, mask="skin")), window))
    save("shape", side_by_side(shapes(opened, ager.open(astronaut, mask="shape")), window))
    save("steps", make_steps(opened))


def strengths(opened: OpenedPhoto) -> Views:
    """One age with more and more of the change."""
    for strength in (0, 0.25, 0.5, 0.75, 1):
        yield f"{strength:g}", opened.age(OLD, strength=strength).pixels


def masks(face: OpenedPhoto, skin: OpenedPhoto) -> Views:
    """The photo, the whole face aged, and only its skin."""
    yield "photo", face.photo.pixels
    yield "face", face.age(OLD).pixels
    yield "skin", skin.age(OLD).pixels


def shapes(face: OpenedPhoto, shape: OpenedPhoto) -> Views:
    """The photo, and its colours alone and its shape, too, at a young and an old age."""
    yield "photo", face.photo.pixels
    for age in (YOUNG, OLD):
        yield f"{age}, face", face.age(age).pixels
        yield f"{age}, shape", shape.age(age).pixels


def make_steps(opened: OpenedPhoto) -> Image.Image:
    """What each step from the photo to the result makes of its largest face."""
    patch, pixels, size = opened.patches[0], opened.photo.pixels, opened.model.image_size
    sweep = opened.sweep([OLD])
    delta = np.clip(127.5 * (1 + delta_of(sweep.changes[0][0])), 0, 255).astype(np.uint8)
    mask = (255 * patch.mask).astype(np.uint8)[..., None].repeat(3, axis=2)
    left, top, right, bottom = portrait(opened)
    side = min(right - left, bottom - top)
    square = left, top, left + side, top + side
    return arrange(
        [
            make_tile(outlined(pixels, patch.matrix, size), square, "1. find"),
            whole_tile(crop_face(pixels, patch.matrix, size), side, "2. crop"),
            whole_tile(delta, side, f"3. delta for {OLD}"),
            whole_tile(mask, side, "4. mask"),
            make_tile(sweep.pixels(0), square, "5. add"),
        ]
    )


def outlined(
    pixels: NDArray[np.uint8], matrix: NDArray[np.float64], size: int
) -> NDArray[np.uint8]:
    """The photo with the outline of the crop that `matrix` cuts from it."""
    corners = np.array([(0, 0), (size, 0), (size, size), (0, size)]) - 0.5
    photo = Image.fromarray(pixels)
    outline = [tuple(point) for point in transform_points(invert(matrix), corners).tolist()]
    ImageDraw.Draw(photo).polygon(outline, outline=(255, 255, 255), width=2)
    return np.asarray(photo)


def portrait(opened: OpenedPhoto) -> Window:
    """The part of the photo that shows its faces."""
    height, width = opened.photo.pixels.shape[:2]
    return portrait_window([patch.face.box for patch in opened.patches], width, height)


def side_by_side(views: Views, window: Window) -> Image.Image:
    """The same part of each picture, labelled."""
    return arrange([make_tile(pixels, window, label) for label, pixels in views])


def whole_tile(pixels: NDArray[np.uint8], side: int, label: str) -> Image.Image:
    """A square picture, scaled to `side` pixels and labelled."""
    scaled = Image.fromarray(pixels).resize((side, side), Image.Resampling.BICUBIC)
    return make_tile(np.asarray(scaled), (0, 0, side, side), label)


def save(name: str, picture: Image.Image) -> None:
    """Writes a picture as a small JPEG."""
    picture.thumbnail((WIDTH, WIDTH), Image.Resampling.LANCZOS)
    picture.save(PICTURES / f"{name}.jpg", quality=82)


if __name__ == "__main__":
    main()
