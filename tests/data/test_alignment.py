from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from reage.data.alignment import FaceAligner
from reage.errors import ImageReadError
from reage.faces.align import TEMPLATE
from reage.faces.finder import FaceFinder


@pytest.fixture(scope="module")
def aligner() -> FaceAligner:
    return FaceAligner()


@pytest.mark.parametrize("turn", [0, 90])
def test_a_whole_photo_becomes_a_face_on_the_template(
    aligner: FaceAligner, astronaut_path: Path, turn: int
) -> None:
    out = io.BytesIO()
    with Image.open(astronaut_path) as photo:
        photo.convert("RGB").rotate(turn).save(out, "PNG")
    with Image.open(io.BytesIO(aligner(out.getvalue()))) as face:
        assert (face.format, face.size, face.mode) == ("JPEG", (200, 200), "RGB")
        (found, *_) = FaceFinder().find(np.asarray(face))
    offset = (found.landmarks + 0.5) / 200 - np.asarray(TEMPLATE)
    # A smile differs from the average mouth; a crop that is off or turned differs by far more.
    assert np.abs(offset).max() < 0.07


def test_a_photo_without_a_face_is_refused(aligner: FaceAligner) -> None:
    out = io.BytesIO()
    Image.new("RGB", (300, 200), (90, 140, 90)).save(out, "PNG")
    with pytest.raises(ImageReadError, match="shows no face"):
        aligner(out.getvalue())
