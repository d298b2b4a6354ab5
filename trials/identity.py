"""Machines of one name, containers, and sessions that are taken away twenty times in a row.

    python -m trials.identity [--cases containers,machines,losses] [--json FILE]     (root, for namespaces)

`containers`: the scheduler and a worker of one home in two PID namespaces of one machine, under one name. `machines`:
a scheduler and a worker on each of two machines of one name (network, UTS, PID and mount namespaces, another
`boot_id`), the state in PostgreSQL. Both end preset `smoke` (one arm), and nothing that lives is declared dead.
`losses`: `up` with all its processes is killed twenty times in a row, whenever its job has made a checkpoint; nothing
is poison, and every artifact has the bytes of an undisturbed run.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import psutil
from sqlalchemy import select

from db import plans, queries, standings
from db.engine import Database
from db.migrate import open_state
from db.schema import Attempt, Event, Job
from settings.home import Home
from tests import machines
from tests.postgres import find_binaries, postgres_server
from tests.processes import CLI, CLI_WITH_BODIES, environment, kill_all
from tests.support import planned
from trials import RESULTS, keep
from workers.broker import find_server

_DEADLINE_SECONDS = 900.0
_LOSSES = 20
_SMOKE = (
    "submit-ablation",
    "--preset",
    "smoke",
    "--arms",
    "baseline",
    "--set",
    "training.steps=8",
    "--detach",
)

Wrap = Callable[[Sequence[str]], list[str]]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", default="losses,containers,machines")
    parser.add_argument("--json", type=Path, default=RESULTS / "identity.json")
    options = parser.parse_args()
    cases = {}
    for name in options.cases.split(","):
        with tempfile.TemporaryDirectory(prefix="baton-identity-") as folder:
            cases[name] = _CASES[name](Path(folder))
        print(name, json.dumps(cases[name]), flush=True)
    what = "who lives is not declared dead, whatever machines are called; sessions lost are no poison"
    keep(options.json, what, {"cases": cases})
    return 0 if all(case["holds"] for case in cases.values()) else 1


def _containers(folder: Path) -> dict[str, Any]:
    with ExitStack() as stack:
        broker = stack.enter_context(_redis(folder))
        return _smoke(
            stack, folder, {"REDIS_URL": broker}, [("scheduler", machines.in_container), ("worker", list)]
        )


def _machines(folder: Path) -> dict[str, Any]:
    binaries = find_binaries()
    if binaries is None:
        raise SystemExit("PostgreSQL: neither `initdb` nor `postgres` is on PATH")
    with ExitStack() as stack:
        server = stack.enter_context(postgres_server(binaries))
        cluster = {
            "REDIS_URL": stack.enter_context(_redis(folder)),
            "BATON_STATE_URL": server.url(server.create()),
        }
        processes: list[tuple[str, Wrap]] = []
        for number in range(2):
            boot_id = folder / f"boot_id{number}"
            boot_id.write_text(f"{uuid.uuid4()}\n")
            for command in ("scheduler", "worker"):
                processes.append((command, _on(boot_id)))
        return _smoke(stack, folder, cluster, processes)


def _on(boot_id: Path) -> Wrap:
    return lambda command: machines.on_machine(command, socket.gethostname(), boot_id)


def _smoke(
    stack: ExitStack, folder: Path, variables: dict[str, str], processes: Sequence[tuple[str, Wrap]]
) -> dict[str, Any]:
    """Run it to its end. Processes share the home's folder, as they would a network folder."""
    home = Home(folder / "home")
    variables = {**variables, "CUDA_VISIBLE_DEVICES": ""}
    _baton(home, _SMOKE, variables)
    for number, (command, wrap) in enumerate(processes):
        words = wrap([sys.executable, str(CLI), "--home", str(home.root), command])
        stack.enter_context(_running(words, folder / f"{number}.log", variables))
    database = Database(variables["BATON_STATE_URL"]) if "BATON_STATE_URL" in variables else open_state(home)
    began = time.monotonic()
    while standings.open_ablations(database) and time.monotonic() - began < _DEADLINE_SECONDS:
        time.sleep(0.5)
    (entry,) = standings.standing(database).ablations
    kinds = _events(database)
    with database.read() as tx:
        workers = set(tx.execute(select(Attempt.worker_id)).scalars())
    database.close()
    dead = {kind: kinds.get(kind, 0) for kind in ("worker_lost", "job_lost", "session_lost")}
    return {
        "state": entry.state,
        "seconds": round(time.monotonic() - began, 1),
        "workers_that_worked": len(workers),
        "declared_dead": dead,
        "holds": entry.state == "succeeded" and not any(dead.values()),
    }


