"""The processes of a session: their main functions."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from types import FrameType

from celery import Celery
from celery.signals import worker_ready

from db import ownership
from db.engine import Database
from db.identity import namespace
from db.migrate import open_state
from db.remote import Remote
from db.shared_store import open_store
from errors import StateDamaged, StoreUnreachable
from settings.ending import end_at_once
from settings.home import Home
from settings.parent import die_with_parent, never_followed
from settings.queue import queue_settings
from settings.shown import continued
from tasks.registry import import_bodies
from workers.alike import FailingAlike
from workers.app import AttemptFailed, make_app, queues, resource_queue, worker_queue
from workers.attempt import describe
from workers.bell import RESOURCES, Bell
from workers.broker import connect
from workers.execute import Executor
from workers.heartbeat import Member
from workers.leaving import Leaving
from workers.pool import WakingThreadPool
from workers.pulse import Pulse
from workers.scheduler import PlayRound, Scheduler
from workers.task_events import BatchedEvents
from workers.together import run_together
from workers.troubles import tell_troubles
from workers.upgrades import note_other_builds

#: How often it is looked whether jobs wait for another build.
_BUILD_CHECK_SECONDS = 60.0

#: The first job has what it imports itself by then.
_READY_SECONDS = 1.0

logger = logging.getLogger("baton.scheduler")

_LOG_FORMAT = "%(asctime)s %(name)s %(levelname)s %(message)s"


class _Continued(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return continued(super().format(record))


def log_to_stderr() -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Continued(_LOG_FORMAT))
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    logging.getLogger("celery.worker.strategy").setLevel(logging.WARNING)
    logging.getLogger("celery.app.trace").setLevel(logging.WARNING)


def scheduler_main(home: Home, broker_url: str, play_round: PlayRound | None = None) -> None:
    """Run a scheduler until SIGTERM or SIGINT. play_round: see `workers.scheduler.Scheduler`."""
    die_with_parent()
    log_to_stderr()
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    database = open_state(home)
    settings = queue_settings()
    scheduler = Scheduler(database, make_bell(database, broker_url), settings, play_round=play_round)
    pulse = Pulse(home, "scheduler")
    remote = open_store(home, database).remote
    next_build_check = 0.0
    while not stop.is_set():
        if time.monotonic() >= next_build_check:
            note_ownership(home, database, remote)
            for sentence in note_other_builds(home, database, time.time()):
                logger.warning("%s", sentence)
            next_build_check = time.monotonic() + _BUILD_CHECK_SECONDS
        scheduler.tick()
        pulse.beat()
        stop.wait(settings.tick_seconds)
    note_ownership(home, database, remote)
    database.close()


def note_ownership(home: Home, database: Database, remote: Remote | None) -> None:
    """As `db.ownership.note`; a store that does not answer is marked the next time."""
    try:
        ownership.note(home, database, remote)
    except StoreUnreachable as error:
        logger.warning("%s", error)


def make_bell(database: Database, broker_url: str, app: Celery | None = None) -> Bell:
    app = app or make_app(broker_url, namespace=namespace(database))
    return Bell(database, app, connect(broker_url), queue_settings())


def worker_main(
    home: Home, broker_url: str, name: str, device: str, resources: tuple[str, ...], session_id: int | None
) -> None:
    """Run one worker, pinned to `device`, until SIGTERM, SIGINT or SIGUSR1.

    The body runs in a thread of this process, so the main thread stays free for signals and for
    Celery's events. A signal only sets a flag; the body stops at its next step, and Celery then
    finishes its warm shutdown.
    """
    die_with_parent()
    log_to_stderr()
    database = open_state(home)
    settings = queue_settings()
    end_never_followed(home)
    member = Member(database, settings, name, device, session_id)
    store = open_store(home, database)
    note_ownership(home, database, store.remote)  # before it makes anything
    executor = Executor(home, database, store, settings, member)
    idle = threading.Lock()
    released = False  # by a job of the message that is at work: something waits to be rung
    alike = FailingAlike(name, home.logs / f"{name}.log", partial(tell_troubles, home, who=name))

    def run(job_ids: Sequence[int]) -> str:
        nonlocal released
        member.to_come, released = list(job_ids), False
        try:
            with idle:
                return run_together(
                    member.to_come, run_one, lambda: member.stop.reason is not None, executor.leave
                )
        finally:
            # Once for all of them: within a tick the scheduler rings as well, and this worker is busy until here.
            if released and member.stop.reason is None:
                bell.ring_ready()

    def run_one(job_id: int) -> str:
        nonlocal released
        try:
            outcome = executor.run(job_id)
        except StateDamaged as error:
            member.give_up(error)
            raise AttemptFailed(str(error)) from None
        except Exception as error:
            alike.unrecorded(describe(error))
            raise
        if executor.failed:
            alike.failed(outcome)
        elif executor.went_well:
            alike.went_well()
        released = released or executor.released
        if executor.failed:
            raise AttemptFailed(outcome)
        return outcome

    app = make_app(broker_url, run, namespace(database))
    app.steps["consumer"].add(BatchedEvents)
    bell = make_bell(database, broker_url, app)

    @worker_ready.connect(weak=False)
    def _own_the_signals(**_: object) -> None:
        shut_down = signal.getsignal(signal.SIGTERM)
        assert callable(shut_down)
        leaving = Leaving(member)

        def stop(number: int, frame: FrameType | None) -> None:
            member.stop.set("preempted")
            leaving.begin()
            shut_down(number, frame)

        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1):
            signal.signal(number, stop)
        if "accelerator" in resources:
            get_ready("accelerator", idle)

    names = [worker_queue(member.id), *(resource_queue(r) for r in RESOURCES if r in resources)]
    app.conf.task_queues = queues(names)
    try:
        app.Worker(
            hostname=f"{name}@{os.uname().nodename}",
            pool=WakingThreadPool,
            concurrency=1,
            queues=names,
            without_gossip=True,
            without_mingle=True,
            loglevel="INFO",
        ).start()
    finally:
        member.leave()
        database.close()
        if member.damage is not None:
            raise member.damage
    end_at_once(0)


def end_never_followed(home: Home) -> None:
    """What earlier sessions left, as it was stopped before it could die with them."""
    for pid in never_followed(home.root):
        logging.getLogger("baton.worker").warning(
            "process %d, whose session is gone, was stopped: ended", pid
        )
        with suppress(OSError):
            os.kill(pid, signal.SIGKILL)


def get_ready(resource: str, idle: threading.Lock) -> None:
    """Import torch and the models while no job runs: whoever takes over a lost run starts seconds sooner.

    `idle` is held by a job that runs. Beside one nothing is imported: transformers replaces itself in sys.modules,
    and a second thread that waits for its import goes on with the module that was replaced, which has no names.
    """

    def import_when_idle() -> None:
        with idle:
            import_bodies(resource)

    timer = threading.Timer(_READY_SECONDS, import_when_idle)
    timer.daemon = True
    timer.start()
