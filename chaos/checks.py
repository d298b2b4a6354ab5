"""What must be true of a home after any number of faults, against one that was left alone."""

from __future__ import annotations

import contextlib
import json
import sqlite3
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any

from chaos.world import CLI, World, await_quiet

#: Slices of training, and jobs of other kinds, that are done again.
_AUDITED = 2

#: No attempt takes as long; the smallest shift of a clock that is set does.
_LONG_SECONDS = 3600.0

_PARTS = ("useful_seconds", "replayed_seconds", "checkpoint_seconds", "load_seconds", "idle_seconds")


def facts(home: Path) -> dict[str, Any]:
    """Everything that does not depend on when work happened: by job key, digests, results' figures, metrics."""
    rows: dict[str, Any] = {}
    with contextlib.closing(_open(home)) as state:
        rows["jobs"] = state.execute("select key, kind, state from job order by key").fetchall()
        rows["digests"] = state.execute(
            "select job.key, artifact.name, artifact.sha256 from artifact join job on job.id = artifact.job_id"
            " where artifact.final and job.kind != 'report' order by 1, 2"
        ).fetchall()
        rows["metrics"] = state.execute(
            "select job.key, metric.name, metric.step, metric.value from metric"
            " join job on job.id = metric.job_id order by 1, 2, 3"
        ).fetchall()
    return rows


def violations(world: World, undisturbed: dict[str, Any]) -> list[str]:
    """What is wrong with the home; empty when nothing is."""
    wrong = [f"process left over: {p.pid} {' '.join(p.cmdline())[:120]}" for p in await_quiet(world.home, 20)]
    with contextlib.closing(_open(world.home)) as state:
        wrong += [f"integrity_check: {row[0]}" for row in state.execute("pragma integrity_check")
                  if row[0] != "ok"]  # fmt: skip
        wrong += [f"foreign key: {row}" for row in state.execute("pragma foreign_key_check")]
        wrong += [f"job {label}: {job}" for label, job in state.execute(
            "select label, state from job where state != 'succeeded'")]  # fmt: skip
        wrong += [f"attempt {row[0]} never ended" for row in state.execute(
            "select id from attempt where ended_at is null")]  # fmt: skip
        for name in (*_PARTS, "took_seconds"):
            absurd = f"{name} is null or {name} not between 0 and {_LONG_SECONDS}"
            wrong += [f"attempt {number} has {name} {value}" for number, value in state.execute(
                f"select id, {name} from attempt where {absurd}")]  # fmt: skip
        done = Counter(
            row[0] for row in state.execute("select job_id from attempt where outcome = 'succeeded'")
        )
        # Work whose output rotted is done again, and each time that is an event.
        redone = state.execute("select count(*) from event where kind = 'artifact_damaged'").fetchone()[0]
        twice = sum(count - 1 for count in done.values())
        if twice > redone:
            wrong.append(f"{twice} jobs succeeded more than once, {redone} outputs were damaged")
    mine = facts(world.home)
    for what, expected in undisturbed.items():
        if mine[what] != expected:
            different = [pair for pair in zip(mine[what], expected, strict=False) if pair[0] != pair[1]]
            wrong.append(f"{what} differ from the undisturbed run: {len(mine[what])} rows for {len(expected)}, "
                         f"first {different[:1]}")  # fmt: skip
    return wrong + _files(world) + _audit(world)


def _audit(world: World) -> list[str]:
    """A sample of what the home holds, done again."""
    done = _command(world, "audit", "--slices", str(_AUDITED), "--others", str(_AUDITED), "--json")
    if done.returncode not in (0, 1):
        return [f"audit: {done.stderr.strip()[-300:]}"]
    return [
        f"audit: {finding['unit']}: {finding['verdict']} {finding['why']}"
        for finding in json.loads(done.stdout)["findings"]
        # An old checkpoint whose bit was flipped is damaged, and no longer needed.
        if finding["verdict"] != "equal" and not (finding["verdict"] == "damaged" and world.flipped)
    ]


def _files(world: World) -> list[str]:
    """Bytes against rows. What a killed attempt left behind is garbage, which `gc` removes; nothing else is."""
    collect = _command(world, "artifacts", "gc", "--json")
    wrong = [] if collect.returncode == 0 else [f"artifacts gc: {collect.stderr.strip()}"]
    with contextlib.closing(_open(world.home)) as state:
        rows = {row[0] for row in state.execute("select path from artifact")}
    lying = {
        str(path.relative_to(world.home)) for path in (world.home / "artifacts").rglob("*") if path.is_file()
    }
    known = {path for path in lying if not Path(path).name.startswith(".")}
    wrong += [f"bytes without a row: {path}" for path in sorted(known - rows)[:3]]
    scratch = world.home / "artifacts" / ".scratch"
    wrong += [f"temporary file: {path}" for path in list(scratch.rglob("*"))[:3]]
    wrong += [f"temporary file: {path}" for path in list((world.home / "run" / "tmp").rglob("*"))[:3]]
    verify = json.loads(_command(world, "artifacts", "verify", "--json").stdout)
    bad = {entry["path"] for entry in verify["artifacts"] if entry["state"] in ("damaged", "missing")}
    wrong += [f"damaged and not by a flipped bit: {path}" for path in sorted(bad - world.flipped)[:3]]
    return wrong


def _command(world: World, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*CLI, "--home", str(world.home), *words], capture_output=True, text=True, check=False
    )


def _open(home: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"file:{home / 'state.db'}?mode=ro", uri=True, timeout=60)
