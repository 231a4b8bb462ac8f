"""Writes a video as the input was: codec, timestamps, sound, rotation and colour."""

from __future__ import annotations

import contextlib
import os
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from reage.errors import ImageWriteError, UsageError
from reage.images import check_writable_path
from reage.inference.video.planes import fit_frame, is_planar_yuv
from reage.inference.video.reader import Clip, require_pyav
from reage.scratch import remove_abandoned, scratch

if TYPE_CHECKING:
    from av.container import OutputContainer
    from av.packet import Packet
    from av.stream import Stream
    from av.video.codeccontext import VideoCodecContext
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

# The muxer for each ending.
CONTAINERS: Final = {
    ".mp4": "mp4",
    ".m4v": "mp4",
    ".mov": "mov",
    ".mkv": "matroska",
    ".webm": "webm",
}
# Encoder and settings for each codec of an input: visually lossless, at a speed that does not hold
# up the models.
_ENCODERS: Final = {
    "h264": ("libx264", {"crf": "17", "preset": "fast"}),
    "hevc": ("libx265", {"crf": "20", "preset": "fast", "x265-params": "log-level=error"}),
    "vp9": ("libvpx-vp9", {"crf": "22", "cpu-used": "5", "row-mt": "1", "deadline": "good"}),
    "av1": ("libsvtav1", {"crf": "24", "preset": "8"}),
}
_FALLBACK_CODEC: Final = {"webm": "vp9"}
_WEBM_CODECS: Final = ("vp9", "av1")
# What the new file has of its own.
_OWN_METADATA: Final = ("major_brand", "minor_version", "compatible_brands", "encoder", "duration")
_DEFAULT_RATE: Final = Fraction(25)


class ClipWriter:
    """Writes the aged frames of a clip, and its sound, to a file that is there whole or not at all.

    Attributes:
        dropped: Descriptions of the streams that the new file cannot hold.
    """

    def __init__(self, target: str | os.PathLike[str], clip: Clip, mark: str) -> None:
        """Opens a temporary file beside `target`.

        Args:
            target: Where the file is to be.
            clip: Where streams and metadata come from.
            mark: Words that mark the video as synthetic; they are added to its comment.

        Raises:
            UsageError: If the ending of `target` names no container that can be written.
            ImageWriteError: If `target` cannot be written, or cannot hold the clip's sound.
        """
        self._target = Path(target)
        muxer = muxer_for(self._target)
        check_writable_path(self._target)
        # A link keeps leading to the file that it names.
        self._real = Path(os.path.realpath(self._target))
        self.dropped: list[str] = []
        self._scratch = contextlib.ExitStack()
        with self._errors():
            remove_abandoned(self._real.parent)
            self._temporary = self._scratch.enter_context(scratch(self._real.parent))
        try:
            self._container = self._open(muxer, clip, mark)
            self._video = self._add_video(muxer, clip)
            self._streams = self._add_copies(clip)
        except BaseException:
            self.discard()
            raise

    def fit(self, frame: VideoFrame) -> VideoFrame:
        """The frame in the size and pixel format of the new file, its memory its own."""
        context = self._video.codec_context
        fitted = fit_frame(frame, context.width, context.height, str(context.pix_fmt))
        # The decoder still predicts from its frames.
        fitted.make_writable()
        return fitted

    def write(self, frame: VideoFrame) -> None:
        """Encodes a frame that `fit` returned, with its own timestamp."""
        # The encoder decides anew which frames it predicts from which.
        frame.pict_type = 0
        with self._errors():
            self._container.mux(self._video.encode(frame))

    def copy(self, packet: Packet[Any]) -> None:
        """Copies a packet of sound or subtitles."""
        stream = self._streams.get(packet.stream_index)
        if stream is None or packet.dts is None:
            return
        packet.stream = stream
        with self._errors():
            self._container.mux(packet)

    def keep(self) -> None:
        """Finishes the file and moves it to its place.

        Raises:
            ImageWriteError: If that fails.
        """
        with self._errors():
            self._container.mux(self._video.encode(None))
            self._container.close()
            self._temporary.replace(self._real)
            self._scratch.close()

    def discard(self) -> None:
        """Removes what has not been kept."""
        with contextlib.suppress(Exception):
            self._container.close()
        self._scratch.close()

    def _open(self, muxer: str, clip: Clip, mark: str) -> OutputContainer:
        av = require_pyav()
        metadata = {
            key: value
            for key, value in clip.container.metadata.items()
            if key.lower() not in _OWN_METADATA
        }
        key = next((key for key in metadata if key.lower() == "comment"), "comment")
        metadata[key] = f"{metadata.get(key, '')}\n{mark}".strip()
        options = {}
        if any(key.startswith("com.apple.") for key in metadata):
            options["movflags"] = "use_metadata_tags"
        with self._errors():
            container: OutputContainer = av.open(
                os.fspath(self._temporary), "w", format=muxer, container_options=options
            )
            container.metadata.update(metadata)
            chapters = clip.container.chapters()
            if chapters:
                container.set_chapters(chapters)
        return container

    def _add_video(self, muxer: str, clip: Clip) -> VideoStream:
        av = require_pyav()
        source = clip.video
        encoder, options = encoder_for(source.codec_context.codec.canonical_name, muxer)
        rate = source.average_rate or source.guessed_rate or _DEFAULT_RATE
        stream: Any = self._container.add_stream(encoder, rate=rate, options=dict(options))
        context = stream.codec_context
        context.width, context.height = clip.first.width, clip.first.height
        context.pix_fmt = pixel_format_for(clip.first, av.Codec(encoder, "w"))
        if source.time_base is not None:
            context.time_base = source.time_base
        fitted = fit_frame(clip.first, context.width, context.height, context.pix_fmt)
        copy_color(context, fitted)
        # Without it the last frame would last as long as an average one.
        context.flags |= av.codec.context.Flags.frame_duration
        if source.sample_aspect_ratio:
            context.sample_aspect_ratio = source.sample_aspect_ratio
        if encoder == "libx265" and muxer in ("mp4", "mov"):
            context.codec_tag = "hvc1"
        if clip.display_matrix:
            stream.set_display_matrix(clip.display_matrix)
        stream.metadata.update(stream_metadata(source))
        video: VideoStream = stream
        return video

    def _add_copies(self, clip: Clip) -> dict[int, Stream]:
        """Streams of the new file by index of the old one."""
        streams = {}
        for source in clip.copied:
            try:
                stream = self._container.add_stream_from_template(source)
            except ValueError as error:
                name = source.codec_context.name if source.codec_context else "unknown"
                if source.type == "audio":
                    raise ImageWriteError(
                        self._target,
                        f"cannot hold the sound of {clip.path} ({name})",
                        "name an .mkv file with -o",
                    ) from error
                self.dropped.append(f"{source.type} ({name})")
                continue
            stream.metadata.update(stream_metadata(source))
            stream.disposition = source.disposition
            streams[source.index] = stream
        return streams

    @contextlib.contextmanager
    def _errors(self) -> Any:
        av = require_pyav()
        try:
            yield
        except (av.FFmpegError, OSError) as error:
            detail = getattr(error, "strerror", None) or str(error)
            raise ImageWriteError(
                self._target, f"cannot be written ({detail})", "name another file or folder"
            ) from error


