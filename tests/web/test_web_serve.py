from __future__ import annotations

import socket
from dataclasses import asdict
from pathlib import Path

import pytest

pytest.importorskip("starlette")
uvicorn = pytest.importorskip("uvicorn")

from reage.cli.app import main  # noqa: E402
from reage.cli.serve import listen  # noqa: E402
from reage.web.limits import Limits  # noqa: E402


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, object]]:
    """What would have been served: the address, and the application."""
    calls: list[tuple[str, object]] = []

    def run(self, sockets: list[socket.socket]) -> None:
        calls.append((sockets[0].getsockname()[0], self.config))

    monkeypatch.setattr(uvicorn.Server, "run", run)
    return calls


def status_for(config, host: str) -> int:
    from starlette.testclient import TestClient

    return TestClient(config.app).get("/", headers={"host": host}).status_code


def test_it_answers_this_machine_only(
    served: list, tiny_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["serve", "--port", "0", "--model", str(tiny_model)]) == 0
    ((address, config),) = served
    assert address == "127.0.0.1"
    said = capsys.readouterr()
    assert said.out.startswith("http://localhost:")
    assert said.err == ""
    for host in ("localhost:7860", "127.0.0.1:7860", "[::1]:7860", "LOCALHOST"):
        assert status_for(config, host) == 200, host
    for host in ("evil.example", "localhost.evil.example:7860", "192.168.0.1:7860", ""):
        assert status_for(config, host) == 421, host


def test_it_answers_others_when_told_and_says_so(
    served: list, tiny_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--host", "0.0.0.0", "--port", "0", "--model", str(tiny_model)]
    assert main(["serve", *arguments]) == 0
    ((address, config),) = served
    assert address == "0.0.0.0"
    assert "anybody" in capsys.readouterr().err
    assert status_for(config, "box.example") == 200


def test_limits_can_be_set(served: list, tiny_model: Path) -> None:
    from starlette.testclient import TestClient

    wanted = Limits(
        upload_bytes=3_000_000,
        pixels=5_000_000,
        archive_photos=6,
        at_once=1,
        waiting=4,
        seconds=30,
        idle_seconds=7,
        kept_bytes=90_000_000,
        kept_seconds=120,
    )
    options = "--upload-mb 3 --megapixels 5 --archive-photos 6 --at-once 1 --waiting 4 --seconds 30"
    more = "--idle-seconds 7 --memory-mb 90 --minutes 2"
    for given, limits in (((), Limits()), ((*options.split(), *more.split()), wanted)):
        assert main(["serve", "--port", "0", "--model", str(tiny_model), *given]) == 0
        _, config = served[-1]
        told = TestClient(config.app).get("/api/limits", headers={"host": "localhost"}).json()
        assert told == asdict(limits)
        assert config.timeout_keep_alive == limits.idle_seconds
    assert main(["serve", "--waiting", "0"]) == 2


def test_ctrl_c_is_no_failure(
    monkeypatch: pytest.MonkeyPatch, tiny_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(uvicorn.Server, "run", run)
    assert main(["serve", "--port", "0", "--model", str(tiny_model)]) == 0
    assert capsys.readouterr().err == ""


def test_addresses_that_cannot_be_had_are_told_in_one_sentence(
    served: list, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        for arguments in (["--port", port], ["--port", "70000"], ["--host", "no host"]):
            assert main(["serve", *arguments]) == 2
            error = capsys.readouterr().err
            assert error.startswith("reage: ")
            assert error.count("\n") == 1
    assert served == []


def test_pictures_are_sent_without_delay() -> None:
    """asyncio turns off Nagle's algorithm by the protocol, so the socket has to name it."""
    with listen("127.0.0.1", 0) as listener:
        assert listener.proto == socket.IPPROTO_TCP
        with socket.create_connection(listener.getsockname()):
            accepted, _ = listener.accept()
            assert accepted.proto == socket.IPPROTO_TCP
            accepted.close()
