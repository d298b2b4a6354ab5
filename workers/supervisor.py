"""Starts and keeps alive the processes of one session: broker, scheduler, one worker per device, services."""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from db import jobs, members
from db.engine import Database
from db.silence import Silence
from settings.gpus import VISIBLE, only
from settings.home import Home
from settings.parent import PARENT_VARIABLE
from settings.processes import process_start
from settings.queue import QueueSettings
from workers import broker
from workers.bell import RESOURCES
from workers.broker_watch import BrokerWatch
from workers.child import BROKER, RESTART_SECONDS, Child
from workers.departure import Departed, depart
from workers.retries import machine_fault
from workers.troubles import cap_log, forget_troubles, last_line, room_trouble, tell_troubles
from workers.unsaved import UNSAVED_VARIABLE, Shared

logger = logging.getLogger("baton.supervisor")

CLI = Path(__file__).resolve().parent.parent / "cli.py"

#: How long a process may take to stop after SIGTERM: the end of a step and a checkpoint.
STOP_SECONDS = 30.0

#: The wait before a process that died is started again doubles to this, while it keeps dying at once.
_RESTART_LIMIT_SECONDS = 10.0
_HEALTHY_SECONDS = 30.0

#: A worker that has not registered itself after this is stuck in its imports.
_JOIN_SECONDS = 180.0

#: Ends of a process, each soon after its start, after which this is told.
_TOLD_DEATHS = 3

#: How often logs are cut and the disk is looked at.
_CARE_SECONDS = 5.0

BROKER_VARIABLE = "BATON_BROKER"


@dataclass(frozen=True)
class Devices:
    """What the workers of a session run on: the GPUs (numbers) of each GPU worker, and how many CPU workers.

    names: what CUDA calls a GPU where that is not its number.
    """

    gpus: Sequence[tuple[int, ...]]
    cpus: int
    names: Mapping[int, str] = field(default_factory=dict)

    @property
    def together(self) -> int:
        """GPUs that one job can have: a process sees one of those that are parts of a GPU (MIG)."""
        several = [gpu for group in self.gpus for gpu in group]
        return 1 if any(name.startswith("MIG-") for name in self.named(several)) else len(several)

    def named(self, group: Sequence[int]) -> list[str]:
        """CUDA's names of these."""
        return [self.names.get(gpu, str(gpu)) for gpu in group]