def muxer_for(target: Path) -> str:
    """FFmpeg's name of the container that an ending stands for.

    Raises:
        UsageError: If it is none that can be written.
    """
    try:
        return CONTAINERS[target.suffix.lower()]
    except KeyError as error:
        known = ", ".join(CONTAINERS)
        raise UsageError(
            target, "does not end like a video that can be written", f"use one of {known}"
        ) from error


def encoder_for(codec: str, muxer: str) -> tuple[str, dict[str, str]]:
    """The encoder for a clip of this codec, and its settings: the same codec where it can be.

    Args:
        codec: FFmpeg's name of the codec, such as "h264".
        muxer: FFmpeg's name of the container.
    """
    fitting = _WEBM_CODECS if muxer == "webm" else tuple(_ENCODERS)
    chosen = codec if codec in fitting else _FALLBACK_CODEC.get(muxer, "h264")
    return _ENCODERS[chosen]


def pixel_format_for(frame: VideoFrame, encoder: Any) -> str:
    """The pixel format to write: the frame's own where encoder and `add_change` know it."""
    known = {video_format.name for video_format in encoder.video_formats}
    source = frame.format
    odd = frame.width % 2 == 1 or frame.height % 2 == 1
    # Halved chroma needs even sides with the H.264 and HEVC encoders.
    if odd and encoder.name in ("libx264", "libx265"):
        return "yuv444p"
    if source.name in known and is_planar_yuv(source):
        return source.name
    deep = any(component.bits > 8 for component in source.components)
    return "yuv420p10le" if deep and "yuv420p10le" in known else "yuv420p"


def copy_color(context: VideoCodecContext, frame: VideoFrame) -> None:
    """Tags the output with the colours that a frame has."""
    context.color_range = frame.color_range
    context.color_primaries = frame.color_primaries
    context.color_trc = frame.color_trc
    context.colorspace = frame.colorspace


def stream_metadata(stream: Stream) -> dict[str, str]:
    """Language, title and the like of a stream."""
    return {
        key: value for key, value in stream.metadata.items() if key.lower() not in _OWN_METADATA
    }
