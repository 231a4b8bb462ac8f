from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from clip_maker import (
    moving_astronaut,
    read_pictures,
    read_times,
    write_clip,
)
from tiny_model import PER_YEAR

from reage.errors import (
    AgeRangeError,
    ImageWriteError,
    MissingExtraError,
    NoFaceError,
    UsageError,
)
from reage.inference.ager import FaceAger
from reage.inference.video import VideoInterrupted, age_video
from reage.inference.video.reader import Clip, VideoReadError

# Years above 50, times what the model adds per year, in levels.
CHANGE = 127.5 * 20 * PER_YEAR
# Of the first frame: a cheek, and a part that no face reaches.
CHEEK = np.s_[100:112, 64:76]
OUTSIDE = np.s_[176:, :]
UNEVEN = (0, 40, 100, 140, 145, 200, 400, 440, 480, 520, 560, 600, 700, 800, 1000, 1001)


@pytest.fixture(scope="module")
def ager(tiny_model: Path) -> FaceAger:
    return FaceAger(tiny_model, threads=1)


@pytest.fixture(scope="module")
def pictures(astronaut_path: Path) -> list[np.ndarray]:
    return moving_astronaut(astronaut_path)


@pytest.fixture(scope="module")
def clip(pictures: list[np.ndarray], tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    return write_clip(
        path, pictures, metadata={"title": "A head", "creation_time": "2001-02-03T04:05:06Z"}
    )


def files_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def interrupt_after(count: int) -> Callable[[float, float | None], None]:
    calls = iter(range(1, count))

    def progress(*_: float | None) -> None:
        if next(calls, None) is None:
            raise KeyboardInterrupt

    return progress


def test_ctrl_c_leaves_what_is_done_as_a_video_that_plays(
    ager: FaceAger, clip: Path, tmp_path: Path
) -> None:
    target = tmp_path / "aged.mp4"
    with pytest.raises(VideoInterrupted) as stop:
        age_video(clip, target, 70, ager=ager, progress=interrupt_after(7))
    assert stop.value.video.path == target
    assert stop.value.video.frames == 7
    assert isinstance(stop.value, KeyboardInterrupt)
    assert read_times(target) == read_times(clip)[:7]
    change = read_pictures(target) - read_pictures(clip)[:7]
    np.testing.assert_allclose(change[:, *CHEEK].mean(axis=(1, 2, 3)), CHANGE, atol=1.5)
    assert files_in(tmp_path) == ["aged.mp4"]


def test_ctrl_c_while_reading_keeps_the_frames_too(
    ager: FaceAger, clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = Clip.packets

    def packets(self: Clip) -> Iterator[Any]:
        for index, packet in enumerate(whole(self)):
            if index == 20:
                raise KeyboardInterrupt
            yield packet

    monkeypatch.setattr(Clip, "packets", packets)
    with pytest.raises(VideoInterrupted) as stop:
        age_video(clip, tmp_path / "aged.mp4", 70, ager=ager)
    monkeypatch.undo()
    times = read_times(tmp_path / "aged.mp4")
    assert 0 < len(times) == stop.value.video.frames < 16
    assert times == read_times(clip)[: len(times)]


def test_ctrl_c_before_the_first_frame_leaves_nothing(
    ager: FaceAger, clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def packets(_: Clip) -> Iterator[Any]:
        raise KeyboardInterrupt
        yield

    monkeypatch.setattr(Clip, "packets", packets)
    with pytest.raises(KeyboardInterrupt) as stop:
        age_video(clip, tmp_path / "aged.mp4", 70, ager=ager)
    assert not isinstance(stop.value, VideoInterrupted)
    assert files_in(tmp_path) == []


def test_no_face_in_the_whole_clip_leaves_the_old_output_alone(
    ager: FaceAger, tmp_path: Path
) -> None:
    plain = [np.full((96, 96, 3), 40 + i, np.uint8) for i in range(3)]
    clip = write_clip(tmp_path / "plain.mp4", plain)
    (tmp_path / "aged.mp4").write_bytes(b"an older result")
    with pytest.raises(NoFaceError, match="no face that could be found in any frame"):
        age_video(clip, tmp_path / "aged.mp4", 70, ager=ager)
    assert (tmp_path / "aged.mp4").read_bytes() == b"an older result"
    assert files_in(tmp_path) == ["aged.mp4", "plain.mp4"]


def make_sound(path: Path) -> None:
    with av.open(path, "w") as container:
        stream = container.add_stream("aac", rate=44100, layout="mono")
        frame = av.AudioFrame.from_ndarray(
            np.zeros((1, 1024), np.float32), format="fltp", layout="mono"
        )
        frame.sample_rate = 44100
        container.mux([*stream.encode(frame), *stream.encode(None)])


def make_not_a_video(path: Path, clip: Path) -> None:
    """Writes what the name of `path` promises."""
    playlist = f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{clip}\n#EXT-X-ENDLIST\n"
    contents = {
        "empty": b"",
        "words": b"not a video\n" * 200,
        "cut": clip.read_bytes()[:5000],
        "playlist": playlist.encode(),
        "list": f"ffconcat version 1.0\nfile {clip}\n".encode(),
    }
    if path.stem == "sound":
        make_sound(path)
    elif path.stem == "folder":
        path.mkdir()
    elif path.stem in contents:
        path.write_bytes(contents[path.stem])


NOT_VIDEOS = (
    "empty.mp4",
    "words.mp4",
    "words.txt",
    "cut.mp4",
    "playlist.m3u8",
    "list.ffconcat",
    "sound.mp4",
    "folder.mp4",
    "missing.mp4",
)


@pytest.mark.parametrize("name", NOT_VIDEOS)
def test_what_is_no_video_is_refused(ager: FaceAger, clip: Path, tmp_path: Path, name: str) -> None:
    source = tmp_path / name
    make_not_a_video(source, clip)
    with pytest.raises(VideoReadError) as error:
        age_video(source, tmp_path / "aged.mp4", 70, ager=ager)
    assert str(error.value).startswith(f"{source}: ")
    assert "\n" not in str(error.value)
    assert not (tmp_path / "aged.mp4").exists()


def test_photo_is_no_video(ager: FaceAger, astronaut_path: Path, tmp_path: Path) -> None:
    with pytest.raises(VideoReadError):
        age_video(astronaut_path, tmp_path / "aged.mp4", 70, ager=ager)


def test_file_that_ends_too_early_gives_what_there_is(
    ager: FaceAger, pictures: list[np.ndarray], tmp_path: Path
) -> None:
    whole = write_clip(tmp_path / "whole.mkv", pictures)
    cut = tmp_path / "cut.mkv"
    content = whole.read_bytes()
    cut.write_bytes(content[: len(content) * 2 // 3])
    result = age_video(cut, tmp_path / "aged.mkv", 70, ager=ager)
    assert 0 < result.frames < 16
    assert len(read_times(tmp_path / "aged.mkv")) == result.frames


@pytest.mark.parametrize(
    ("target", "error", "words"),
    [
        ("aged.avi", UsageError, "does not end like a video"),
        ("aged", UsageError, "does not end like a video"),
        ("nowhere/aged.mp4", ImageWriteError, "does not exist"),
        ("clip.mp4", ImageWriteError, "never replaced"),
        ("aged.webm", ImageWriteError, "cannot hold the sound"),
    ],
)
def test_output_that_cannot_be_is_refused_before_the_work(
    ager: FaceAger, clip: Path, tmp_path: Path, target: str, error: type[Exception], words: str
) -> None:
    source = tmp_path / "clip.mp4"
    source.write_bytes(clip.read_bytes())
    with pytest.raises(error, match=words):
        age_video(source, tmp_path / target, 70, ager=ager)
    assert files_in(tmp_path) == ["clip.mp4"]
    assert source.read_bytes() == clip.read_bytes()


@pytest.mark.parametrize(
    ("to", "options", "error"),
    [
        (200, {}, AgeRangeError),
        (70, {"seconds": 0.0}, UsageError),
        (70, {"strength": 2.0}, UsageError),
        (70, {"faces": 0}, UsageError),
    ],
)
def test_senseless_arguments_write_nothing(
    ager: FaceAger, clip: Path, tmp_path: Path, to: float, options: dict[str, Any], error: type
) -> None:
    with pytest.raises(error):
        age_video(clip, tmp_path / "aged.mp4", to, ager=ager, **options)
    assert files_in(tmp_path) == []


def test_missing_pyav_says_what_to_install(
    ager: FaceAger, clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'reage\[video\]'"):
        age_video(clip, tmp_path / "aged.mp4", 70, ager=ager)
