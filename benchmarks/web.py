"""Times what the web page does: opening a photo, then one age of the slider after another.

Usage: python benchmarks/web.py [--photo FILE] [--repeats 60] [--threads N]
"""

from __future__ import annotations

import argparse
import http.client
import statistics
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from reage.cli.serve import listen
from reage.inference.ager import FaceAger
from reage.web.app import create_app
from reage.web.limits import Limits
from reage.web.server import make_server
from reage.web.work import Wish, open_visit, preview

ASTRONAUT = Path(__file__).parents[1] / "examples" / "astronaut.png"
MAX_PIXELS = 10**9


def main() -> None:
    options = parse_arguments()
    ager = FaceAger(threads=options.threads)
    data = options.photo.read_bytes()
    visit, answer = open_visit(ager, data, MAX_PIXELS)
    opened = visit.views["face"]
    ages = [1 + n * 7 % 99 for n in range(options.repeats)]
    print(
        f"{options.photo.name}, {answer['width']}x{answer['height']}, "
        f"{len(answer['faces'])} faces; median (best) of {options.repeats}"
    )
    report("open: read, find, encode, skin", lambda _: open_visit(ager, data, MAX_PIXELS), ages)
    report("an age: decode, paste, JPEG", lambda age: preview(visit, Wish(age, 1.0, None)), ages)
    report("of that the decoder", lambda age: ager.model.decode(opened.features, age), ages)
    with served(ager) as ask:
        name = ask("POST", "/api/photos", data).split(b'"id":"')[1].split(b'"')[0].decode()
        report(
            "an age over HTTP", lambda age: ask("GET", f"/api/photos/{name}/aged?to={age}"), ages
        )


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Times the web page's work.")
    parser.add_argument("--photo", type=Path, default=ASTRONAUT)
    parser.add_argument("--repeats", type=int, default=60)
    parser.add_argument("--threads", type=int)
    return parser.parse_args()


def report(label: str, work: Callable[[int], object], ages: Iterable[int]) -> None:
    times = []
    for age in ages:
        start = time.perf_counter()
        work(age)
        times.append(1e3 * (time.perf_counter() - start))
    print(f"{label + ':':32} {statistics.median(times):6.1f} ms ({min(times):.1f})")


@contextmanager
def served(ager: FaceAger) -> Iterator[Callable[..., bytes]]:
    """The page as `reage serve` answers it, asked over one connection as a browser does."""
    with listen("127.0.0.1", 0) as listener:
        server = make_server(create_app(ager), Limits())
        thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
        thread.start()
        connection = http.client.HTTPConnection(*listener.getsockname())

        def ask(method: str, path: str, body: bytes | None = None) -> bytes:
            connection.request(method, path, body)
            return connection.getresponse().read()

        yield ask
        connection.close()
        server.should_exit = True
        thread.join()


if __name__ == "__main__":
    main()
