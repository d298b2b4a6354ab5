"""Starts and keeps alive the processes of one session: broker, scheduler, one worker per device, services."""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from db import members
from db.engine import Database
from db.silence import Silence
from settings.gpus import VISIBLE, only
from settings.home import Home
from settings.processes import process_start
from settings.queue import QueueSettings
from workers import broker
from workers.bell import RESOURCES
from workers.broker_watch import BrokerWatch
from workers.parent import PARENT_VARIABLE
from workers.policy import machine_fault
from workers.troubles import cap_log, last_line, room_trouble, tell_troubles

logger = logging.getLogger("baton.supervisor")

CLI = Path(__file__).resolve().parent.parent / "cli.py"

#: How long a process may take to stop after SIGTERM: the end of a step and a checkpoint.
STOP_SECONDS = 30.0

#: How often `stop` looks whether they have ended.
_STOP_LOOK_SECONDS = 0.02

#: A process that dies is started again after this; doubles while it keeps dying at once.
_RESTART_SECONDS = 0.2
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

    def named(self, group: Sequence[int]) -> list[str]:
        """CUDA's names of these."""
        return [self.names.get(gpu, str(gpu)) for gpu in group]


@dataclass
class Child:
    """A process that shall be running. `command` starts it, again if need be."""

    name: str
    start: Callable[[], subprocess.Popen[bytes]]
    process: subprocess.Popen[bytes]
    started_at: float = field(default_factory=time.monotonic)
    wait_seconds: float = _RESTART_SECONDS
    restart_at: float | None = None
    restarts: int = 0
    deaths: int = 0


class Supervisor:
    """Use as a context manager: everything it started is gone at the end.

    services: name (`workers.services`) -> port of those that shall run too.
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
    ) -> None:
        self._home = home
        self._database = database
        self._settings = settings
        self._devices = devices
        self._session_id = session_id
        self._services = services or {}
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
        try:
            if self._private:
                self._add("redis", self._start_redis)
            self._add("scheduler", lambda: self._spawn("scheduler", ["scheduler"], {}))
            for name, arguments, environment in self._workers():
                self._add(name, self._spawner(name, arguments, environment))
            for name, port in self._services.items():
                self._add(name, self._spawner(name, [name, "--port", str(port)], {}))
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
            if child.process.poll() is None:
                if now - child.started_at > _HEALTHY_SECONDS:
                    child.wait_seconds = _RESTART_SECONDS
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
        if now < self._next_care:
            return
        self._next_care = now + _CARE_SECONDS
        room = room_trouble(self._home)
        troubles = [room] if room else []
        for child in self._children:
            log = self._home.logs / f"{child.name}.log"
            if child.deaths >= _TOLD_DEATHS:
                troubles.append(
                    f"{child.name} ended {child.deaths} times soon after its start: {last_line(log)} (see {log})"
                )
            cap_log(log)
        fault = self._watch.fault if self._watch is not None else None
        if self._watch is not None and fault is not None:
            troubles.append(f"the broker does not answer: {fault}")
            if (
                self._private and self._watch.overdue
            ):  # stopped, or its socket went: nobody else starts it again
                self._children[0].process.kill()
                self._watch.started()
        if troubles != self.troubles:
            self.troubles = troubles
            tell_troubles(self._home, troubles)

    def stop(self, hurry: Callable[[], bool] = lambda: False, seconds: float = STOP_SECONDS) -> None:
        """SIGTERM to the scheduler, so that nothing new is rung, to the workers, then to the rest.

        What has not stopped after `seconds` in all, or when `hurry` says so, is killed.
        """
        give_up = time.monotonic() + seconds
        scheduler = [child for child in self._children if child.name == "scheduler"]
        workers = [child for child in self._children if child.name.startswith("worker")]
        others = [child for child in self._children if child not in scheduler + workers]
        for group in (scheduler, workers, others):
            for child in group:
                _signal(child.process, signal.SIGTERM)
            while time.monotonic() < give_up and not hurry():
                if all(child.process.poll() is not None for child in group):
                    break
                time.sleep(_STOP_LOOK_SECONDS)
        self.kill()

    def kill(self) -> None:
        """SIGKILL everything that still runs. Nothing is lost but the steps since the last checkpoint."""
        if self._watch is not None:
            self._watch.stop()
        tell_troubles(self._home, [])
        for child in self._children:
            _signal(child.process, signal.SIGKILL)
            child.process.wait()
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
        self, name: str, arguments: Sequence[str], environment: Mapping[str, str]
    ) -> Callable[[], subprocess.Popen[bytes]]:
        return lambda: self._spawn(name, arguments, environment)

    def _spawn(
        self, name: str, arguments: Sequence[str], environment: Mapping[str, str]
    ) -> subprocess.Popen[bytes]:
        with (self._home.logs / f"{name}.log").open("ab") as log:
            return subprocess.Popen(
                [sys.executable, str(CLI), "--home", str(self._home.root), *arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # a Ctrl-C in the terminal is ours to pass on
                env={
                    **os.environ,
                    BROKER_VARIABLE: self.broker_url,
                    PARENT_VARIABLE: str(os.getpid()),
                    "TMPDIR": str(self._temporary),
                    **environment,
                },
            )

    def _start_redis(self) -> subprocess.Popen[bytes]:
        return broker.start_private(self._home, self._home.logs / "redis.log").process

    def _add(self, name: str, start: Callable[[], subprocess.Popen[bytes]]) -> None:
        self._children.append(Child(name, start, start()))

    def _kill_silent(self) -> None:
        """A worker whose heartbeats stopped (a deadlock that holds the GIL) or never began is replaced."""
        beats = members.heartbeats_of(self._database, self._session_id)
        workers = {}
        for child in self._children:
            if child.name.startswith("worker") and child.process.poll() is None:
                with contextlib.suppress(psutil.NoSuchProcess):
                    workers[child.process.pid, process_start(child.process.pid)] = child
        silent = self._silence.seconds({worker: beats.get(worker) for worker in workers})
        for worker, child in workers.items():
            joined = worker in beats
            if silent[worker] > (self._settings.lease_seconds if joined else _JOIN_SECONDS):
                child.process.kill()


def _signal(process: subprocess.Popen[bytes], number: int) -> None:
    if process.poll() is None:
        process.send_signal(number)
