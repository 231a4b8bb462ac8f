"""Short clips of the example photo in motion, with everything known about them."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from PIL import Image

SIDE = 192
MILLISECONDS = Fraction(1, 1000)
EVEN = tuple(range(0, 16 * 40, 40))
LOSSLESS = {"crf": "0", "preset": "ultrafast"}


def moving_astronaut(path: Path, count: int = len(EVEN), *, side: int = SIDE) -> list[np.ndarray]:
    """Pictures of the astronaut's head that drifts to the left, uint8 (side, side, 3) each."""
    photo = np.asarray(Image.open(path).convert("RGB"))
    return [
        np.ascontiguousarray(photo[20 : 20 + side, x : x + side]) for x in range(120, 120 + count)
    ]


def write_clip(
    path: Path,
    pictures: Sequence[np.ndarray],
    *,
    times: Sequence[int] = EVEN,
    codec: str = "libx264",
    pixel_format: str = "yuv420p",
    options: dict[str, str] = LOSSLESS,
    rotation: int = 0,
    colors: dict[str, int] | None = None,
    sound: bool = True,
    metadata: dict[str, str] | None = None,
) -> Path:
    """Writes pictures, each shown from its time in milliseconds, and a tone as long as they are.

    Args:
        colors: What to tag and to convert by: `colorspace`, `color_range`, `color_primaries`,
            `color_trc`, in FFmpeg's codes.
        rotation: How players turn the pictures, degrees counterclockwise.
    """
    with av.open(path, "w") as container:
        container.metadata.update(metadata or {})
        video = container.add_stream(codec, rate=25, options=dict(options))
        video.width, video.height = pictures[0].shape[1], pictures[0].shape[0]
        video.pix_fmt = pixel_format
        video.codec_context.time_base = MILLISECONDS
        for name, value in (colors or {}).items():
            setattr(video.codec_context, name, value)
        if rotation:
            video.set_display_rotation(rotation)
        tone = container.add_stream("aac", rate=44100, layout="mono") if sound else None
        for picture, time in zip(pictures, times, strict=False):
            container.mux(video.encode(make_frame(picture, pixel_format, time, colors or {})))
        container.mux(video.encode(None))
        if tone is not None:
            seconds = (times[len(pictures) - 1] + 40) / 1000
            for frame in tone_frames(seconds):
                container.mux(tone.encode(frame))
            container.mux(tone.encode(None))
    return path


def make_frame(
    picture: np.ndarray, pixel_format: str, time: int, colors: dict[str, int]
) -> av.VideoFrame:
    """A picture as a frame of a pixel format, shown at a time in milliseconds."""
    wanted: dict[str, Any] = {}
    if "colorspace" in colors:
        wanted["dst_colorspace"] = colors["colorspace"]
    if "color_range" in colors:
        wanted["dst_color_range"] = colors["color_range"]
    frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
    frame = frame.reformat(format=pixel_format, **wanted)
    frame.pts, frame.time_base = time, MILLISECONDS
    return frame


def tone_frames(seconds: float) -> list[av.AudioFrame]:
    """440 Hz, mono, in frames as long as AAC has them."""
    wave = np.sin(2 * np.pi * 440 * np.arange(int(44100 * seconds)) / 44100).astype(np.float32)
    frames = []
    for start in range(0, len(wave), 1024):
        frame = av.AudioFrame.from_ndarray(
            wave[None, start : start + 1024] / 4, format="fltp", layout="mono"
        )
        frame.sample_rate, frame.pts, frame.time_base = 44100, start, Fraction(1, 44100)
        frames.append(frame)
    return frames


def read_frames(path: Path) -> list[av.VideoFrame]:
    """All frames of a video."""
    with av.open(path) as container:
        return list(container.decode(video=0))


def read_pictures(path: Path) -> np.ndarray:
    """All frames as they are stored, (N, H, W, 3), RGB, as integers that do not wrap around."""
    return np.stack([frame.to_ndarray(format="rgb24").astype(int) for frame in read_frames(path)])


def read_times(path: Path) -> list[float]:
    """When each frame is shown, in seconds."""
    return [float(frame.pts * frame.time_base) for frame in read_frames(path)]


def read_packets(path: Path, kind: str = "audio") -> list[tuple[bytes, Fraction]]:
    """The packets of the first stream of a kind: content and time in seconds."""
    with av.open(path) as container:
        [stream, *_] = [stream for stream in container.streams if stream.type == kind]
        return [
            (bytes(packet), packet.pts * packet.time_base)
            for packet in container.demux(stream)
            if packet.size
        ]
