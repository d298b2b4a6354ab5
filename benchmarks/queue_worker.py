"""A worker process for `benchmarks.queue_throughput`: Baton's own, or plain Celery's, running no-op jobs.

It writes `ready` to standard output once it listens, and `done` once it ran as many jobs as it was told.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from celery.signals import worker_ready

from settings.home import Home
from tasks.context import Finished, TaskContext
from tasks.kind import JobResult, Kind, Spec
from tasks.registry import KINDS
from workers.app import make_app, queues, resource_queue
from workers.pool import WakingThreadPool
from workers.processes import log_to_stderr, worker_main
from workers.task_events import BatchedEvents

KIND = "noop"

_jobs_left = 0


@dataclass(frozen=True)
class Nothing(Spec):
    """What a no-op job is told."""


@dataclass(frozen=True)
class NothingMore(JobResult):
    """What is said of it."""


NOOP = Kind(
    name=KIND, specs=(Nothing,), results=(NothingMore,), body=f"{__name__}:noop", resource="cpu", priority=0,
    version=1, makes=(),
)  # fmt: skip


def noop(_context: TaskContext[Nothing]) -> Finished[NothingMore]:
    """The body of a no-op job."""
    _count()
    return Finished((), result=NothingMore())


def _count(_job_ids: Sequence[int] = ()) -> str:
    global _jobs_left
    _jobs_left -= 1
    if _jobs_left == 0:
        print("done", flush=True)
    return "done"


def plain_worker(broker_url: str, *, baton_options: bool) -> None:
    """Celery alone: the same message, pool of one thread and task events, no database.

    baton_options: Baton's options of the queue (one message at a time); else Celery's own default prefetch.
    """
    app = make_app(broker_url, _count)
    if baton_options:
        app.steps["consumer"].add(BatchedEvents)
    else:
        app.conf.update(worker_prefetch_multiplier=4, worker_disable_prefetch=False)
    names = [resource_queue("cpu")]
    app.conf.task_queues = queues(names)
    app.Worker(
        hostname=f"plain@{os.uname().nodename}",
        pool=WakingThreadPool if baton_options else "threads",
        concurrency=1,
        queues=names,
        without_gossip=True,
        without_mingle=True,
        loglevel="INFO",
    ).start()


def main() -> None:
    """Run one worker until it is told to stop."""
    global _jobs_left
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("side", choices=("baton", "plain", "plain-default"))
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--jobs", type=int, required=True)
    arguments = parser.parse_args()
    _jobs_left = arguments.jobs
    broker_url = os.environ["BATON_BROKER"]
    KINDS[KIND] = NOOP

    @worker_ready.connect(weak=False)
    def _say_so(**_: object) -> None:
        print("ready", flush=True)

    log_to_stderr()
    if arguments.side == "baton":
        worker_main(Home(arguments.home), broker_url, "bench", "cpu", ("cpu",), None)
    else:
        plain_worker(broker_url, baton_options=arguments.side == "plain")


if __name__ == "__main__":
    main()
