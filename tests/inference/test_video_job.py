from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest
from clip_maker import (
    EVEN,
    moving_astronaut,
    read_frames,
    read_packets,
    read_pictures,
    read_times,
    write_clip,
)
from tiny_model import PER_YEAR

from reage.cli.app import main
from reage.inference.ager import FaceAger
from reage.inference.video import age_video
from reage.inference.video.reader import Clip

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


def test_only_the_face_changes_by_the_models_delta(
    ager: FaceAger, clip: Path, tmp_path: Path
) -> None:
    target = tmp_path / "aged.mp4"
    result = age_video(clip, target, 70, ager=ager)
    assert (result.path, result.frames, result.faces) == (target, 16, 1)
    assert result.seconds == pytest.approx(0.64)
    assert (result.damaged, result.dropped) == (0, ())
    before, after = read_pictures(clip), read_pictures(target)
    assert after.shape == before.shape
    np.testing.assert_allclose((after - before)[:, *CHEEK].mean(axis=(1, 2, 3)), CHANGE, atol=1.5)
    outside = np.abs(after - before)[:, *OUTSIDE]
    assert outside.mean() < 2
    assert np.abs((after - before)[:, *OUTSIDE].mean(axis=(1, 2, 3))).max() < 0.5
    assert files_in(tmp_path) == ["aged.mp4"]


def test_sound_is_copied_byte_for_byte(ager: FaceAger, clip: Path, tmp_path: Path) -> None:
    age_video(clip, tmp_path / "aged.mp4", 70, ager=ager)
    packets = read_packets(clip)
    assert len(packets) > 20
    assert read_packets(tmp_path / "aged.mp4") == packets


def test_uneven_timestamps_are_kept(
    ager: FaceAger, pictures: list[np.ndarray], tmp_path: Path
) -> None:
    clip = write_clip(tmp_path / "uneven.mp4", pictures, times=UNEVEN)
    assert read_times(clip) == pytest.approx([time / 1000 for time in UNEVEN])
    age_video(clip, tmp_path / "aged.mp4", 70, ager=ager)
    assert read_times(tmp_path / "aged.mp4") == read_times(clip)
    with av.open(clip) as before, av.open(tmp_path / "aged.mp4") as after:
        assert after.duration == pytest.approx(before.duration, abs=1000)


@pytest.mark.parametrize("rotation", [90, 180, -90])
def test_rotation_is_kept_and_the_face_is_aged_where_it_is_seen(
    ager: FaceAger, pictures: list[np.ndarray], tmp_path: Path, rotation: int
) -> None:
    turns = rotation // 90
    stored = [np.ascontiguousarray(np.rot90(picture, -turns)) for picture in pictures[:4]]
    clip = write_clip(tmp_path / "turned.mp4", stored, rotation=rotation)
    age_video(clip, tmp_path / "aged.mp4", 70, ager=ager)
    with Clip(clip) as before, Clip(tmp_path / "aged.mp4") as after:
        assert before.display_matrix is not None
        assert after.display_matrix == before.display_matrix
        assert after.turns == turns % 4
    change = read_pictures(tmp_path / "aged.mp4") - read_pictures(clip)
    upright = np.rot90(change, turns, axes=(1, 2))
    assert upright[0][CHEEK].mean() == pytest.approx(CHANGE, abs=1.5)
    assert abs(upright[0][OUTSIDE].mean()) < 0.5


@pytest.mark.parametrize(
    ("name", "codec", "pixel_format", "colors"),
    [
        ("hd.mp4", "libx264", "yuv420p", (1, 1, 1, 1)),
        ("full.mov", "libx264", "yuvj420p", (5, 2, 5, 6)),
        ("deep.mkv", "libx264", "yuv420p10le", (9, 1, 9, 18)),
        ("fine.mp4", "libx264", "yuv444p", (6, 1, 6, 6)),
        ("free.webm", "libvpx-vp9", "yuv420p", (1, 1, 1, 1)),
    ],
)
def test_codec_pixel_format_and_colour_are_kept(
    ager: FaceAger,
    pictures: list[np.ndarray],
    tmp_path: Path,
    name: str,
    codec: str,
    pixel_format: str,
    colors: tuple[int, ...],
) -> None:
    tags = dict(
        zip(("colorspace", "color_range", "color_primaries", "color_trc"), colors, strict=True)
    )
    options = {"crf": "4", "preset": "ultrafast"} if codec == "libx264" else {"crf": "4"}
    clip = write_clip(
        tmp_path / name,
        pictures[:6],
        codec=codec,
        pixel_format=pixel_format,
        options=options,
        colors=tags,
        sound=False,
    )
    target = tmp_path / f"aged{clip.suffix}"
    age_video(clip, target, 70, ager=ager)
    with av.open(clip) as before, av.open(target) as after:
        old, new = before.streams.video[0].codec_context, after.streams.video[0].codec_context
        assert new.codec.canonical_name == old.codec.canonical_name
        assert new.pix_fmt == old.pix_fmt
    [frame, *_] = read_frames(target)
    assert {tag: int(getattr(frame, tag)) for tag in tags} == tags
    change = read_pictures(target) - read_pictures(clip)
    assert change[0][CHEEK].mean() == pytest.approx(CHANGE, abs=1.5)


