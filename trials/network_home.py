"""A home on a network file system, end to end: two bindfs mounts of one folder play two other machines.

    python -m trials.network_home [--json FILE]

1. Work goes on where the disk is, while every command that looks is asked again and again through a mount.
2. Through the mount nothing works unless it is asked for, and nothing is made.
3. Asked for, `up` holds it through one mount: through the other commands look, and those that work are refused.
4. It is killed (SIGKILL), and the other mount goes on once the lease stood still; killed there at work, the first ends.

Every home comes to the bytes of one on a disk. Needs root, or a FUSE that its user may mount.
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
from pathlib import Path
from typing import Any

import psutil

from settings.elsewhere import NETWORK_VARIABLE
from trials import REPOSITORY, RESULTS, final_artifacts, keep, rows
from trials.homes import SUBMIT

_DEADLINE_SECONDS = 1800.0

_LOOKS = (
    ("status", "--json"), ("events",), ("artifacts", "--json"), ("artifacts", "verify"), ("doctor", "--json"),
    ("report",),
)  # fmt: skip
_WORKS = (("up",), ("pause", "1"), ("artifacts", "gc"), ("submit-ablation", "--preset", "smoke", "--detach"))
_UP = ("up", "--until-done", "--gpus", "none", "--cpus", "1")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path, default=RESULTS / "network_home.json")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="baton-network-") as folder, contextlib.ExitStack() as mounted:
        disk, one, two = (Path(folder) / name for name in ("disk", "one", "two"))
        disk.mkdir()
        for place in (one, two):
            place.mkdir()
            subprocess.run(["bindfs", str(disk), str(place)], check=True)
            mounted.callback(subprocess.run, ["umount", "-l", str(place)], check=False)
        found = {
            "looked at while it works on the disk": _on_the_disk(disk, one),
            "not asked for": _not_asked_for(disk, one),
            "asked for, killed, taken over": _asked_for(disk, one, two),
        }
        same = (
            final_artifacts(disk / "local" / "state.db") == final_artifacts(disk / "asked" / "state.db") != {}
        )
    found["equal bytes"] = same
    for name, case in found.items():
        print(name, json.dumps(case), flush=True)
    keep(options.json, "a home that other machines see through FUSE; exit codes by command", {"cases": found})
    return 0 if same and all(case["holds"] for case in found.values() if isinstance(case, dict)) else 1


def _on_the_disk(disk: Path, seen: Path) -> dict[str, Any]:
    worker = _start(disk / "local", {}, *SUBMIT)
    while not rows(disk / "local" / "state.db", "SELECT 1 FROM job WHERE state = 'running'"):
        time.sleep(0.1)
    codes: dict[str, list[int]] = {}
    logs = 0
    while worker.poll() is None:
        for words in _LOOKS:
            codes.setdefault(" ".join(words), []).append(_baton(seen / "local", {}, *words).returncode)
            logs += (disk / "local" / "state.db-wal").exists()
    tally = {name: {str(code): found.count(code) for code in set(found)} for name, found in codes.items()}
    ended = worker.wait()
    looked = sum(map(len, codes.values()))
    return {
        "exit_code": ended, "looks": looked, "log_still_there_after": logs, "exit_codes_of_looks": tally,
        "holds": ended == 0 and all(set(found) <= {0, 3} for found in codes.values()),
    }  # fmt: skip


def _not_asked_for(disk: Path, one: Path) -> dict[str, Any]:
    codes = {words[0]: _baton(one / "none", {}, *words).returncode for words in (SUBMIT, ("worker",))}
    codes["up"] = _baton(one / "local", {}, *_UP).returncode
    return {
        "exit_codes": codes, "made": (disk / "none").exists(),
        "holds": set(codes.values()) == {2} and not (disk / "none").exists(),
    }  # fmt: skip


def _asked_for(disk: Path, one: Path, two: Path) -> dict[str, Any]:
    asked = {NETWORK_VARIABLE: "1"}
    state = disk / "asked" / "state.db"
    begun = [
        _baton(one / "asked", asked, *words).returncode for words in ((*SUBMIT, "--detach"), ("pause", "1"))
    ]
    holder = _start(one / "asked", asked, *_UP[:1], *_UP[2:])
    while not state.with_name("state.db-lease").exists():
        time.sleep(0.1)
    looks = {" ".join(words): _baton(two / "asked", asked, *words).returncode for words in _LOOKS}
    works, said = {}, ""
    for words in _WORKS:
        done = _baton(two / "asked", asked, *words)
        works[" ".join(words)], said = done.returncode, done.stderr.strip() or said
    _kill(holder)
    begun.append(_baton(two / "asked", asked, "unpause", "1").returncode)
    worker = _start(two / "asked", asked, *SUBMIT)
    while not (at_work := _at_work(state)) and worker.poll() is None:
        time.sleep(0.02)
    _kill(worker)
    began = time.monotonic()
    after = _baton(one / "asked", asked, *_UP)
    jobs = dict(rows(state, "SELECT state, count(*) FROM job GROUP BY state"))
    return {
        "begun": begun, "looks": looks, "works": works, "said": said, "killed_while": at_work,
        "up_exit_code": after.returncode, "up_seconds": round(time.monotonic() - began), "jobs": jobs,
        "left_beside_the_state": sorted(path.name for path in state.parent.glob("state.db-*")),
        "holds": set(looks.values()) <= {0, 3} and set(works.values()) == {2} and {*begun, after.returncode} == {0}
        and set(jobs) == {"succeeded"} and bool(at_work),
    }  # fmt: skip


def _at_work(state: Path) -> list[str]:
    """What runs after something else has ended."""
    if not rows(state, "SELECT 1 FROM job WHERE state = 'succeeded'"):
        return []
    return [label for (label,) in rows(state, "SELECT label FROM job WHERE state = 'running'")]


def _start(home: Path, variables: dict[str, str], *words: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "cli.py", "--home", str(home), *words],
        cwd=REPOSITORY, env=_environment(variables), start_new_session=True,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip


def _baton(home: Path, variables: dict[str, str], *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "cli.py", "--home", str(home), *words],
        cwd=REPOSITORY, env=_environment(variables), capture_output=True, text=True, check=False,
        timeout=_DEADLINE_SECONDS,
    )  # fmt: skip


def _kill(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(psutil.NoSuchProcess):
        for member in (psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)):
            with contextlib.suppress(psutil.NoSuchProcess):
                member.send_signal(signal.SIGKILL)
    process.wait()


def _environment(variables: dict[str, str]) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("BATON_")}
    return kept | {"PYTHONPATH": str(REPOSITORY)} | variables


if __name__ == "__main__":
    sys.exit(main())
