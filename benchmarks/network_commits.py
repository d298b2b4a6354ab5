"""What a commit of the state costs where other machines see its file, against one on a disk.

python -m benchmarks.network_commits --commits 300 --rounds 5

A bindfs mount (FUSE) of the folder plays the network file system: what it adds of its own is a trip to a process, and
not one over a wire. The lease is asked for at each commit. Durable: returns when it is on the disk, as every commit
does there.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

from sqlalchemy import text

from benchmarks.machine import describe
from db.engine import Database
from db.network_file import hold

_RESULT = Path(__file__).parent / "results" / "network_commits.json"

DISK, DURABLE, MOUNT = "on a disk", "on a disk, durable", "through a mount"


def milliseconds(database: Database, commits: int, durable: bool) -> list[float]:
    """Of each of so many transactions that change a row."""
    took = []
    for number in range(commits):
        began = time.perf_counter()
        with database.write(durable=durable) as tx:
            tx.execute(text("UPDATE row SET value = :value"), {"value": number})
        took.append((time.perf_counter() - began) * 1000.0)
    return took


def main() -> None:
    """Alternate the three, print the medians, write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--commits", type=int, default=300)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--folder", type=Path, help="on the disk to measure [default: a temporary one]")
    parser.add_argument("--out", type=Path, default=_RESULT)
    arguments = parser.parse_args()
    took: dict[str, list[float]] = {DISK: [], DURABLE: [], MOUNT: []}
    with tempfile.TemporaryDirectory(prefix="baton-commits-", dir=arguments.folder) as folder:
        disk, behind, mount = (Path(folder) / name for name in ("disk", "behind", "mount"))
        for place in (disk, behind, mount):
            place.mkdir()
        subprocess.run(["bindfs", str(behind), str(mount)], check=True)
        try:
            there = Database(mount / "state.db", lease=hold(mount / "state.db"))
            here = Database(disk / "state.db")
            for database in (there, here):
                with database.write() as tx:
                    tx.execute(text("CREATE TABLE row (value INTEGER)"))
                    tx.execute(text("INSERT INTO row VALUES (0)"))
            for _ in range(arguments.rounds):
                took[DISK] += milliseconds(here, arguments.commits, durable=False)
                took[DURABLE] += milliseconds(here, arguments.commits, durable=True)
                took[MOUNT] += milliseconds(there, arguments.commits, durable=False)
            there.close()
            here.close()
        finally:
            subprocess.run(["umount", "-l", str(mount)], check=False)
    found = {
        name: {
            "median_milliseconds": round(statistics.median(values), 2),
            "p95_milliseconds": round(statistics.quantiles(values, n=20)[18], 2),
        }
        for name, values in took.items()
    }
    document = {"commits": arguments.commits * arguments.rounds, **found, "machine": describe()}
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(found))


if __name__ == "__main__":
    main()
