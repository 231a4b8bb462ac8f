"""How much the change flickers from frame to frame, and what a frame costs, on given clips.

    python benchmarks/video.py CLIP... [--to 70] [--seconds 10] [--model DIR]

Flicker is the mean absolute change of the delta from one frame to the next, in levels of 0..255,
over the inside of the face and in the face's own coordinates (those of the smoothed landmarks, for
the input, for the raw and for the smoothed delta alike). The input's own change is what a viewer
sees as movement: expression, light, noise.
"""

from __future__ import annotations

import argparse
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np

from reage.faces.align import invert
from reage.faces.blend import LEVELS_PER_UNIT
from reage.faces.change import delta_of
from reage.inference.ager import FaceAger, crop_faces
from reage.inference.results import FacePatch
from reage.inference.video.clock import FrameClock
from reage.inference.video.frames import FaceChange, VideoAger, added_levels
from reage.inference.video.planes import to_rgb
from reage.inference.video.reader import Clip

INSIDE = 0.5


def main() -> None:
    options = parse_arguments()
    ager = FaceAger(options.model, threads=options.threads)
    print(f"{'clip':<42}{'frames':>7}{'faces':>6}{'input':>8}{'raw':>8}{'smooth':>8}{'share':>7}")
    times: dict[str, float] = defaultdict(float)
    frames = 0
    for path in options.clips:
        changes, count, faces = measure(path, ager, options, times)
        frames += count
        if not changes:
            print(f"{path.stem[:41]:<42}{count:>7}{faces:>6}  no face in two frames in a row")
            continue
        given, raw, smooth = np.mean(changes, axis=0)
        print(
            f"{path.stem[:41]:<42}{count:>7}{faces:>6}{given:>8.2f}{raw:>8.2f}{smooth:>8.2f}"
            f"{smooth / raw:>7.0%}"
        )
    print("ms per frame, CPU time of this process:")
    for step, seconds in times.items():
        print(f"  {step:<20}{1e3 * seconds / max(frames, 1):7.1f}")


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measures flicker and speed of `reage video`.")
    parser.add_argument("clips", type=Path, nargs="+")
    parser.add_argument("--to", type=float, default=70.0)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--model", type=Path)
    parser.add_argument("--threads", type=int)
    return parser.parse_args()


def measure(
    path: Path, ager: FaceAger, options: argparse.Namespace, times: dict[str, float]
) -> tuple[list[tuple[float, float, float]], int, int]:
    """For each face and step from frame to frame: the change of input, raw and smoothed delta."""
    raw = VideoAger(ager, options.to, smooth=False)
    smooth = VideoAger(ager, options.to)
    meter = FlickerMeter(ager.model.image_size)
    count = 0
    for pixels, seconds in read_frames(path, times):
        if seconds >= options.seconds:
            break
        count += 1
        with clock(times, "track and age"):
            changes = smooth(pixels, seconds)
        with clock(times, "paste"):
            added_levels(pixels, changes)
        meter.add(pixels, raw(pixels, seconds), changes)
    return meter.changes, count, smooth.faces_seen


def read_frames(path: Path, times: dict[str, float]) -> Iterator[tuple[np.ndarray, float]]:
    with Clip(path) as clip:
        times_of = FrameClock(clip)
        for packet in clip.packets():
            if packet.stream_index != clip.video.index:
                continue
            for frame in clip.decode(packet):
                seconds = times_of.of_frame(frame)
                with clock(times, "to RGB"):
                    pixels = np.ascontiguousarray(np.rot90(to_rgb(frame), clip.turns))
                yield pixels, seconds


class FlickerMeter:
    """Compares what is added to a face with what was added one frame before."""

    def __init__(self, crop_size: int) -> None:
        self.changes: list[tuple[float, float, float]] = []
        self._size = crop_size
        self._last: dict[int, list[np.ndarray]] = {}

    def add(self, pixels: np.ndarray, raw: list[FaceChange], smooth: list[FaceChange]) -> None:
        """Takes the next frame and what both agers want to add to it."""
        raw_of = {change.identity: change for change in raw}
        now = {}
        for change in smooth:
            place = change.patch
            other = raw_of[change.identity]
            [crop] = crop_faces(pixels, [place.matrix], self._size)
            layers = [crop, shown_at(place, other), delta_of(change.values) * place.mask[..., None]]
            now[change.identity] = layers
            if change.identity in self._last:
                inside = place.mask > INSIDE
                pairs = zip(layers, self._last[change.identity], strict=True)
                steps = [float(np.abs(new - old)[inside].mean()) for new, old in pairs]
                given, before, after = (LEVELS_PER_UNIT * step for step in steps)
                self.changes.append((given, before, after))
        self._last = now


def shown_at(place: FacePatch, change: FaceChange) -> np.ndarray:
    """What a change adds to the photo, seen in the crop of `place`."""
    linear = np.vstack([place.matrix, [0, 0, 1]]) @ np.vstack(
        [invert(change.patch.matrix), [0, 0, 1]]
    )
    size = change.patch.mask.shape[::-1]
    shown = delta_of(change.values) * change.patch.mask[..., None]
    return cv2.warpAffine(shown, linear[:2], size, flags=cv2.INTER_CUBIC)


@contextmanager
def clock(times: dict[str, float], name: str) -> Iterator[None]:
    start = time.process_time()
    yield
    times[name] += time.process_time() - start


if __name__ == "__main__":
    main()
