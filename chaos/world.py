"""The processes of one home under attack: start them, find them, and begin again when all are gone."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

ROOT = Path(__file__).resolve().parent.parent
CLI = (sys.executable, str(ROOT / "cli.py"))

#: A home under attack notices faults within seconds (more than loading torch silences a worker for), and no number
#: of them makes a job poison: whoever kills from outside cannot be told from a job that kills its worker.
SETTINGS = {
    "BATON_QUEUE_LEASE_SECONDS": "8",
    "BATON_QUEUE_HEARTBEAT_SECONDS": "0.5",
    "BATON_QUEUE_RING_TIMEOUT_SECONDS": "2",
    "BATON_QUEUE_AFFINITY_SECONDS": "2",
    "BATON_QUEUE_RETRY_SECONDS": "0.5",
    "BATON_QUEUE_MAX_LOSSES": "1000000",
    "BATON_QUEUE_MAX_FAILURES": "1000",
}
LEASE_SECONDS = float(SETTINGS["BATON_QUEUE_LEASE_SECONDS"])


@dataclass
class World:
    """One home and whoever works on it."""

    home: Path
    submit: Sequence[str]
    process: subprocess.Popen[bytes] | None = None
    restarts: int = 0
    flipped: set[str] = field(default_factory=set)  # paths of artifacts whose bytes were changed

    @property
    def environment(self) -> Mapping[str, str]:
        inject = str(ROOT / "chaos" / "inject")
        return {
            **os.environ,
            **SETTINGS,
            "PYTHONPATH": os.pathsep.join([inject, os.environ.get("PYTHONPATH", "")]),
            "BATON_CHAOS_FAULT": str(self.home.parent / f"{self.home.name}.fault"),
        }

    def run(self) -> int | None:
        """Keep a command on the home. Returns its exit code once the ablation has ended, else None."""
        if self.process is not None:
            code = self.process.poll()
            if code is None:
                return None
            if code in (0, 1):
                return code
            self.restarts += 1
        # Before the ablation is in the state there is nothing to go on with: the same command starts afresh.
        known = bool(rows_of(self.home, "select 1 from ablation"))
        words = ["up", "--until-done"] if known else [*self.submit]
        log = (self.home.parent / f"{self.home.name}.log").open("ab")
        with log:
            self.process = subprocess.Popen(
                [*CLI, "--home", str(self.home), *words],
                stdout=log, stderr=log, env=self.environment, start_new_session=True,
            )  # fmt: skip
        return None

    def family(self) -> list[psutil.Process]:
        """The command and everything it started that is alive."""
        if self.process is None or self.process.poll() is not None:
            return []
        try:
            parent = psutil.Process(self.process.pid)
            return [parent, *parent.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []

    def members(self, role: str) -> list[psutil.Process]:
        """Processes of the home by what they do: command, worker, scheduler or redis."""
        return [process for process in self.family() if _role(process) == role]

    def await_end(self, processes: Sequence[psutil.Process], seconds: float) -> list[psutil.Process]:
        """Those that are still there after so long."""
        return list(psutil.wait_procs(list(processes), timeout=seconds)[1])


def rows_of(home: Path, query: str) -> list[Any]:
    """Rows of the home's state; none before it exists."""
    state = home / "state.db"
    try:
        with contextlib.closing(sqlite3.connect(f"file:{state}?mode=ro", uri=True, timeout=10)) as connection:
            return connection.execute(query).fetchall()
    except sqlite3.OperationalError:
        return []


def processes_of(home: Path) -> list[psutil.Process]:
    """Everything that runs on this machine with the home's path among its arguments."""
    found = []
    for process in psutil.process_iter(["cmdline", "status"]):
        words = process.info["cmdline"] or []
        if process.info["status"] != psutil.STATUS_ZOMBIE and any(str(home) in word for word in words):
            found.append(process)
    return found


def await_quiet(home: Path, seconds: float) -> list[psutil.Process]:
    """Processes of the home that are still there after so long."""
    give_up = time.monotonic() + seconds
    while (left := processes_of(home)) and time.monotonic() < give_up:
        time.sleep(0.1)
    return left


def _role(process: psutil.Process) -> str:
    try:
        words = process.cmdline()
    except psutil.Error:
        return ""
    if any("redis" in word for word in words[:1]):
        return "redis"
    for role in ("worker", "scheduler"):
        if role in words:
            return role
    return "command" if "up" in words or "submit-ablation" in words else ""
