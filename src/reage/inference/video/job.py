"""Ages a whole video file: frame by frame, in one pass, with its sound."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from reage.errors import ImageWriteError, NoFaceError, UsageError
from reage.images.provenance import mark_in_words
from reage.inference.ager import FaceAger, FaceChoice
from reage.inference.patches import MaskChoice
from reage.inference.results import software_name
from reage.inference.video.clock import FrameClock
from reage.inference.video.frames import VideoAger, added_levels
from reage.inference.video.planes import add_change, to_rgb
from reage.inference.video.reader import Clip
from reage.inference.video.writer import ClipWriter

if TYPE_CHECKING:
    from av.packet import Packet
    from av.video.frame import VideoFrame

Progress = Callable[[float, float | None], None]
"""Told after each frame how many seconds are done and how many there are, where that is known."""


@dataclass(frozen=True)
class AgedVideo:
    """What was written.

    Attributes:
        path: The new file.
        frames: How many frames it has.
        seconds: How long they last.
        faces: How many faces were aged; one that was gone for a while counts again.
        damaged: How many packets of the input could not be decoded.
        dropped: Descriptions of the streams that the new file cannot hold.
    """

    path: Path
    frames: int
    seconds: float
    faces: int
    damaged: int = 0
    dropped: tuple[str, ...] = field(default=())


class VideoInterrupted(KeyboardInterrupt):
    """The user stopped the work; what was done is kept.

    Attributes:
        video: What was written.
    """

    def __init__(self, video: AgedVideo) -> None:
        super().__init__(str(video.path))
        self.video = video


def age_video(
    source: str | os.PathLike[str],
    target: str | os.PathLike[str],
    to: float,
    *,
    ager: FaceAger | None = None,
    faces: FaceChoice = "all",
    strength: float = 1.0,
    source_age: float | None = None,
    mask: MaskChoice = "face",
    seconds: float | None = None,
    progress: Progress | None = None,
) -> AgedVideo:
    """Shows the people in a video at the age `to`.

    Timestamps, rotation, colour tags, sound and subtitles stay as they are; samples outside the
    faces reach the encoder as they left the decoder.

    Args:
        source: The video file.
        target: Where to write; .mp4, .m4v, .mov, .mkv or .webm. It is there whole or not at all.
        to: The target age in years, from 0 to 116.
        ager: The models to use; None opens those that ship inside the package.
        faces: Which faces to age; `largest` and numbers keep a face as long as it is in view.
        strength: How much of the change to apply, from 0 to 1.
        source_age: The true age in years, where it is known.
        mask: What of a face may change: "face", "skin" or "shape"; see `FaceAger.age`.
        seconds: Write only so much of the beginning; None writes everything.
        progress: Called after each frame.

    Raises:
        VideoInterrupted: On Ctrl-C, once frames have been written; they are kept.
        AgeRangeError: If an age lies outside the range of the model.
        UsageError: If an argument cannot be meant.
        MissingExtraError: If PyAV is not installed.
        VideoReadError: If the file is no video.
        ImageWriteError: If the new file cannot be written.
        NoFaceError: If no face is found in the whole video; nothing is written.
    """
    if seconds is not None and not seconds > 0:
        raise UsageError(f"{seconds:g} seconds", "is no length of a video", "give more than zero")
    with Clip(source) as clip:
        _refuse_same_file(clip.path, Path(target))
        video_ager = VideoAger(
            ager or FaceAger(),
            to,
            faces=faces,
            strength=strength,
            source_age=source_age,
            mask=mask,
        )
        return _Job(clip, Path(target), video_ager, seconds, progress).run()


class _Job:
    """One clip on its way from the input to the output."""

    def __init__(
        self,
        clip: Clip,
        target: Path,
        ager: VideoAger,
        limit: float | None,
        progress: Progress | None,
    ) -> None:
        self._clip = clip
        self._target = target
        self._ager = ager
        self._limit = math.inf if limit is None else limit
        self._progress = progress
        self._clock = FrameClock(clip)
        self._frames = 0
        mark = mark_in_words(software_name(), [ager.to]).decode()
        self._writer = ClipWriter(target, clip, mark)

    def run(self) -> AgedVideo:
        """Does the work; whatever happens, no temporary file is left behind."""
        interrupted = False
        try:
            try:
                self._transfer()
            except KeyboardInterrupt:
                if not self._frames:
                    raise
                interrupted = True
            if not self._ager.faces_seen and not interrupted:
                raise NoFaceError(
                    self._clip.path,
                    "shows no face that could be found in any frame",
                    "try a video with larger, more frontal faces",
                )
            self._writer.keep()
        finally:
            self._writer.discard()
        if interrupted:
            raise VideoInterrupted(self._report())
        return self._report()

    def _transfer(self) -> None:
        """Moves every packet to the output, those of the video by way of the models."""
        pending = {stream.index for stream in self._clip.copied if stream.type == "audio"}
        ended = False
        for packet in self._clip.packets():
            if packet.stream_index == self._clip.video.index:
                ended = ended or self._age_packet(packet)
            elif self._clock.of_packet(packet) < self._limit:
                self._writer.copy(packet)
            else:
                pending.discard(packet.stream_index)
            # Sound may lie behind the pictures that it belongs to.
            if ended and not pending:
                return

    def _age_packet(self, packet: Packet[Any]) -> bool:
        """Ages the frames that a packet completes; returns whether the last one is done."""
        for frame in self._clip.decode(packet):
            seconds = self._clock.of_frame(frame)
            if seconds >= self._limit:
                return True
            fitted = self._writer.fit(frame)
            age_frame(fitted, self._ager, seconds, self._clip.turns)
            self._writer.write(fitted)
            self._frames += 1
            if self._progress is not None:
                self._progress(self._clock.done, self._total())
        return False

    def _total(self) -> float | None:
        whole = self._clip.seconds
        return whole if whole is None else min(whole, self._limit)

    def _report(self) -> AgedVideo:
        return AgedVideo(
            self._target,
            self._frames,
            self._clock.done,
            self._ager.faces_seen,
            self._clip.damaged,
            tuple(self._writer.dropped),
        )


def age_frame(frame: VideoFrame, ager: VideoAger, seconds: float, turns: int) -> None:
    """Ages the faces of a frame in place.

    Args:
        frame: Planar YUV or grey, its memory its own.
        ager: What has seen the frames before.
        seconds: When the frame is shown.
        turns: Quarter turns counterclockwise from the picture as stored to the picture as shown.
    """
    upright = np.ascontiguousarray(np.rot90(to_rgb(frame), turns))
    region = added_levels(upright, ager(upright, seconds))
    if region is not None:
        stored = region.turned_back(turns, upright.shape[1], upright.shape[0])
        add_change(frame, stored.levels, stored.x, stored.y)


def _refuse_same_file(source: Path, target: Path) -> None:
    try:
        same = target.samefile(source)
    except OSError:
        same = False
    if same:
        raise ImageWriteError(
            target, "is the input, and inputs are never replaced", "name another output with -o"
        )
