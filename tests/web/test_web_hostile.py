"""Clients that mean no good, against the server as it runs."""

from __future__ import annotations

import contextlib
import http.client
import io
import json
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from PIL import Image

pytest.importorskip("starlette")
uvicorn = pytest.importorskip("uvicorn")

from reage.cli.serve import listen  # noqa: E402
from reage.inference.ager import FaceAger  # noqa: E402
from reage.web import server as web_server  # noqa: E402
from reage.web.app import LOCAL_HOSTS, create_app  # noqa: E402
from reage.web.limits import Limits  # noqa: E402
from reage.web.server import make_server  # noqa: E402

LIMIT = 1_000_000
LIMITS = Limits(upload_bytes=LIMIT, pixels=2_000_000, idle_seconds=0.3)
HANGS = 30.0  # No test waits for so long unless it fails.
OCTETS = "application/octet-stream"
GIVEAWAYS = (b"Traceback", b"root:", b"site-packages", b".py", b"/usr", b"/home", b"File ")


@dataclass
class Served:
    """A running server, and how to reach it."""

    server: uvicorn.Server
    address: tuple[str, int]

    @contextlib.contextmanager
    def connect(self) -> Iterator[socket.socket]:
        with socket.create_connection(self.address, timeout=HANGS) as connection:
            yield connection

    def ask(
        self, method: str, path: str, body: bytes | None = None, sent_as: str | None = OCTETS
    ) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection(*self.address, timeout=HANGS)
        with contextlib.closing(connection):
            headers = {} if sent_as is None else {"Content-Type": sent_as}
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            return answer.status, answer.read()

    def upload(self, data: bytes) -> str:
        status, answer = self.ask("POST", "/api/photos", data)
        assert status == 201
        return str(json.loads(answer)["id"])


@pytest.fixture(scope="module")
def served(tiny_model: Path) -> Iterator[Served]:
    app = create_app(FaceAger(tiny_model, threads=1), LIMITS, hosts=LOCAL_HOSTS)
    with listen("127.0.0.1", 0) as listener:
        # Less than a photo, so that an answer that is not taken stays with the server.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 65536)
        server = make_server(app, LIMITS)
        thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
        thread.start()
        yield Served(server, listener.getsockname())
        server.should_exit = True
        thread.join()


@pytest.fixture(scope="module")
def photo(astronaut_path: Path) -> bytes:
    return astronaut_path.read_bytes()


def rest_of(connection: socket.socket) -> bytes:
    """What is still to come before the server ends the connection."""
    parts = []
    with contextlib.suppress(ConnectionError):
        while part := connection.recv(65536):
            parts.append(part)
    return b"".join(parts)


def ends_while(connection: socket.socket, send: Callable[[socket.socket], object]) -> bytes:
    """Sends something again and again until the server ends the connection."""
    answer = b""
    connection.settimeout(0.02)
    with contextlib.suppress(ConnectionError):
        while True:
            send(connection)
            with contextlib.suppress(TimeoutError):
                part = connection.recv(65536)
                if not part:
                    break
                answer += part
    return answer


def gives_nothing_away(answer: bytes) -> bool:
    return not any(giveaway in answer for giveaway in GIVEAWAYS)


def test_who_says_nothing_is_sent_away(served: Served) -> None:
    with served.connect() as connection:
        assert rest_of(connection) == b""


