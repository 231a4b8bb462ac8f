"""What the web page asks of `FaceAger`, one function for each kind of request."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, NamedTuple, Self

import cv2
import numpy as np

from reage.errors import UsageError
from reage.images import Photo, encode_photo, read_photo
from reage.images.provenance import mark_photo
from reage.inference.ager import FaceAger
from reage.inference.opened import OpenedPhoto
from reage.inference.patches import MaskChoice, check_mask, make_skin_patch
from reage.inference.results import AgedPhoto, software_name
from reage.inference.sweep import Sweep
from reage.web.store import Visit

MAX_PREVIEW_SIDE: Final = 1280
MAX_FACES: Final = 12
SWEEP_AGES: Final = (2.5, 10, 20, 35, 50, 65, 80)
_QUALITY: Final = 88
_SUFFIXES: Final = {"JPEG": ".jpg", "PNG": ".png", "WEBP": ".webp", "AVIF": ".avif", "TIFF": ".tif"}


class Download(NamedTuple):
    """A file for the visitor."""

    data: bytes
    name: str
    media_type: str


@dataclass(frozen=True)
class Wish:
    """What a visitor asks for.

    Attributes:
        to: Target age, years.
        strength: Share of the change, 0..1.
        faces: Which faces, counted from the largest; None means all.
        mask: What of a face may change.
    """

    to: float
    strength: float
    faces: tuple[int, ...] | None
    mask: MaskChoice = "face"

    @classmethod
    def of(cls, query: Mapping[str, str]) -> Self:
        """Reads a query.

        Raises:
            UsageError: If it cannot be meant.
        """
        try:
            faces = query.get("faces")
            return cls(
                float(query.get("to", "")),
                float(query.get("strength", "1")),
                None if faces is None else tuple(int(part) for part in faces.split(",") if part),
                check_mask(query.get("mask", "face")),
            )
        except ValueError as error:
            raise UsageError("the request", "is not understood", "reload the page") from error


def open_visit(ager: FaceAger, data: bytes, max_pixels: int) -> tuple[Visit, dict[str, Any]]:
    """Reads a photo, finds and encodes its faces, and tells their skin.

    Returns:
        The visit, and what the page must know: size and faces, in pixels of the original.
    """
    photo = read_photo(data, max_pixels=max_pixels)
    # Cut-outs often keep, below what is transparent, what nobody is to see.
    pixels = photo.visible
    opened = ager.open(pixels, faces=MAX_FACES)
    height, width = pixels.shape[:2]
    scale = min(1.0, MAX_PREVIEW_SIDE / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    small = read_photo(np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), np.uint8))
    views: dict[MaskChoice, OpenedPhoto] = {
        "face": opened.on(small),
        "skin": _skin_only(opened).on(small),
        # Nothing is moved where transparency may hide something: see `Sweep.pixels`.
        "shape": (_with_shape(opened) if photo.alpha is None else opened).on(small),
    }
    faces = [{"box": [round(float(value), 1) for value in p.face.box]} for p in opened.patches]
    visit = Visit(data, views, len(data) + _memory(views))
    return visit, {"width": width, "height": height, "faces": faces}


def preview(visit: Visit, wish: Wish) -> bytes:
    """The photo at an age, as JPEG of the size of the preview; quick enough for a slider."""
    view = visit.views[wish.mask]
    aged = view.age(wish.to, faces=wish.faces, strength=wish.strength)
    buffer = io.BytesIO()
    aged.image.save(buffer, "JPEG", quality=_QUALITY, xmp=aged.image.info["xmp"])
    return buffer.getvalue()


def full_photo(visit: Visit, wish: Wish, max_pixels: int) -> Download:
    """The photo at an age in its own size: the faces are the preview's."""
    _check_faces(wish)
    photo = read_photo(visit.original, max_pixels=max_pixels)
    view = visit.views[wish.mask].on(photo)
    aged = view.age(wish.to, faces=wish.faces, strength=wish.strength)
    data, suffix = encode(aged)
    return Download(data, f"aged_{wish.to:g}{suffix}", "application/octet-stream")


def strip(visit: Visit, wish: Wish, _: int) -> Download:
    """The faces at several ages side by side, as JPEG."""
    sweep = _sweep(visit, wish)
    pixels = np.asarray(sweep.strip())
    picture = mark_photo(Photo(pixels, None, "JPEG", "strip"), software_name(), sweep.ages)
    return Download(encode_photo(picture, pixels), "ages.jpg", "image/jpeg")


def animation(visit: Visit, wish: Wish, _: int) -> Download:
    """The faces through the ages and back, as GIF."""
    return Download(_sweep(visit, wish).animation(), "ages.gif", "image/gif")


DOWNLOADS: Final[Mapping[str, Callable[[Visit, Wish, int], Download]]] = {
    "photo": full_photo,
    "strip": strip,
    "gif": animation,
}


def encode(aged: AgedPhoto) -> tuple[bytes, str]:
    """An aged photo as a file of its own format where browsers write such files, else as PNG.

    Returns:
        The file and its suffix.
    """
    chosen = aged.photo.format if aged.photo.format in _SUFFIXES else "PNG"
    return encode_photo(aged.marked(), aged.pixels, format=chosen), _SUFFIXES[chosen]


def _skin_only(opened: OpenedPhoto) -> OpenedPhoto:
    """The same photo, its faces not encoded again, where only skin may change."""
    size, pixels = opened.model.image_size, opened.photo.pixels
    patches = (make_skin_patch(patch.face, size, pixels) for patch in opened.patches)
    return replace(opened, patches=tuple(patches))


def _with_shape(opened: OpenedPhoto) -> OpenedPhoto:
    """The same photo, its faces not encoded again, where their shape may change too."""
    patches = (replace(patch, keeps_shape=False) for patch in opened.patches)
    return replace(opened, patches=tuple(patches))


def _memory(views: Mapping[MaskChoice, OpenedPhoto]) -> int:
    """Bytes of views of one photo, which share all but their masks."""
    view = views["face"]
    masks = (patch.mask.nbytes for one in views.values() for patch in one.patches)
    features = (values.nbytes for values in view.features.values())
    return view.photo.pixels.nbytes + sum(features) + sum(masks)


def _sweep(visit: Visit, wish: Wish) -> Sweep:
    _check_faces(wish)
    return visit.views[wish.mask].sweep(SWEEP_AGES, faces=wish.faces, strength=wish.strength)


def _check_faces(wish: Wish) -> None:
    if wish.faces is not None and not wish.faces:
        raise UsageError("a download", "needs a face to age", "choose one in the picture")
