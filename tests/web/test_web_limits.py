from __future__ import annotations

import asyncio
import threading

import pytest

pytest.importorskip("starlette")

from starlette.exceptions import HTTPException

from reage.errors import ImageReadError, NoFaceError, UsageError, WeightsError
from reage.web.answers import explain
from reage.web.app import forget_regularly
from reage.web.limits import RefusalError
from reage.web.queue import Room, Workers
from reage.web.store import Visit, VisitStore


def visit(size: int = 1) -> Visit:
    return Visit(b"", {}, size)


def test_the_store_forgets_the_unused() -> None:
    now = 0.0
    store = VisitStore(limit=9, seconds=100, clock=lambda: now)
    first, second = store.add(visit()), store.add(visit())
    now = 90.0
    assert store.get(first) is not None
    now = 120.0
    assert store.get(second) is None
    assert store.get(first) is not None
    assert first != second
    assert len(first) >= 32


def test_photos_in_use_are_not_given_up_for_new_ones() -> None:
    now = 0.0
    store = VisitStore(limit=4, seconds=1000, clock=lambda: now)
    first, second = store.add(visit(size=2)), store.add(visit(size=2))
    with pytest.raises(RefusalError, match="Too many") as refused:
        store.add(visit(size=1))
    assert refused.value.status == 503
    now = 61.0
    assert store.get(first) is not None
    third = store.add(visit(size=1))
    assert store.get(second) is None  # Unused for longest.
    with pytest.raises(RefusalError):
        store.add(visit(size=2))
    assert store.get(first) is not None
    assert store.get(third) is not None


def test_no_photo_is_given_up_for_one_that_is_refused_all_the_same() -> None:
    now = 0.0
    store = VisitStore(limit=100, seconds=1000, clock=lambda: now)
    store.add(visit(size=40))
    store.add(visit(size=40))
    now = 61.0
    with pytest.raises(RefusalError, match="too much memory") as refused:
        store.add(visit(size=150))
    assert refused.value.status == 413
    assert len(store) == 2
    used = store.add(visit(size=20))
    with pytest.raises(RefusalError, match="Too many"):
        store.add(visit(size=90))
    assert len(store) == 3
    store.add(visit(size=80))
    assert len(store) == 2
    assert store.get(used) is not None


def test_photos_are_forgotten_in_time_though_nobody_asks() -> None:
    now = 0.0
    store = VisitStore(limit=2, seconds=10, clock=lambda: now)
    store.add(visit())

    async def scenario() -> None:
        nonlocal now
        task = asyncio.create_task(forget_regularly(store, 0))
        for _ in range(5):
            await asyncio.sleep(0)
        assert len(store) == 1
        now = 11.0
        for _ in range(5):
            await asyncio.sleep(0)
        task.cancel()

    asyncio.run(scenario())
    assert len(store) == 0


def test_a_full_room_refuses() -> None:
    room = Room(1)
    with room.place(), pytest.raises(RefusalError, match="Too many"):
        room.enter()
    with room.place():
        pass


def test_workers_do_so_much_at_once_and_no_more() -> None:
    go, started = threading.Event(), threading.Semaphore(0)
    lock, working, most = threading.Lock(), 0, 0

    def task() -> None:
        nonlocal working, most
        with lock:
            working += 1
            most = max(most, working)
        started.release()
        assert go.wait(30)
        with lock:
            working -= 1

    async def scenario() -> None:
        workers = Workers(at_once=2, waiting=1, seconds=30)
        tasks = [asyncio.create_task(workers.run(task)) for _ in range(3)]
        for _ in range(2):
            await asyncio.to_thread(started.acquire)
        with pytest.raises(RefusalError, match="Too many"):
            await workers.run(task)
        go.set()
        await asyncio.gather(*tasks)
        await workers.run(task)  # There is room again.

    asyncio.run(scenario())
    assert most == 2


def test_a_task_that_takes_too_long_keeps_its_place_until_it_is_done() -> None:
    go = threading.Event()

    async def scenario() -> None:
        workers = Workers(at_once=1, waiting=0, seconds=0.01)
        with pytest.raises(TimeoutError):
            await workers.run(go.wait, 30)
        with pytest.raises(RefusalError, match="Too many"):
            await workers.run(int)
        go.set()
        while True:
            try:
                assert await workers.run(int) == 0
                return
            except (RefusalError, TimeoutError):
                await asyncio.sleep(0)

    asyncio.run(asyncio.wait_for(scenario(), 30))


def test_who_waits_too_long_for_a_turn_is_told_so() -> None:
    go = threading.Event()

    async def scenario() -> None:
        workers = Workers(at_once=1, waiting=1, seconds=0.05)
        first = asyncio.create_task(workers.run(go.wait, 30))
        await asyncio.sleep(0)
        with pytest.raises(TimeoutError):
            await workers.run(int)
        go.set()
        await asyncio.gather(first, return_exceptions=True)

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("error", "status", "sentence"),
    [
        (
            ImageReadError("/home/a/b.jpg", "is damaged (at /usr/lib/x.so)", "copy it again"),
            422,
            "This photo is damaged; copy it again.",
        ),
        (
            NoFaceError("/home/a/b.jpg", "shows no face", "try another"),
            422,
            "This photo shows no face; try another.",
        ),
        (
            UsageError("strength 3", "is not a share", "give 0 to 1"),
            422,
            "This cannot be done: strength 3 is not a share; give 0 to 1.",
        ),
        (TimeoutError(), 503, "That took too long. Please try again, or try a smaller photo."),
        (RefusalError(404, "It is gone."), 404, "It is gone."),
        (HTTPException(405), 405, "There is nothing here. Please go back to the page."),
        (
            WeightsError("/home/a/model", "in /home/a is damaged", "see /home/a"),
            500,
            "Something went wrong here. Please try another photo.",
        ),
        (
            RuntimeError("/home/a/secret"),
            500,
            "Something went wrong here. Please try another photo.",
        ),
    ],
)
def test_errors_are_explained_in_one_sentence(error: Exception, status: int, sentence: str) -> None:
    assert explain(error) == (status, sentence)