def _losses(folder: Path) -> dict[str, Any]:
    undisturbed, attacked = Home(folder / "undisturbed"), Home(folder / "attacked")
    up = ("up", "--until-done", "--cpus", "1", "--gpus", "none")
    found = {}
    kills = 0
    for home in (undisturbed, attacked):
        home.create()
        database = open_state(home)
        target = _LOSSES + 5
        spec = {"target": target, "log": str(folder / "log"), "seconds": 0.2}
        plans.submit(
            database,
            plans.Plan("k", "count", {}, (planned("count", kind="count", spec=spec, target_steps=target),)),
            "trial",
            time.time(),
        )
        for number in range(_LOSSES if home is attacked else 0):
            before = _job(database).step
            with _running(_words(home, up), folder / f"up{number}.log", {}) as process:
                give_up = time.monotonic() + 60.0
                while _job(database).step == before and time.monotonic() < give_up:
                    time.sleep(0.02)
                kill_all(psutil.Process(process.pid))
            kills += 1
        subprocess.run(_words(home, up), env=environment(), check=True, capture_output=True, timeout=300)
        found[home.root.name] = {a.name + str(a.step): a.sha256 for a in queries.artifacts(database)}
        job, kinds = _job(database), _events(database)
        database.close()
    equal = found["undisturbed"] == found["attacked"]
    return {
        "sessions_killed": kills,
        "state": job.state,
        "losses": job.losses,
        "session_losses": job.session_losses,
        "job_lost": kinds.get("job_lost", 0),
        "artifacts": len(found["attacked"]),
        "equal_digests": equal,
        "holds": job.state == "succeeded" and equal and kinds.get("job_lost") == _LOSSES,
    }


_CASES = {"containers": _containers, "machines": _machines, "losses": _losses}


def _words(home: Home, arguments: Sequence[str]) -> list[str]:
    return [sys.executable, str(CLI_WITH_BODIES), "--home", str(home.root), *arguments]


def _job(database: Database) -> Any:
    with database.read() as tx:
        return tx.execute(select(*Job.__table__.c).where(Job.label == "count")).one()


def _events(database: Database) -> dict[str, int]:
    with database.read() as tx:
        kinds = list(tx.execute(select(Event.kind)).scalars())
    return {kind: kinds.count(kind) for kind in kinds}


def _baton(home: Home, arguments: Sequence[str], variables: dict[str, str]) -> None:
    words = [sys.executable, str(CLI), "--home", str(home.root), *arguments]
    subprocess.run(words, env=environment(**variables), check=True, capture_output=True)


@contextmanager
def _running(words: Sequence[str], log: Path, variables: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """In a process group of its own, all of which is gone at the end."""
    with log.open("ab") as stream:
        process = subprocess.Popen(
            words, stdin=subprocess.DEVNULL, stdout=stream, stderr=stream, start_new_session=True,
            env=environment(**variables),
        )  # fmt: skip
    try:
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@contextmanager
def _redis(folder: Path) -> Iterator[str]:
    """On a Unix socket, which machines without a network reach too."""
    path = folder / "redis.sock"
    words = [str(find_server()), "--port", "0", "--unixsocket", str(path), "--save", ""]
    with _running(words, folder / "redis.log", {}):
        while not path.exists():
            time.sleep(0.05)
        yield f"redis+socket://{path}"


if __name__ == "__main__":
    sys.exit(main())
