"""Many visitors at once: every answer is the right one or a clear "busy", and memory stays flat.

Starts `reage serve` as a process of its own. Each visitor has a photo of their own and compares
each answer with what `reage` makes of that photo, byte by byte, so that a mix-up would show. What
the server takes is read from /proc, so this runs on Linux.

Usage: python benchmarks/web_load.py [--clients 50] [--seconds 60] [--threads N]
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import io
import os
import random
import signal
import statistics
import subprocess
import sys
import time
import zipfile
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import NamedTuple, get_args

import httpx2
import numpy as np
from PIL import Image
from rich.console import Console
from rich.table import Table

from reage.inference.ager import FaceAger
from reage.inference.patches import MaskChoice
from reage.web.limits import busy
from reage.web.work import Wish, full_photo, open_visit, preview

ASTRONAUT = Path(__file__).parents[1] / "examples" / "astronaut.png"
MAX_PIXELS = 10**9
AGES = (8.0, 45.0, 80.0)
AGES_PER_VISIT = 8
SHARE_OF_BAD_PHOTOS = 0.05
SHARE_OF_ARCHIVES = 0.05
SECONDS_BEFORE_NEXT_TRY = 0.5
SECONDS_TO_ANSWER = 200
MEBI = 2**20


@dataclass(frozen=True)
class Visitor:
    """A photo, and what the server must make of it."""

    photo: bytes
    previews: dict[tuple[float, MaskChoice], bytes]
    full: dict[tuple[float, MaskChoice], bytes]


@dataclass
class Tally:
    """What came back: for each kind of request how often, and after how many milliseconds."""

    verdicts: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    times: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))

    def add(self, kind: str, verdict: str, started: float) -> None:
        """Counts an answer to what was asked at `started`, in seconds of `perf_counter`."""
        self.verdicts[kind][verdict] += 1
        if verdict == "right":
            self.times[kind].append(1e3 * (time.perf_counter() - started))

    def total(self, verdict: str) -> int:
        """How many answers were "right", "busy" or "wrong"."""
        return sum(counter[verdict] for counter in self.verdicts.values())


class Sample(NamedTuple):
    """What a process took, after so many seconds: MiB of memory, seconds of all its CPUs."""

    seconds: float
    memory: float
    cpu: float


def main() -> int:
    options = parse_arguments()
    visitors = make_visitors(options.clients, options.threads)
    with served(options.threads) as (process, address):
        tally, samples = asyncio.run(load(visitors, process.pid, address, options.seconds))
    report(tally, samples, options)
    return int(tally.total("wrong") > 0 or tally.total("right") == 0)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Puts the web page under load.")
    parser.add_argument("--clients", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--threads", type=int, default=1, help="threads of each model call")
    return parser.parse_args()


def make_visitors(count: int, threads: int) -> list[Visitor]:
    """Visitors with crops of the astronaut, each one a little different."""
    ager = FaceAger(threads=threads)
    pixels = np.asarray(Image.open(ASTRONAUT).convert("RGB"))
    visitors = []
    for number in range(count):
        buffer = io.BytesIO()
        Image.fromarray(pixels[: 400 - number, : 400 - number]).save(buffer, "JPEG", quality=90)
        visit, _ = open_visit(ager, buffer.getvalue(), MAX_PIXELS)
        choices = product(AGES, get_args(MaskChoice))
        wishes = {(age, mask): Wish(age, 1.0, None, mask) for age, mask in choices}
        previews = {key: preview(visit, wish) for key, wish in wishes.items()}
        full = {key: full_photo(visit, wish, MAX_PIXELS).data for key, wish in wishes.items()}
        visitors.append(Visitor(buffer.getvalue(), previews, full))
    return visitors


@contextlib.contextmanager
def served(threads: int) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """`reage serve` as a process, and its address."""
    program = "import sys; from reage.cli.app import main; sys.exit(main())"
    command = [sys.executable, "-c", program, "serve", "--port", "0", "--threads", str(threads)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield process, process.stdout.readline().split()[0]
        process.send_signal(signal.SIGINT)


async def load(
    visitors: list[Visitor], pid: int, address: str, seconds: float
) -> tuple[Tally, list[Sample]]:
    """Lets all visitors in at once; what came back, and what the server took."""
    tally, end = Tally(), time.perf_counter() + seconds
    limits = httpx2.Limits(max_connections=None)
    async with httpx2.AsyncClient(
        base_url=address, limits=limits, timeout=SECONDS_TO_ANSWER
    ) as client:
        await client.get("/")
        watch = asyncio.create_task(watch_process(pid))
        await asyncio.gather(
            *(visit_until(end, client, visitor, tally, n) for n, visitor in enumerate(visitors))
        )
        watch.cancel()
        samples = await watch
    return tally, samples


async def watch_process(pid: int) -> list[Sample]:
    samples, started = [], time.perf_counter()
    with contextlib.suppress(asyncio.CancelledError):
        while True:
            fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
            ticks, pages = int(fields[11]) + int(fields[12]), int(fields[21])
            memory = pages * os.sysconf("SC_PAGE_SIZE") / MEBI
            cpu = ticks / os.sysconf("SC_CLK_TCK")
            samples.append(Sample(time.perf_counter() - started, memory, cpu))
            await asyncio.sleep(0.5)
    return samples


async def visit_until(
    end: float, client: httpx2.AsyncClient, visitor: Visitor, tally: Tally, seed: int
) -> None:
    """Comes back with a photo, an archive or a broken photo until the time is over."""
    chance = random.Random(seed)
    desk = Desk(client, tally)
    while time.perf_counter() < end:
        kind = chance.random()
        if kind < SHARE_OF_BAD_PHOTOS:
            await desk.ask("broken photo", "POST", "/api/photos", b"no photo", status=422)
        elif kind < SHARE_OF_BAD_PHOTOS + SHARE_OF_ARCHIVES:
            await age_archive(desk, visitor, chance)
        else:
            await drag(desk, visitor, chance)


async def age_archive(desk: Desk, visitor: Visitor, chance: random.Random) -> None:
    age, mask = wish = chance.choice(list(visitor.full))
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("me.jpg", visitor.photo)
    path = f"/api/archive?to={age:g}&mask={mask}"
    await desk.ask("archive", "POST", path, buffer.getvalue(), packed=visitor.full[wish])


async def drag(desk: Desk, visitor: Visitor, chance: random.Random) -> None:
    """Opens a photo, drags the slider, downloads, and leaves."""
    opened = await desk.ask("open", "POST", "/api/photos", visitor.photo, status=201)
    if opened is None:
        return
    photo = f"/api/photos/{opened.json()['id']}"
    for _ in range(AGES_PER_VISIT):
        wish = chance.choice(list(visitor.previews))
        query = f"to={wish[0]:g}&mask={wish[1]}"
        await desk.ask("age", "GET", f"{photo}/aged?{query}", expected=visitor.previews[wish])
    wish = chance.choice(list(visitor.full))
    query = f"to={wish[0]:g}&mask={wish[1]}"
    await desk.ask("download", "GET", f"{photo}/photo?{query}", expected=visitor.full[wish])
    await desk.ask("leave", "DELETE", photo, status=204)


@dataclass
class Desk:
    """Where a visitor asks, and each answer is judged."""

    client: httpx2.AsyncClient
    tally: Tally

    async def ask(
        self,
        kind: str,
        method: str,
        path: str,
        body: bytes | None = None,
        *,
        status: int = 200,
        expected: bytes | None = None,
        packed: bytes | None = None,
    ) -> httpx2.Response | None:
        """Asks once, and waits a moment after a "busy".

        Args:
            kind: Where it counts.
            method: Of HTTP.
            path: With the query.
            body: What is uploaded.
            status: The right one.
            expected: The right answer, where there is only one.
            packed: The right content of the only file of the archive that comes back.

        Returns:
            The answer if it is right.
        """
        started = time.perf_counter()
        try:
            answer = await self.client.request(method, path, content=body)
        except httpx2.HTTPError as error:
            print(f"{kind}: {error!r}", file=sys.stderr)
            self.tally.add(kind, "wrong", started)
            return None
        verdict = judge(answer, status, expected, packed)
        self.tally.add(kind, verdict, started)
        if verdict == "busy":
            await asyncio.sleep(SECONDS_BEFORE_NEXT_TRY)
        if verdict == "wrong":
            print(f"{kind}: {answer.status_code} {answer.content[:200]!r}", file=sys.stderr)
        return answer if verdict == "right" else None


def judge(
    answer: httpx2.Response, status: int, expected: bytes | None, packed: bytes | None
) -> str:
    """Whether an answer is right, busy or wrong."""
    if answer.status_code == 503 and busy().sentence in answer.text:
        return "busy"
    right = answer.status_code == status and expected in (None, answer.content)
    if right and packed is not None:
        with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
            right = [archive.read(name) for name in archive.namelist()] == [packed]
    return "right" if right else "wrong"


def report(tally: Tally, samples: list[Sample], options: argparse.Namespace) -> None:
    table = Table(title=f"{options.clients} clients for {options.seconds:g} s")
    for heading in ("request", "right", "busy", "wrong", "median ms", "95 % ms"):
        table.add_column(heading, justify="left" if heading == "request" else "right")
    for kind, verdicts in tally.verdicts.items():
        times = tally.times[kind] or [0.0]
        counts = (str(verdicts[verdict]) for verdict in ("right", "busy", "wrong"))
        middle, high = statistics.median(times), float(np.percentile(times, 95))
        table.add_row(kind, *counts, f"{middle:.0f}", f"{high:.0f}")
    totals = (str(tally.total(verdict)) for verdict in ("right", "busy", "wrong"))
    table.add_row("all", *totals, "", "")
    Console().print(table)
    seconds, memory, cpu = np.array(samples).T
    late = seconds > seconds[-1] / 2
    slope = 60 * np.polyfit(seconds[late], memory[late], 1)[0]
    print(
        f"memory of the server: {memory[0]:.0f} MiB before, {memory.max():.0f} at most, "
        f"{memory[-1]:.0f} after; slope of the second half {slope:+.1f} MiB a minute\n"
        f"CPU of the server: {cpu[-1] - cpu[0]:.1f} s in {seconds[-1]:.0f} s"
    )


if __name__ == "__main__":
    sys.exit(main())
