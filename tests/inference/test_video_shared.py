from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest

from reage.inference.ager import FaceAger
from reage.inference.video.clock import FrameClock
from reage.inference.video.frames import VideoAger
from reage.inference.video.planes import to_rgb
from reage.inference.video.reader import Clip


@pytest.mark.shared
@pytest.mark.parametrize("name", ["liveportrait_d12.mp4", "liveportrait_d20.mp4"])
def test_smoothing_halves_the_flicker_of_a_real_face(shared_data: Path, name: str) -> None:
    ager = FaceAger(threads=1)
    ways = {smooth: VideoAger(ager, 70, smooth=smooth) for smooth in (False, True)}
    deltas: dict[bool, list[np.ndarray]] = {False: [], True: []}
    with Clip(shared_data / "videos" / name) as clip:
        times = FrameClock(clip)
        packets = (p for p in clip.packets() if p.stream_index == clip.video.index)
        frames = (frame for packet in packets for frame in clip.decode(packet))
        for frame in itertools.islice(frames, 30):
            seconds, pixels = times.of_frame(frame), to_rgb(frame)
            for smooth, way in ways.items():
                [change] = way(pixels, seconds)
                deltas[smooth].append(change.values * change.patch.mask[..., None])
    flicker = {smooth: np.abs(np.diff(shown, axis=0)).mean() for smooth, shown in deltas.items()}
    assert 0 < flicker[True] <= 0.5 * flicker[False]
