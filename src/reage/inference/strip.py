"""Lays out pictures of one photo at several ages: a labelled strip, or an animation."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image, ImageDraw, ImageFont

Window = tuple[int, int, int, int]
"""Left, top, right, bottom in pixels; right and bottom do not belong to it."""

# Beside and above, beside and below a face, in units of its longer side.
ROOM_ABOVE: Final = np.array([0.5, 0.65])
ROOM_BELOW: Final = np.array([0.5, 0.55])
MIN_TILE_HEIGHT: Final = 192
MAX_TILE_HEIGHT: Final = 384
MAX_TILE_WIDTH: Final = 1024
MAX_COLUMNS: Final = 10
MAX_STRIP_WIDTH: Final = 2800
MIN_BAND: Final = 24
GAP: Final = 8
BACKGROUND: Final = (255, 255, 255)
INK: Final = (48, 48, 48)
FRAME_MS: Final = 500
# Long enough at both ends of life to look at the face before the animation turns round.
TURN_MS: Final = 1200


def portrait_window(boxes: ArrayLike, width: int, height: int) -> Window:
    """The part of a photo that shows its faces like a portrait does: with hair, neck and some room.

    Args:
        boxes: Face boxes, shape (N, 4), `x0, y0, x1, y1` in pixels of the photo.
        width: The photo's width in pixels.
        height: The photo's height in pixels.
    """
    corners = np.asarray(boxes, np.float64).reshape(-1, 4)
    low, high = corners[:, :2].min(axis=0), corners[:, 2:].max(axis=0)
    face = (corners[:, 2:] - corners[:, :2]).max()
    left, top = np.floor(low - face * ROOM_ABOVE).astype(int).tolist()
    right, bottom = np.ceil(high + face * ROOM_BELOW).astype(int).tolist()
    return max(left, 0), max(top, 0), min(right, width), min(bottom, height)


def make_tile(pixels: NDArray[np.uint8], window: Window, label: str) -> Image.Image:
    """Cuts `window` out of uint8 RGB pixels, brings it to a tile's height, and labels it below."""
    left, top, right, bottom = window
    picture = Image.fromarray(pixels[top:bottom, left:right])
    width, height = _tile_size(picture.width, picture.height)
    picture = picture.resize((width, height), Image.Resampling.LANCZOS)
    band = max(height // 8, MIN_BAND)
    tile = Image.new("RGB", (width, height + band), BACKGROUND)
    tile.paste(picture, (0, 0))
    font = ImageFont.load_default(size=band * 0.7)
    center = (width / 2, height + band / 2)
    ImageDraw.Draw(tile).text(center, label, fill=INK, font=font, anchor="mm")
    return tile


def _tile_size(width: int, height: int) -> tuple[int, int]:
    """The size that shows a picture of this size well beside others, in its proportions."""
    tall = min(max(height, MIN_TILE_HEIGHT), MAX_TILE_HEIGHT)
    scale = min(tall / height, MAX_TILE_WIDTH / width)
    return max(round(width * scale), 1), max(round(height * scale), 1)


def arrange(tiles: Sequence[Image.Image]) -> Image.Image:
    """Puts tiles of one size side by side, in several rows where they are many."""
    width, height = tiles[0].size
    fitting = max(min(MAX_COLUMNS, MAX_STRIP_WIDTH // (width + GAP)), 1)
    columns = len(tiles) if len(tiles) <= fitting else _even_columns(len(tiles), fitting)
    rows = -(-len(tiles) // columns)
    size = (columns * (width + GAP) + GAP, rows * (height + GAP) + GAP)
    strip = Image.new("RGB", size, BACKGROUND)
    for index, tile in enumerate(tiles):
        row, column = divmod(index, columns)
        strip.paste(tile, (GAP + column * (width + GAP), GAP + row * (height + GAP)))
    return strip


def _even_columns(count: int, most: int) -> int:
    """The number of columns, `most` or up to half as many, that leaves the fewest cells empty."""
    return min(range(most, most // 2, -1), key=lambda columns: -count % columns)


def animate(tiles: Sequence[Image.Image], comment: bytes) -> bytes:
    """Plays tiles of one size forth and back without end, as the bytes of a GIF file.

    Args:
        tiles: The pictures.
        comment: Words to go into the file.
    """
    frames = [tile.quantize(256, dither=Image.Dither.FLOYDSTEINBERG) for tile in tiles]
    order = [*frames, *frames[-2:0:-1]]
    durations = [FRAME_MS] * len(order)
    durations[0] = durations[len(frames) - 1] = TURN_MS
    buffer = io.BytesIO()
    order[0].save(
        buffer,
        format="GIF",
        save_all=True,
        append_images=order[1:],
        duration=durations,
        loop=0,
        optimize=False,
        comment=comment,
    )
    return buffer.getvalue()
