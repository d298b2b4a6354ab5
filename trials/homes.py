"""Homes whose paths are written as people write them: every command works there, and all come to the same bytes.

    python -m trials.homes [--kinds NAME,NAME] [--json FILE]

In each home an ablation is submitted, everything is killed (SIGKILL) while a job is at work, `up` ends it, and
`status`, `report`, `bundle export`, `bundle import` (into a home of the same kind of path) and `audit` follow. Every
final artifact has the bytes that it has in the first home. Each command is given the path as it is written here.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import psutil

from settings.home import home_at
from trials import REPOSITORY, RESULTS, final_artifacts, keep, rows

_DEADLINE_SECONDS = 1800.0

#: The least that has every kind of job: one arm, few steps. Its figures mean nothing.
SUBMIT = (
    "submit-ablation", "--preset", "smoke", "--gpus", "none", "--cpus", "1", "--arms", "baseline", "--seeds", "0",
    "--set", "training.steps=6", "--set", "training.batch_size=2", "--set", "evaluation.sequences=1",
    "--set", "evaluation.sequences_per_shard=1", "--set", "evaluation.max_steps=4",
)  # fmt: skip


def _through_a_link(folder: Path) -> str:
    (folder / "real").mkdir()
    (folder / "link").symlink_to("real")
    return str(folder / "link")


def _below_a_link(folder: Path) -> str:
    return f"{_through_a_link(folder)}/home"


def _dotdot(folder: Path) -> str:
    (folder / "other").mkdir()
    return str(folder / "other" / ".." / "home")


def _named(name: str) -> Callable[[Path], str]:
    return lambda folder: str(folder / name)


#: kind -> the home's path below an empty folder.
KINDS: Mapping[str, Callable[[Path], str]] = {
    "space": _named("my home"),
    "dotdot": _dotdot,
    "link": _through_a_link,
    "below a link": _below_a_link,
    "question mark": _named("?a=1"),
    "signs": _named("a,b;100%41#c&d"),
    "quotes": _named('it\'s "[bold]" \\ $5'),
    "accents": _named("données-实验"),
    "long": _named("x" * 160),
    "no HOME": _named("home"),
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kinds", default=",".join(KINDS))
    parser.add_argument("--json", type=Path, default=RESULTS / "homes.json")
    options = parser.parse_args()
    cases: dict[str, Any] = {}
    expected: dict[str, str] = {}
    for kind in options.kinds.split(","):
        with tempfile.TemporaryDirectory(prefix="baton-homes-") as folder:
            cases[kind], found = _case(kind, Path(folder))
        expected = expected or found
        cases[kind]["other_bytes"] = sorted(
            name for name in expected | found if expected.get(name) != found.get(name)
        )
        cases[kind]["holds"] = bool(found) and not cases[kind]["other_bytes"] and cases[kind].pop("all_well")
        print(kind, json.dumps(cases[kind]), flush=True)
    what = "exit codes of every command in homes whose paths are written so; other_bytes: final artifacts that differ "
    keep(options.json, f"{what}from those of the first", {"cases": cases})
    return 0 if all(case["holds"] for case in cases.values()) else 1


def _case(kind: str, folder: Path) -> tuple[dict[str, Any], dict[str, str]]:
    (folder / "a").mkdir()
    (folder / "b").mkdir()
    home, other = KINDS[kind](folder / "a"), KINDS[kind](folder / "b")
    environment = _environment(without=("HOME",) if kind == "no HOME" else ())
    killed_at = _killed(home, environment)
    file = str(folder / "home.bundle")
    codes, said = {}, []
    for name, place, words in (
        ("up", home, ("up", "--until-done", "--gpus", "none", "--cpus", "1")),
        ("status", home, ("status", "--json")),
        ("report", home, ("report",)),
        ("bundle export", home, ("bundle", "export", file)),
        ("bundle import", other, ("bundle", "import", file)),
        ("status of the imported", other, ("status", "--json")),
        ("audit", home, ("audit", "--slices", "1", "--others", "0")),
    ):
        done = _baton(place, environment, *words)
        codes[name] = done.returncode
        if done.returncode:
            said.append(done.stderr.strip().splitlines()[-1:])
        if name == "status":
            jobs = json.loads(done.stdout)["ablations"][0]["jobs"] if not done.returncode else {}
    beside = sorted(path.name for path in (folder / "a").iterdir())
    case: dict[str, Any] = {
        "path": home.removeprefix(str(folder)),
        "killed": killed_at,
        "exit_codes": codes,
        "jobs": {state: count for state, count in jobs.items() if count},
        "beside_the_home": [
            name for name in beside if name not in (Path(home).name, "real", "link", "other", "home")
        ],
    }
    if said:
        case["said"] = [line for lines in said for line in lines]
    case["all_well"] = (
        not any(codes.values()) and set(case["jobs"]) == {"succeeded"} and not case["beside_the_home"]
    )
    return case, final_artifacts(home_at(home).state_db)


def _killed(home: str, environment: Mapping[str, str]) -> str:
    """Submit, and kill all of it while a job is at work after another has ended."""
    process = subprocess.Popen(
        [sys.executable, "cli.py", "--home", home, *SUBMIT],
        cwd=REPOSITORY, env=environment, start_new_session=True,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    end, at_work = time.monotonic() + _DEADLINE_SECONDS, []
    while not at_work and time.monotonic() < end and process.poll() is None:
        time.sleep(0.02)
        if rows(home_at(home).state_db, "SELECT 1 FROM job WHERE state = 'succeeded'"):
            at_work = rows(home_at(home).state_db, "SELECT label FROM job WHERE state = 'running'")
    with contextlib.suppress(psutil.NoSuchProcess):
        for member in (psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)):
            with contextlib.suppress(psutil.NoSuchProcess):
                member.send_signal(signal.SIGKILL)
    process.wait()
    return f"while {at_work[0][0]} ran" if at_work else "not: nothing was seen at work"


def _baton(home: str, environment: Mapping[str, str], *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "cli.py", "--home", home, *words],
        cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=False, timeout=_DEADLINE_SECONDS,
    )  # fmt: skip


def _environment(without: tuple[str, ...]) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("BATON_")}
    return {name: value for name, value in kept.items() if name not in without} | {
        "PYTHONPATH": str(REPOSITORY)
    }


if __name__ == "__main__":
    sys.exit(main())
