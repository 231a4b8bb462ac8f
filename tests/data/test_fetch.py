"""Downloads, against a server on this machine that misbehaves on demand."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from reage.cli.app import main
from reage.data.fetch import KNOWN_SHA256, fetch
from reage.errors import DataError, UsageError

CONTENT = np.random.default_rng(0).integers(0, 256, 1_000_000).astype(np.uint8).tobytes()
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Host(ThreadingHTTPServer):
    """Serves `CONTENT` at every path.

    Attributes:
        status: What it answers; other than 200 it sends nothing.
        kind: The content type.
        ranges: Whether it honours Range.
        cuts: After so many bytes it breaks off, one entry for each answer.
        asked: The Range header of each request.
    """

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.status, self.kind, self.ranges = 200, "application/gzip", True
        self.cuts: list[int] = []
        self.asked: list[str | None] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/UTKFace.tar.gz"


class Handler(BaseHTTPRequestHandler):
    server: Host

    def do_GET(self) -> None:
        wanted = self.headers["Range"]
        self.server.asked.append(wanted)
        start = int(wanted[6:-1]) if wanted and self.server.ranges else 0
        status = self.server.status
        if start:
            status = 206 if start < len(CONTENT) else 416
        body = CONTENT[start:] if status in (200, 206) else b""
        self.send_response(status)
        self.send_header("Content-Type", self.server.kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: self.server.cuts.pop(0)] if self.server.cuts else body)

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def host() -> Iterator[Host]:
    with Host() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def destination(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "UTKFace.tar.gz"


def part(destination: Path) -> Path:
    return destination.with_name("UTKFace.tar.gz.part")


def test_a_whole_download(host: Host, destination: Path) -> None:
    seen: list[tuple[int, int | None]] = []
    assert fetch(destination, urls=[host.url], sha256=SHA256, progress=lambda *a: seen.append(a))
    assert destination.read_bytes() == CONTENT
    assert [path.name for path in destination.parent.iterdir()] == ["UTKFace.tar.gz"]
    assert seen[-1] == (len(CONTENT), len(CONTENT))
    assert not fetch(destination, urls=[host.url], sha256=SHA256.upper())
    assert host.asked == [None]


def test_a_cut_connection_is_taken_up_where_it_broke(host: Host, destination: Path) -> None:
    host.cuts = [300_000, 200_000]
    assert fetch(destination, urls=[host.url], sha256=SHA256)
    assert host.asked == [None, "bytes=300000-", "bytes=500000-"]
    assert destination.read_bytes() == CONTENT


def test_a_later_call_goes_on(host: Host, destination: Path) -> None:
    host.cuts = [400_000] + [0] * 4
    with pytest.raises(DataError, match=r"5 times, the last time after 400,000 of 1,000,000 bytes"):
        fetch(destination, urls=[host.url], sha256=SHA256)
    assert not destination.exists()
    assert part(destination).read_bytes() == CONTENT[:400_000]
    assert fetch(destination, urls=[host.url], sha256=SHA256)
    assert host.asked[-1] == "bytes=400000-"
    assert destination.read_bytes() == CONTENT
    assert not part(destination).exists()


def test_a_part_that_is_whole_needs_no_more(host: Host, destination: Path) -> None:
    destination.parent.mkdir()
    part(destination).write_bytes(CONTENT)
    assert fetch(destination, urls=[host.url], sha256=SHA256)
    assert host.asked == ["bytes=1000000-"]
    assert destination.read_bytes() == CONTENT


def test_a_host_without_ranges_starts_again(host: Host, destination: Path) -> None:
    host.ranges, host.cuts = False, [300_000]
    assert fetch(destination, urls=[host.url], sha256=SHA256)
    assert host.asked == [None, "bytes=300000-"]
    assert destination.read_bytes() == CONTENT


def test_another_file_is_not_kept(host: Host, destination: Path) -> None:
    with pytest.raises(DataError, match=f"127.0.0.1 gives another file .SHA-256 {SHA256}."):
        fetch(destination, urls=[host.url], sha256="0" * 64)
    with pytest.raises(DataError, match="gives another file"):
        fetch(destination, urls=[host.url])
    assert list(destination.parent.iterdir()) == []


def test_a_refusal_comes_with_advice(host: Host, destination: Path) -> None:
    host.status = 403
    with pytest.raises(DataError) as caught:
        fetch(destination, urls=[host.url], sha256=SHA256)
    assert caught.value.reason == "127.0.0.1 refuses it (403 Forbidden)"
    assert "https://susanqq.github.io/UTKFace/ in a browser" in caught.value.remedy
    host.status, host.kind = 200, "text/html; charset=utf-8"
    with pytest.raises(DataError, match="answers with a web page"):
        fetch(destination, urls=[host.url], sha256=SHA256)


def test_the_second_address_goes_on_from_the_first(host: Host, destination: Path) -> None:
    host.cuts = [250_000] + [0] * 4
    assert fetch(destination, urls=[host.url, f"{host.url}?copy"], sha256=SHA256)
    assert host.asked[-1] == "bytes=250000-"
    assert destination.read_bytes() == CONTENT


def test_no_host(destination: Path) -> None:
    with pytest.raises(DataError, match=r"127\.0\.0\.1 cannot be reached \(.*refused"):
        fetch(destination, urls=["http://127.0.0.1:9/x"], sha256=SHA256)


def test_a_file_in_the_way_is_left_alone(host: Host, destination: Path) -> None:
    destination.parent.mkdir()
    destination.write_bytes(b"mine")
    with pytest.raises(DataError, match="is not the archive; move it away"):
        fetch(destination, urls=[host.url], sha256=SHA256)
    assert destination.read_bytes() == b"mine"
    assert host.asked == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sha256": "abc"}, "is no SHA-256"),
        ({"urls": ["file:///etc/passwd"]}, "is no web address"),
        ({"urls": ["https://"]}, "is no web address"),
    ],
)
def test_what_cannot_be_meant(options: dict, message: str, destination: Path) -> None:
    with pytest.raises(UsageError, match=message):
        fetch(destination, **options)


def test_the_command(host: Host, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["data", "fetch", str(tmp_path / "job"), "--url", host.url, "--sha256", SHA256]
    path = tmp_path / "job" / "UTKFace.tar.gz"
    assert main(arguments) == 0
    captured = capsys.readouterr()
    assert captured.out == f"{path}: downloaded and verified\n"
    assert "MB" in captured.err
    assert main(arguments) == 0
    assert capsys.readouterr().out == f"{path}: is there already, intact\n"
    assert main([*arguments[:-1], "0" * 64]) == 1
    assert "move it away" in capsys.readouterr().err


@pytest.mark.shared
def test_the_archive_of_the_shipped_weights_is_known(shared_data: Path) -> None:
    with (shared_data / "UTKFace.tar.gz").open("rb") as file:
        assert hashlib.file_digest(file, "sha256").hexdigest() in KNOWN_SHA256
