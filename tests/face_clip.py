"""A short clip of the example photo, moving by a pixel a frame."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
from PIL import Image


def write_face_clip(path: Path, photo_path: Path, frames: int) -> None:
    photo = np.asarray(Image.open(photo_path).convert("RGB"))
    with av.open(path, "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"preset": "ultrafast"})
        stream.width = stream.height = 192
        for x in range(frames):
            picture = np.ascontiguousarray(photo[20:212, 120 + x : 312 + x])
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))
