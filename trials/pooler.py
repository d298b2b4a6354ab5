"""An ablation whose state is in PostgreSQL: directly, and through PgBouncer in transaction and session mode.

    python -m trials.pooler [--ways NAME,NAME] [--kills N] [--json FILE]

`up` with two workers is killed (SIGKILL) while a job is at work, N times; then it ends. `artifacts gc` runs beside it
all the time. Every way comes to the same bytes, and nothing that a row names is gone (`artifacts verify`). Needs
PostgreSQL and PgBouncer; they are started and stopped here.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from sqlalchemy import text

from db.engine import Database
from settings.elsewhere import ARTIFACTS_VARIABLE, DATABASE_VARIABLE
from tests.pooler import pooler, through
from tests.postgres import find_binaries, postgres_server
from trials import RESULTS, keep
from trials.homes import SUBMIT
from trials.network_home import baton, kill, start

_WAYS = ("direct", "transaction", "session")
_UP = ("up", "--until-done", "--gpus", "none", "--cpus", "2")
_DIGESTS = (
    "SELECT job.label, artifact.name, artifact.sha256 FROM artifact JOIN job ON job.id = artifact.job_id "
    "WHERE artifact.final AND job.kind != 'report'"
)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--ways", default=",".join(_WAYS))
    parser.add_argument("--kills", type=int, default=2)
    parser.add_argument("--json", type=Path, default=RESULTS / "pooler.json")
    options = parser.parse_args()
    binaries = find_binaries()
    if binaries is None:
        print("error: PostgreSQL: neither `initdb` nor `postgres` is on PATH", file=sys.stderr)
        return 3
    cases: dict[str, Any] = {}
    digests: list[dict[str, str]] = []
    with postgres_server(binaries) as server:
        for way in options.ways.split(","):
            direct = server.url(server.create())
            with nullcontext() if way == "direct" else pooler(server, way) as query:
                url = direct if query is None else through(direct, query)
                cases[way], found = _case(url, direct, options.kills)
            digests.append(found)
            print(way, json.dumps(cases[way]), flush=True)
    same = all(found == digests[0] != {} for found in digests)
    keep(options.json, "one small ablation by every way to PostgreSQL", {"equal_bytes": same, "cases": cases})
    return 0 if same and all(case["holds"] for case in cases.values()) else 1


def _case(url: str, direct: str, kills: int) -> tuple[dict[str, Any], dict[str, str]]:
    database = Database(direct)
    with tempfile.TemporaryDirectory(prefix="baton-pooler-") as folder:
        home = Path(folder) / "home"
        variables = {DATABASE_VARIABLE: url, ARTIFACTS_VARIABLE: f"file://{folder}/objects"}
        submitted = baton(home, variables, *SUBMIT, "--detach")
        collected, killed_while = [], []
        for _ in range(kills):
            worker = start(home, variables, *_UP)
            ended = _count(database, "state = 'succeeded'")
            while worker.poll() is None and _count(database, "state = 'succeeded'") == ended:
                collected.append(baton(home, variables, "artifacts", "gc").returncode)
            while worker.poll() is None and not _count(database, "state = 'running'"):
                time.sleep(0.02)
            killed_while.append(_count(database, "state = 'running'"))
            kill(worker)
        worker = start(home, variables, *_UP)
        while worker.poll() is None:
            collected.append(baton(home, variables, "artifacts", "gc").returncode)
        verified = baton(home, variables, "artifacts", "verify").returncode
        with database.read() as tx:
            found = {f"{label}/{name}": digest for label, name, digest in tx.execute(text(_DIGESTS))}
            locks = tx.execute(text("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'")).scalar_one()
    database.close()
    case = {
        "submit": submitted.returncode, "jobs_running_when_killed": killed_while, "up": worker.returncode,
        "collections": len(collected), "collections_failed": sum(code != 0 for code in collected),
        "verify": verified, "locks_left": locks, "artifacts": len(found),
    }  # fmt: skip
    case["holds"] = not any(
        case[name] for name in ("submit", "up", "collections_failed", "verify", "locks_left")
    )
    return case, found


def _count(database: Database, which: str) -> int:
    with database.read() as tx:
        found: int = tx.execute(text(f"SELECT count(*) FROM job WHERE {which}")).scalar_one()
    return found


if __name__ == "__main__":
    sys.exit(main())