@pytest.mark.parametrize("start", [b"", b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Slow: "])
def test_a_head_that_trickles_in_is_not_waited_for(served: Served, start: bytes) -> None:
    with served.connect() as connection:
        connection.sendall(start)
        assert ends_while(connection, lambda one: one.sendall(b"x")) == b""


def test_a_second_request_is_not_waited_for_either(served: Served) -> None:
    with served.connect() as connection:
        connection.sendall(b"HEAD /page.js HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert connection.recv(65536).startswith(b"HTTP/1.1 ")
        connection.sendall(b"GET / HTTP/1.1\r\nHost: ")
        assert rest_of(connection) == b""


def test_an_upload_that_stops_on_its_way_is_refused(served: Served) -> None:
    head = f"POST /api/photos HTTP/1.1\r\nHost: localhost\r\nContent-Length: {LIMIT}\r\n\r\n"
    with served.connect() as connection:
        connection.sendall(head.encode() + b"x" * 1000)
        answer = rest_of(connection)
    assert answer.startswith(b"HTTP/1.1 408")
    assert b"took too long" in answer


def test_who_takes_no_answers_is_sent_away(served: Served, photo: bytes) -> None:
    name = served.upload(photo)
    request = f"GET /api/photos/{name}/photo?to=70 HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
    with served.connect() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.sendall(request * 3)
        own = connection.getsockname()
        assert any(own not in addresses(served) for _ in range(5000))
    assert served.ask("GET", "/")[0] == 200


def addresses(served: Served) -> list[object]:
    """Who is connected, after a turn of the server."""
    served.ask("GET", "/api/limits")
    return [one.client for one in served.server.server_state.connections.copy()]


def test_who_announces_too_much_need_not_send_it(served: Served) -> None:
    head = f"POST /api/photos HTTP/1.1\r\nHost: localhost\r\nContent-Length: {LIMIT + 1}\r\n\r\n"
    with served.connect() as connection:
        connection.sendall(head.encode())
        assert connection.recv(65536).startswith(b"HTTP/1.1 413")


def test_chunks_without_end_are_cut_off(served: Served) -> None:
    head = b"POST /api/photos HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
    chunk = b"10000\r\n" + bytes(0x10000) + b"\r\n"
    with served.connect() as connection:
        connection.sendall(head)
        answer = ends_while(connection, lambda one: one.sendall(chunk))
    assert answer.startswith(b"HTTP/1.1 413")
    assert answer.count(b"HTTP/1.1") == 1


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"no http\r\n\r\n",
        b"GET / HTTP/1.1\r\nno header\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * 70_000,
        b"POST /api/photos HTTP/1.1\r\nHost: localhost\r\nContent-Length: -5\r\n\r\n",
        b"POST /api/photos HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n"
        b"Content-Length: 6\r\n\r\nxxxxx",
        b"POST /api/photos HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"zz\r\nxx\r\n0\r\n\r\n",
    ],
    ids=["TLS", "words", "header", "large head", "negative", "two lengths", "chunk"],
)
def test_what_is_no_http_is_refused(served: Served, request_bytes: bytes) -> None:
    with served.connect() as connection:
        connection.sendall(request_bytes)
        answer = rest_of(connection)
    assert answer.startswith(b"HTTP/1.1 400")
    assert gives_nothing_away(answer)


@pytest.mark.parametrize("path", ["/api/photos", "/api/archive?to=70"])
@pytest.mark.parametrize(
    "sent_as",
    [
        "multipart/form-data",
        "multipart/form-data; boundary=x",
        "application/x-www-form-urlencoded",
        "text/plain",
        "text/html",
        "application/json",
        "imagejpeg",
        "",
    ],
)
def test_forms_and_other_types_are_refused(
    served: Served, photo: bytes, path: str, sent_as: str
) -> None:
    part = b'--x\r\nContent-Disposition: form-data; name="file"; filename="../../x.png"\r\n\r\n'
    for body in (part + photo, part[:20], photo):
        status, answer = served.ask("POST", path, body, sent_as)
        assert status == 415
        assert json.loads(answer)["error"].startswith("Please send the file alone")


@pytest.mark.parametrize("sent_as", [None, OCTETS, "image/png", "IMAGE/JPEG; q=1"])
def test_a_photo_alone_is_taken_whatever_it_is_called(
    served: Served, photo: bytes, sent_as: str | None
) -> None:
    assert served.ask("POST", "/api/photos", photo, sent_as)[0] == 201


@pytest.mark.parametrize(
    "path",
    [
        "/file=/etc/passwd",
        "/gradio_api/file=/etc/passwd",
        "/file/../../../../etc/passwd",
        "/../../../../etc/passwd",
        "/%2e%2e/%2e%2e/%2e%2e/%2e%2e/etc/passwd",
        "/..%2f..%2f..%2f..%2fetc%2fpasswd",
        "//etc/passwd",
        "/page.js/../app.py",
        "/static/index.html",
        "/page.js%00.txt",
        "/api/photos/..%2f..%2fetc%2fpasswd/aged?to=70",
        "/api/photos/%00/aged?to=70",
        "/%ff%fe",
    ],
)
def test_no_path_leads_to_a_file(served: Served, path: str) -> None:
    for method in ("GET", "HEAD", "POST", "PUT", "DELETE"):
        status, answer = served.ask(method, path, b"x" if method in ("POST", "PUT") else None)
        assert status in (204, 404, 405)
        assert (status == 204) <= (method == "DELETE")
        assert gives_nothing_away(answer)


def test_other_photos_cannot_be_guessed(served: Served, photo: bytes) -> None:
    name = served.upload(photo)
    guesses = (
        name[:-1],
        name + "A",
        name.swapcase(),
        name[::-1],
        "*",
        "%",
        "0",
        "..",
        name + "%20",
    )
    for guess in guesses:
        for kind in ("aged", "photo", "strip", "gif"):
            status, answer = served.ask("GET", f"/api/photos/{guess}/{kind}?to=70")
            assert status == 404
            assert len(answer) < 200
        served.ask("DELETE", f"/api/photos/{guess}")
    assert served.ask("GET", f"/api/photos/{name}/aged?to=70")[0] == 200


def test_errors_show_nobody_elses_picture(served: Served, photo: bytes) -> None:
    name = served.upload(photo)
    cut, large = photo[: len(photo) // 2], io.BytesIO()
    Image.new("RGB", (2000, 2000)).save(large, "PNG")
    answers = [
        *(served.ask("POST", "/api/photos", data) for data in (cut, b"x", large.getvalue())),
        *(
            served.ask("GET", f"/api/photos/{name}/{rest}")
            for rest in ("aged?to=x", "photo?to=70&faces=9", "gif?to=70&mask=/etc", "aged")
        ),
        served.ask("POST", "/api/archive?to=70", b"PK\x03\x04" + photo),
    ]
    for status, answer in answers:
        assert status == 422
        assert list(json.loads(answer)) == ["error"]
        assert len(answer) < 300
        assert gives_nothing_away(answer)


def test_too_many_connections_are_closed_unanswered(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(web_server, "_CLOSE_BEYOND", 0)
    with served.connect() as connection, contextlib.suppress(ConnectionError):
        connection.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert rest_of(connection) == b""
