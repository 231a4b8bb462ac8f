from __future__ import annotations

import signal
import sys
from collections.abc import Callable
from pathlib import Path

import av
import pytest
import typer
from face_clip import write_face_clip

from reage.cli.video import folder_made, interruptions, parse_length, video_command, video_target
from reage.errors import ImageWriteError, MissingExtraError, UsageError
from reage.inference.video import age_video

Run = Callable[..., object]


@pytest.fixture(scope="module")
def clip(astronaut_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("cli_video") / "me.mp4"
    write_face_clip(path, astronaut_path, frames=8)
    return path


@pytest.fixture
def run(tiny_model: Path) -> Run:
    app = typer.Typer()
    app.command()(video_command)

    def run_video(*arguments: object) -> object:
        model = ["--model", str(tiny_model), "--threads", "1"]
        return app([*map(str, arguments), *model], standalone_mode=False)

    return run_video


def count_frames(path: Path) -> int:
    with av.open(path) as container:
        return sum(1 for _ in container.decode(video=0))


def test_video_beside_the_input(
    run: Run, clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = tmp_path / "me.mp4"
    source.write_bytes(clip.read_bytes())
    run(source, "--to", 70)
    target = tmp_path / "me_70.mp4"
    assert count_frames(target) == 8
    captured = capsys.readouterr()
    assert captured.out.startswith(f"{source} -> {target}: 1 face, 8 frames, 0.3 s of video in ")
    assert captured.out.count("\n") == 1
    assert captured.err == ""
    run(source, "--to", 70, "--faces", "largest", "--strength", "0.5", "--source-age", "30")
    assert capsys.readouterr().out.startswith(f"{source} -> {target} (replaced): 1 face, ")


@pytest.mark.parametrize("suffix", [".mp4", ".m4v", ".mov", ".mkv"])
def test_somebodys_video_is_not_replaced_by_a_name_that_nobody_gave(
    run: Run, clip: Path, tmp_path: Path, suffix: str
) -> None:
    source, own = tmp_path / f"me{suffix}", tmp_path / f"me_70{suffix}"
    for path in (source, own):
        with av.open(clip) as container, av.open(path, "w") as copy:
            stream = copy.add_stream_from_template(container.streams.video[0])
            for packet in container.demux(video=0):
                if packet.dts is not None:
                    packet.stream = stream
                    copy.mux(packet)
    before = own.read_bytes()
    with pytest.raises(ImageWriteError, match="is another video, and not replaced"):
        run(source, "--to", 70)
    assert own.read_bytes() == before
    own.unlink()
    run(source, "--to", 70)
    # A result of its own may be replaced.
    run(source, "--to", 70)


def test_preview_has_a_name_of_its_own(run: Run, clip: Path, tmp_path: Path) -> None:
    run(clip, "--to", 70, "--preview", "120ms", "-o", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["me_70_preview.mp4"]
    assert count_frames(tmp_path / "me_70_preview.mp4") == 3


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("3s", 3.0), ("3", 3.0), ("1.5s", 1.5), ("500ms", 0.5), ("2min", 120.0), (" 4 S ", 4.0)],
)
def test_length(text: str, seconds: float) -> None:
    assert parse_length(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "s", "0s", "-3s", "3 weeks", "1:30", "nan", "1e3s"])
def test_no_length(text: str) -> None:
    with pytest.raises(UsageError, match="no length of time"):
        parse_length(text)


@pytest.mark.parametrize(
    ("source", "output", "target"),
    [
        ("a/me.mov", None, "a/me_70.mov"),
        ("a/me.MP4", None, "a/me_70.MP4"),
        ("a/me.avi", None, "a/me_70.mp4"),
        ("me", None, "me_70.mp4"),
        ("a/me.mkv", "b/out.mp4", "b/out.mp4"),
    ],
)
def test_name_of_the_output(source: str, output: str | None, target: str) -> None:
    assert video_target(Path(source), output, "70") == Path(target)


def test_output_folder_is_made_and_left_only_with_a_video_in_it(tmp_path: Path) -> None:
    output = f"{tmp_path}/new/"
    target = video_target(Path("me.webm"), output, "70")
    assert target == tmp_path / "new" / "me_70.webm"
    with pytest.raises(ZeroDivisionError), folder_made(target.parent, output):
        raise ZeroDivisionError
    assert not target.parent.exists()
    with folder_made(target.parent, output):
        target.touch()
    assert target.is_file()
    (tmp_path / "file").touch()
    with (
        pytest.raises(ImageWriteError, match="cannot be made a folder"),
        folder_made(tmp_path / "file", f"{tmp_path}/file/"),
    ):
        pass


def test_ctrl_c_waits_for_the_frame_and_keeps_the_video(
    run: Run,
    clip: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    target = tmp_path / "me_70.mp4"

    def pressed_at_once(*arguments: object, **options: object) -> object:
        signal.raise_signal(signal.SIGINT)
        return age_video(*arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr("reage.inference.video.age_video", pressed_at_once)
    assert run(clip, "--to", 70, "-o", target) == 130
    assert count_frames(target) == 1
    assert f"-> {target} (stopped): 1 face, 1 frame, " in capsys.readouterr().out


def test_second_ctrl_c_stops_at_once() -> None:
    before = signal.getsignal(signal.SIGINT)
    with interruptions() as stop_if_asked:
        stop_if_asked()
        signal.raise_signal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            stop_if_asked()
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before


def test_missing_pyav(
    run: Run, clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'reage\[video\]'"):
        run(clip, "--to", 70, "-o", tmp_path / "x.mp4")
    assert list(tmp_path.iterdir()) == []
