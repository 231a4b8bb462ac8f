"""Runs a batch on a Ray cluster."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Final

import ray
import ray.data

from reage.cluster.batch import Batch
from reage.cluster.plan import Job, Plan
from reage.cluster.starts import Starts
from reage.cluster.table import write_faces
from reage.cluster.worker import PhotoWorker
from reage.errors import ReageError, UsageError

# Only paths and outcomes travel through Ray; the photos go from store to worker and back.
_OBJECT_STORE_BYTES: Final = 200_000_000
# A task is that many photos, so that its cost vanishes; more, where Ray would get too many tasks.
PHOTOS_PER_TASK: Final = 8
_MAX_TASKS: Final = 4096


@dataclass(frozen=True)
class Outcome:
    """What became of a photo.

    Attributes:
        path: Of the photo, below the input.
        error: Why there is no result; None if there is one.
    """

    path: str
    error: ReageError | None


@contextmanager
def ray_session(address: str | None, workers: int | None = None) -> Iterator[None]:
    """Connects to a cluster, unless the process is connected already.

    Args:
        address: Of the cluster, as `ray.init` takes it; None starts one on this machine.
        workers: CPUs of the one that is started; None takes all.

    Raises:
        UsageError: If no cluster answers there.
        ReageError: If none can be started on this machine.
    """
    if ray.is_initialized():
        yield
        return
    # Ray reports its use to its makers unless told otherwise, and warns of its own inner workings.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
    own = {"num_cpus": workers, "object_store_memory": _OBJECT_STORE_BYTES}
    try:
        ray.init(
            address or "local",
            include_dashboard=None if address else False,
            log_to_driver=False,
            logging_level=logging.ERROR,
            **({} if address else own),
        )
    except Exception as error:  # Ray raises bare ones too
        raise _no_cluster(address, error) from error
    try:
        yield
    finally:
        ray.shutdown()


def _no_cluster(address: str | None, error: Exception) -> ReageError:
    if address:
        return UsageError(
            f"--address {address}",
            "leads to no Ray cluster",
            "give the address that `ray start --head` printed, and run on one of its machines",
        )
    reason = (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
    return ReageError(
        "Ray", f"does not start on this machine ({reason})", "see /tmp/ray/session_latest/logs"
    )


def run_batch(batch: Batch, plan: Plan, *, workers: int | None = None) -> Iterator[Outcome]:
    """Ages the pending photos of a plan, and then brings the table of faces up to date.

    With pending photos it has to run inside a `ray_session`.

    Args:
        batch: What is to be done.
        plan: What `make_plan` found of it.
        workers: How many actors, one core each; None takes all cores of the cluster.

    Yields:
        An outcome for each photo without a result, in the order in which they come; one that fails
        stops no other.

    Raises:
        ReageError: If a store does not answer.
    """
    failures: dict[str, ReageError] = {}
    for outcome in _outcomes(batch, plan, workers):
        if outcome.error is not None:
            failures[outcome.path] = outcome.error
        yield outcome
    batch.target.sweep()
    write_faces(batch, plan.jobs, failures)


def _outcomes(batch: Batch, plan: Plan, workers: int | None) -> Iterator[Outcome]:
    for path in plan.misnamed:
        name = batch.source.name_of(path)
        yield Outcome(path, ReageError(name, "has a name that is not UTF-8", "rename it"))
    for record in plan.superseded:
        batch.target.delete(record)
    if plan.pending:
        yield from _age(batch, plan.pending, workers)


def _age(batch: Batch, jobs: list[Job], workers: int | None) -> Iterator[Outcome]:
    ray.data.DataContext.get_current().enable_progress_bars = False
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    cores = max(1, int(ray.cluster_resources().get("CPU", 1)))
    size = min(workers or cores, len(jobs))
    tasks = max(size, min(len(jobs) // PHOTOS_PER_TASK, _MAX_TASKS))
    starts = ray.remote(Starts).options(num_cpus=0).remote()
    rows = ray.data.from_items([asdict(job) for job in jobs], override_num_blocks=tasks).map(
        PhotoWorker,
        fn_constructor_args=(batch, starts),
        compute=ray.data.ActorPoolStrategy(size=size),
        num_cpus=1,
    )
    for row in rows.iter_rows():
        name, reason, remedy = batch.source.name_of(row["path"]), row["reason"], row["remedy"]
        yield Outcome(row["path"], ReageError(name, reason, remedy) if reason else None)