class Supervisor:
    """Use as a context manager: everything it started is gone at the end.

    services: name (`workers.services`) -> port of those that shall run too. seen: what troubles somebody else sees.
    """

    def __init__(
        self,
        home: Home,
        database: Database,
        settings: QueueSettings,
        devices: Devices,
        broker_url: str | None,
        session_id: int,
        services: Mapping[str, int] | None = None,
        seen: Callable[[], Sequence[str]] = list,
    ) -> None:
        self._home = home
        self._database = database
        self._settings = settings
        self._devices = devices
        self._session_id = session_id
        self._services = services or {}
        self._seen = seen
        self._seen_last: list[str] = []
        self._private = broker_url is None
        self.broker_url = broker_url or broker.private_url(home)
        self._temporary = home.run / "tmp"
        self._children: list[Child] = []
        self._silence = Silence()
        self._watch: BrokerWatch | None = None
        self._next_care = 0.0
        self.troubles: list[str] = []

    def __enter__(self) -> Supervisor:
        # What killed processes left in their temporary folder; nobody else runs this home now.
        shutil.rmtree(self._temporary, ignore_errors=True)
        self._temporary.mkdir(mode=0o700)
        forget_troubles(self._home)
        server = None
        try:
            if self._private:
                server = broker.begin_private(self._home, self._redis_log)
                self._children.append(Child(BROKER, self._start_redis, server.process))
                self._take_back_bells()
            self._add("scheduler", lambda: self._spawn("scheduler", ["scheduler"], {}))
            for name, arguments, environment in self._workers():
                flag = Shared()
                self._add(name, self._spawner(name, arguments, environment, flag), flag)
            for name, port in self._services.items():
                self._add(name, self._spawner(name, [name, "--port", str(port)], {}))
            if server is not None:  # asked only now: the others import for a second before they need it
                broker.await_private(server, self._redis_log)
            self._watch = BrokerWatch(self.broker_url)
        except BaseException:
            self.kill()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def check(self) -> None:
        """Start again what died, kill what went silent. Call it several times a second."""
        now = time.monotonic()
        for child in self._children:
            if child.runs:
                if now - child.started_at > _HEALTHY_SECONDS:
                    child.wait_seconds = RESTART_SECONDS
                    child.deaths = 0
                continue
            if child.restart_at is None:
                child.deaths += 1
                child.restart_at = now + child.wait_seconds
                child.wait_seconds = min(child.wait_seconds * 2, _RESTART_LIMIT_SECONDS)
            elif now >= child.restart_at:
                try:
                    child.process = child.start()
                except OSError as error:
                    if not machine_fault(error):
                        raise
                    logger.warning("%s cannot be started now: %s", child.name, error)
                    child.restart_at = None  # waits again, and longer
                    continue
                child.started_at = now
                child.restart_at = None
                child.restarts += 1
        self._kill_silent()
        self._care(now)

    def _care(self, now: float) -> None:
        """Cut logs, replace a broker of our own that is deaf, and tell what keeps anything from working."""
        seen = list(self._seen())
        if now < self._next_care and seen == self._seen_last:
            return
        self._next_care, self._seen_last = now + _CARE_SECONDS, seen
        room = room_trouble(self._home)
        troubles = [*([room] if room else ()), *seen]
        for child in self._children:
            log = self._home.logs / f"{child.name}.log"
            if child.deaths >= _TOLD_DEATHS:
                troubles.append(
                    f"{child.name} ended {child.deaths} times soon after its start: {last_line(log)} (see {log})"
                )
            cap_log(log)
        fault = self._watch.fault if self._watch is not None else None
        if self._watch is not None and fault is not None:
            troubles.append(f"the broker {fault}")
            if (
                self._private and self._watch.overdue
            ):  # stopped, or its socket went: nobody else starts it again
                self._children[0].process.kill()
                self._watch.started()
        if troubles != self.troubles:
            self.troubles = troubles
            tell_troubles(self._home, troubles)

    def stop(self, hurry: Callable[[], bool] = lambda: False, seconds: float = STOP_SECONDS) -> Departed:
        """End everything, as `workers.departure.depart` does."""
        departed = depart(self._database, self._session_id, self._children, hurry, seconds)
        self.kill()
        return departed

    def kill(self) -> None:
        """SIGKILL everything that still runs. Nothing is lost but the steps since the last checkpoint."""
        if self._watch is not None:
            self._watch.stop()
        tell_troubles(self._home, [])
        for child in self._children:
            child.kill()
            child.process.wait()
            if child.unsaved is not None:
                child.unsaved.close()
        self._children.clear()
        shutil.rmtree(self._temporary, ignore_errors=True)

    @property
    def restarts(self) -> dict[str, int]:
        return {child.name: child.restarts for child in self._children if child.restarts}

    def _workers(self) -> list[tuple[str, list[str], dict[str, str]]]:
        specs = []
        for group in self._devices.gpus:
            environment = {
                **only(self._devices.named(group)),
                "BATON_DEVICE": f"cuda:{'+'.join(map(str, group))}",
            }
            name = f"worker-gpu{'-'.join(map(str, group))}"
            specs.append((name, ["--resources", "accelerator"], environment))
        resources = ",".join(RESOURCES) if not self._devices.gpus else "cpu"
        for number in range(self._devices.cpus):
            environment = {VISIBLE: "", "BATON_DEVICE": "cpu"}
            specs.append((f"worker-cpu{number}", ["--resources", resources], environment))
        return [
            (name, ["worker", "--name", name, "--session", str(self._session_id), *arguments], environment)
            for name, arguments, environment in specs
        ]

    def _spawner(
        self, name: str, arguments: Sequence[str], environment: Mapping[str, str], flag: Shared | None = None
    ) -> Callable[[], subprocess.Popen[bytes]]:
        return lambda: self._spawn(name, arguments, environment, flag)

    def _spawn(
        self, name: str, arguments: Sequence[str], environment: Mapping[str, str], flag: Shared | None = None
    ) -> subprocess.Popen[bytes]:
        if flag is not None:
            flag.flag.anything = False  # what a process before it held is lost
            environment = {**environment, UNSAVED_VARIABLE: str(flag.descriptor)}
        with (self._home.logs / f"{name}.log").open("ab") as log:
            return subprocess.Popen(
                [sys.executable, str(CLI), "--home", str(self._home.root), *arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # a Ctrl-C in the terminal is ours to pass on
                pass_fds=() if flag is None else (flag.descriptor,),
                env={
                    **os.environ,
                    BROKER_VARIABLE: self.broker_url,
                    PARENT_VARIABLE: str(os.getpid()),
                    "TMPDIR": str(self._temporary),
                    **environment,
                },
            )

    def _start_redis(self) -> subprocess.Popen[bytes]:
        return broker.start_private(self._home, self._redis_log).process

    @property
    def _redis_log(self) -> Path:
        return self._home.logs / "redis.log"

    def _take_back_bells(self) -> None:
        """A broker of our own that just began holds none, and nobody else has one while the state is this home's:
        what was rung before is ready, and not waited for as a bell that may still be answered."""
        if self._home.state_in_home:
            jobs.unring(self._database, [row.id for row in jobs.queued(self._database)])

    def _add(
        self, name: str, start: Callable[[], subprocess.Popen[bytes]], flag: Shared | None = None
    ) -> None:
        self._children.append(Child(name, start, start(), flag))

    def _kill_silent(self) -> None:
        """A worker whose heartbeats stopped (a deadlock that holds the GIL) or never began is replaced."""
        beats = members.heartbeats_of(self._database, self._session_id)
        workers = {}
        for child in self._children:
            if child.is_worker and child.runs:
                with contextlib.suppress(psutil.NoSuchProcess):
                    workers[child.process.pid, process_start(child.process.pid)] = child
        silent = self._silence.seconds({worker: beats.get(worker) for worker in workers})
        for worker, child in workers.items():
            joined = worker in beats
            if silent[worker] > (self._settings.lease_seconds if joined else _JOIN_SECONDS):
                child.process.kill()
