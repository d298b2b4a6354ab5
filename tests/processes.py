"""Real processes of a home: starting commands, killing everything, and knowing that nothing is left."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import psutil

from settings.home import Home
from tests.support import FOREIGN_VARIABLES, REPOSITORY, await_value

#: Queue timing under which a dead worker or a lost bell is noticed within a second or two. A living worker may
#: well be silent for a while: loading torch holds the interpreter, on a busy machine for many seconds.
QUICK = {
    "BATON_QUEUE_LEASE_SECONDS": "60",
    "BATON_QUEUE_HEARTBEAT_SECONDS": "0.5",
    "BATON_QUEUE_TICK_SECONDS": "0.05",
    "BATON_QUEUE_RING_TIMEOUT_SECONDS": "0.5",
    "BATON_QUEUE_AFFINITY_SECONDS": "2",
    "BATON_QUEUE_RETRY_SECONDS": "0.1",
}

CLI = REPOSITORY / "cli.py"

#: The same with workers that know the bodies of `tests.bodies`, and obey its gate.
CLI_WITH_BODIES = REPOSITORY / "tests" / "workers" / "cli_with_bodies.py"


def environment(**more: str) -> dict[str, str]:
    """This process's environment without anything that names a home, a broker or timing."""
    kept = {name: value for name, value in os.environ.items() if name not in FOREIGN_VARIABLES}
    return {**kept, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(REPOSITORY), **more}


@contextlib.contextmanager
def running(arguments: Sequence[str], log: Path, script: Path = CLI, **more: str) -> Iterator[psutil.Process]:
    """A command in a process group of its own. Whatever it started is killed at the end."""
    with log.open("ab") as stream:
        command = subprocess.Popen(
            [sys.executable, str(script), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=stream,
            start_new_session=True,
            env=environment(**more),
        )
    process = psutil.Process(command.pid)
    try:
        yield process
    finally:
        kill_all(process)
        command.wait()


def family(process: psutil.Process) -> list[psutil.Process]:
    """The process and all that descend from it."""
    try:
        return [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def kill_all(process: psutil.Process) -> None:
    """SIGKILL to a command and all its descendants, first those that would start others again."""
    members = family(process)
    for member in members:
        with contextlib.suppress(psutil.NoSuchProcess):
            member.send_signal(signal.SIGKILL)
    await_gone(members)


def of_home(home: Home) -> list[psutil.Process]:
    """Living processes that name this home in their command line or have it as their folder."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            alive = process.status() != psutil.STATUS_ZOMBIE and process.pid != os.getpid()
            if alive and (
                str(home.root) in process.cmdline() or Path(process.cwd()).is_relative_to(home.root)
            ):
                found.append(process)
    return found


def await_gone(processes: Sequence[psutil.Process]) -> None:
    await_value(
        lambda: [p for p in processes if _alive(p)], lambda left: not left, "the end of all processes"
    )


def one_of_home(home: Home, word: str) -> psutil.Process:
    """The one living process of a home that has this word in its name or among its arguments."""

    def look() -> list[psutil.Process]:
        found = []
        for process in of_home(home):
            with contextlib.suppress(psutil.NoSuchProcess):
                if word in process.name() or word in process.cmdline():
                    found.append(process)
        return found

    (process,) = await_value(look, lambda found: len(found) == 1, f"one process {word}")
    return process


def worker_pid(processes: Sequence[psutil.Process]) -> int:
    """The worker among a command's processes."""
    return next(p.pid for p in processes if _alive(p) and "worker" in p.cmdline())


def _alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
