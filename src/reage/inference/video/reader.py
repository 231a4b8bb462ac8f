"""Opens a video file and hands out its packets and frames."""

from __future__ import annotations

import importlib
import os
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self

import numpy as np

from reage.errors import MissingExtraError, ReageError

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.packet import Packet
    from av.stream import Stream
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

# Containers of video. What else FFmpeg opens are photos, play lists that name other files or
# addresses, and text.
_CONTAINERS: Final = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,mpegvideo,flv,asf,ogg,gif,mxf,dv,ivf,"
    "nut,h264,hevc,m4v,yuv4mpegpipe,rm,wtv"
)
_COPIED: Final = ("audio", "subtitle")
# The version from which on PyAV reads texts that are no UTF-8 without being told to.
_READS_ANY_TEXT: Final = 19


class VideoReadError(ReageError):
    """A file that cannot be read as a video."""


def require_pyav() -> Any:
    """Imports PyAV.

    Raises:
        MissingExtraError: If it is not installed.
    """
    try:
        return importlib.import_module("av")
    except ImportError as error:
        raise MissingExtraError(
            "reage video", "needs PyAV", "install it with `pip install 'reage[video]'`"
        ) from error


def video_comment(path: str | os.PathLike[str]) -> bytes:
    """The comment of a video file, where its mark as synthetic is.

    Raises:
        MissingExtraError: If PyAV is not installed.
        VideoReadError: If the file is no video.
    """
    with Clip(path) as clip:
        comments = [v for key, v in clip.container.metadata.items() if key.lower() == "comment"]
        return "\n".join(comments).encode(errors="surrogateescape")


class Clip:
    """A video file that is open for reading.

    Attributes:
        path: The file.
        container: PyAV's container.
        video: The stream of pictures; covers and thumbnails do not count.
        copied: The streams of sound and subtitles.
        first: The first frame of the video.
        display_matrix: How the picture is turned when shown, nine integers as FFmpeg has them, or
            None where it is shown as it is stored.
        turns: The same as quarter turns counterclockwise, 0..3.
        damaged: How many packets could not be decoded so far.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        """Opens the file and decodes its first frame.

        Raises:
            MissingExtraError: If PyAV is not installed.
            VideoReadError: If the file is no video, or no frame of it can be decoded.
        """
        self.path = Path(path)
        self.damaged = 0
        self.first = self._first_frame()
        self.display_matrix = _display_matrix(self.first)
        self.turns = round(self.first.rotation / 90) % 4 if self.display_matrix else 0
        self.container = self._open()
        self.video = self._video_stream(self.container)
        self.copied: list[Stream] = [
            stream for stream in self.container.streams if stream.type in _COPIED
        ]
        self.damaged = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.container.close()

    @property
    def seconds(self) -> float | None:
        """How long the video lasts, as far as the file says so."""
        if self.video.duration is not None and self.video.time_base is not None:
            return float(self.video.duration * self.video.time_base)
        return None if self.container.duration is None else self.container.duration / 1e6

    def packets(self) -> Iterator[Packet[Any]]:
        """The packets of the video and of the copied streams, in the file's order.

        Raises:
            VideoReadError: If the file cannot be read any further, as when its disk is gone.
        """
        av = require_pyav()
        packets = self.container.demux(self.video, *self.copied)
        while True:
            try:
                yield next(packets)
            except StopIteration:
                return
            except av.error.InvalidDataError:
                self.damaged += 1
                return
            except av.FFmpegError as error:
                raise _unreadable(self.path, error) from error

    def decode(self, packet: Packet[Any]) -> list[VideoFrame]:
        """The frames that a packet of the video completes; none where it is damaged."""
        av = require_pyav()
        try:
            return list(packet.decode())
        except av.FFmpegError:
            self.damaged += 1
            return []

    def _first_frame(self) -> VideoFrame:
        with self._open() as container:
            for packet in container.demux(self._video_stream(container)):
                for frame in self.decode(packet):
                    return frame
        raise VideoReadError(
            self.path, "has no frame that can be decoded", "check that it plays in a video player"
        )

    def _open(self) -> InputContainer:
        av = require_pyav()
        try:
            if not self.path.is_file():
                reason = "is no file" if self.path.exists() else "does not exist"
                raise VideoReadError(self.path, reason, "name a video file")
            container: InputContainer = av.open(
                os.fspath(self.path),
                options={"format_whitelist": _CONTAINERS, "protocol_whitelist": "file"},
                **_metadata_options(),
            )
        except (av.FFmpegError, OSError, ValueError) as error:
            raise _unreadable(self.path, error) from error
        return container

    def _video_stream(self, container: InputContainer) -> VideoStream:
        av = require_pyav()
        cover = av.stream.Disposition.attached_pic
        for stream in container.streams.video:
            if not stream.disposition & cover and stream.codec_context is not None:
                stream.thread_type = "AUTO"
                return stream
        raise VideoReadError(self.path, "holds no moving pictures", "name a video file")


def _display_matrix(frame: VideoFrame) -> tuple[int, ...] | None:
    # PyAV's stubs take this for a plain dictionary.
    side_data: Any = frame.side_data
    for data in side_data:
        if data.type.name == "DISPLAYMATRIX":
            return tuple(np.frombuffer(bytes(data), np.int32).tolist())
    return None


def _metadata_options() -> dict[str, Any]:
    """What lets PyAV open a file whose texts are no UTF-8."""
    major = int(require_pyav().__version__.split(".")[0])
    return {"metadata_errors": "replace"} if major < _READS_ANY_TEXT else {}


def _unreadable(path: Path, error: Exception) -> VideoReadError:
    detail = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return VideoReadError(
        path,
        f"cannot be read as a video ({str(detail).rstrip('.').lower()})",
        "give a video file such as .mp4, .mov, .mkv or .webm",
    )
