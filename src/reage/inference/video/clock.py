"""When each frame of a clip is shown, counted from its first."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any, Final

from reage.inference.video.reader import Clip

if TYPE_CHECKING:
    from av.packet import Packet
    from av.video.frame import VideoFrame

_DEFAULT_RATE: Final = Fraction(25)


class FrameClock:
    """Reads timestamps, and makes up those that a file lacks or repeats.

    Attributes:
        done: Seconds from the beginning of the first frame to the end of the last one read.
    """

    def __init__(self, clip: Clip) -> None:
        self.done = 0.0
        self._unit = clip.video.time_base or Fraction(1, 1000)
        rate = clip.video.average_rate or clip.video.guessed_rate or _DEFAULT_RATE
        self._usual = max(round(1 / (rate * self._unit)), 1)
        self._start = clip.first.pts or 0
        self._last: int | None = None

    def of_frame(self, frame: VideoFrame) -> float:
        """When a frame is shown, in seconds; frames are read once each, in their order.

        A frame without a timestamp, or with one that is not later than the last, is given one.
        """
        pts = frame.pts
        if pts is None or (self._last is not None and pts <= self._last):
            pts = self._start if self._last is None else self._last + self._usual
        frame.pts, frame.time_base = pts, self._unit
        self._last = pts
        seconds = self._seconds(pts)
        self.done = seconds + float((frame.duration or self._usual) * self._unit)
        return seconds

    def of_packet(self, packet: Packet[Any]) -> float:
        """When a packet of another stream is heard or shown, in seconds."""
        time = packet.pts if packet.pts is not None else packet.dts
        if time is None or packet.time_base is None:
            return 0.0
        return float(time * packet.time_base) - float(self._start * self._unit)

    def _seconds(self, pts: int) -> float:
        return float((pts - self._start) * self._unit)