def test_clip_of_another_kind_becomes_h264(
    ager: FaceAger, pictures: list[np.ndarray], tmp_path: Path
) -> None:
    clip = write_clip(
        tmp_path / "screen.mov", pictures[:4], codec="png", pixel_format="rgb24", options={}
    )
    age_video(clip, tmp_path / "aged.mp4", 70, ager=ager)
    # The step from RGB to eight bits of limited range costs up to two levels, everywhere.
    change = read_pictures(tmp_path / "aged.mp4") - read_pictures(clip)
    assert change[0][CHEEK].mean() == pytest.approx(CHANGE, abs=2.5)
    assert abs(change[0][OUTSIDE].mean()) < 1.5
    assert read_packets(tmp_path / "aged.mp4") == read_packets(clip)


def test_odd_sides_are_kept(ager: FaceAger, pictures: list[np.ndarray], tmp_path: Path) -> None:
    odd = [picture[:191, :189] for picture in pictures[:4]]
    clip = write_clip(tmp_path / "odd.mkv", odd, pixel_format="yuv444p")
    age_video(clip, tmp_path / "aged.mkv", 70, ager=ager)
    assert read_pictures(tmp_path / "aged.mkv").shape == (4, 191, 189, 3)


def test_title_and_time_of_the_clip_are_kept(ager: FaceAger, clip: Path, tmp_path: Path) -> None:
    age_video(clip, tmp_path / "aged.mp4", 70, ager=ager)
    with av.open(tmp_path / "aged.mp4") as container:
        assert container.metadata["title"] == "A head"
        assert container.metadata["creation_time"].startswith("2001-02-03T04:05:06")


def test_the_video_is_marked_as_synthetic(
    ager: FaceAger,
    pictures: list[np.ndarray],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    clip = write_clip(tmp_path / "clip.mp4", pictures[:4], metadata={"comment": "My words"})
    target = tmp_path / "aged.mp4"
    age_video(clip, target, 70, ager=ager)
    with av.open(str(target)) as container:
        assert container.metadata["comment"].startswith("My words")
    assert main(["inspect", str(target)]) == 0
    assert "target age 70" in capsys.readouterr().out
    assert main(["inspect", str(clip)]) == 1


def test_preview_is_the_beginning_with_its_sound(
    ager: FaceAger, clip: Path, tmp_path: Path
) -> None:
    result = age_video(clip, tmp_path / "aged.mp4", 70, ager=ager, seconds=0.2)
    assert result.frames == 5
    assert read_times(tmp_path / "aged.mp4") == read_times(clip)[:5]
    packets = read_packets(tmp_path / "aged.mp4")
    assert packets == read_packets(clip)[: len(packets)]
    assert 0.15 < packets[-1][1] < 0.2


def test_strength_zero_changes_nothing_but_the_encoding(
    ager: FaceAger, clip: Path, tmp_path: Path
) -> None:
    result = age_video(clip, tmp_path / "aged.mp4", 70, ager=ager, strength=0.0)
    assert result.faces == 1
    change = read_pictures(tmp_path / "aged.mp4") - read_pictures(clip)
    assert abs(change[0][CHEEK].mean()) < 0.5


def test_progress_is_told_after_each_frame(ager: FaceAger, clip: Path, tmp_path: Path) -> None:
    told: list[tuple[float, float | None]] = []
    age_video(clip, tmp_path / "aged.mp4", 70, ager=ager, progress=lambda *now: told.append(now))
    assert [done for done, _ in told] == pytest.approx([(time + 40) / 1000 for time in EVEN])
    assert [total for _, total in told] == pytest.approx([0.64] * 16)
