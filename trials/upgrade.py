"""An ablation of an older build, killed at its work, opened by this build: the old result, or a refusal.

    python -m trials.upgrade [--old COMMIT] [--kinds ingest,gaze,train,evaluate,report] [--json FILE]

The older build comes out of the repository's own history, in a git worktree. It runs preset `smoke` undisturbed
once. Then, for each kind, it runs `smoke` in another home and everything is killed (SIGKILL) while a job of that kind
is at work and has done some of it: between two demonstrations, in the middle of a slice, in a shard of an evaluation,
while the report is made. This build opens the home: either `up` ends it, and every artifact has the bytes of the
undisturbed run; or `up` refuses with exit code 2 and changes nothing, its command plans again, and `up` ends that.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil

from trials import REPOSITORY, RESULTS, final_artifacts, git, keep, rows

#: The build whose homes people have.
OLD = "753aa3a"

_DEADLINE_SECONDS = 1800.0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--old", default=OLD)
    parser.add_argument("--kinds", default="ingest,gaze,train,evaluate,report")
    parser.add_argument("--json", type=Path, default=RESULTS / "upgrade.json")
    options = parser.parse_args()
    with (
        tempfile.TemporaryDirectory(prefix="baton-upgrade-") as folder,
        worktree(options.old, Path(folder)) as old,
    ):
        undisturbed = Path(folder) / "undisturbed"
        _run(old, undisturbed, *_SMOKE)
        expected = final_artifacts(undisturbed / "state.db")
        cases = {}
        for kind in options.kinds.split(","):
            cases[kind] = _case(kind, old, Path(folder) / kind, expected)
            print(kind, json.dumps(cases[kind]), flush=True)
    what = "homes of an older build, killed while a job of this kind ran, opened by this build"
    found = {"old": options.old, "artifacts_of_the_old_build": len(expected), "cases": cases}
    keep(options.json, what, found)
    return 0 if all(case["holds"] for case in cases.values()) else 1


_SMOKE = ("submit-ablation", "--preset", "smoke", "--gpus", "none")


def _case(kind: str, old: Path, home: Path, expected: dict[str, str]) -> dict[str, Any]:
    killed_at = killed_in(kind, old, home, *_SMOKE)
    done = final_artifacts(home / "state.db")
    first = _baton(REPOSITORY, home, "up", "--until-done", "--gpus", "none")
    case: dict[str, Any] = {
        "killed": killed_at,
        "final_artifacts_then": len(done),
        "up": first.returncode,
    }
    if first.returncode == 0:
        found = final_artifacts(home / "state.db")
        case["outcome"] = "the old result"
        case["artifacts"] = len(found)
        case["other_bytes"] = sorted(name for name in expected if found.get(name) != expected[name])
        case["holds"] = not case["other_bytes"] and found.keys() == expected.keys()
        return case
    # One sentence, nothing changed, and its command leads on.
    (sentence,) = first.stderr.strip().splitlines()[-1:]
    case["outcome"], case["sentence"] = "refused", sentence.replace(str(home), "HOME")
    unchanged = final_artifacts(home / "state.db") == done
    command = re.search(r"cli\.py --home \S+ (upgrade .*)$", sentence)
    case["holds"] = False
    if first.returncode == 2 and command and unchanged:
        again = _baton(REPOSITORY, home, *shlex.split(command.group(1)))
        case["upgrade"] = again.stdout.strip().replace(str(home), "HOME").splitlines()
        last = _baton(REPOSITORY, home, "up", "--until-done", "--gpus", "none")
        case["up_after"] = last.returncode
        mixed = _mixed(home)
        case["mixed_jobs"] = mixed
        case["holds"] = again.returncode == 0 and last.returncode == 0 and not mixed
    return case


def killed_in(kind: str, old: Path, home: Path, *words: str, label: str = "%") -> str:
    """Run the command `words` with the old build and kill all of it while a job of `kind` has done some of its work,
    one whose label is like `label`; a report counts as soon as it is begun. Returns where that was.
    """
    process = subprocess.Popen(
        [sys.executable, "cli.py", "--home", str(home), *words],
        cwd=old, env=environment(old), start_new_session=True,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    wanted = f"kind = '{kind}' AND label LIKE '{label}'"
    end, far = time.monotonic() + _DEADLINE_SECONDS, []
    while time.monotonic() < end and process.poll() is None:
        running = rows(home / "state.db", f"SELECT label, step FROM job WHERE state = 'running' AND {wanted}")
        ended = rows(home / "state.db", f"SELECT count(*) FROM job WHERE state = 'succeeded' AND {wanted}")
        begun = kind == "report" or (ended and ended[0][0] > 0)
        far = [row for row in running if row[1] > 0 or begun]
        if far:
            break
        time.sleep(0.02)
    family = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
    for member in family:
        with contextlib.suppress(psutil.NoSuchProcess):
            member.send_signal(signal.SIGKILL)
    process.wait()
    if not far:
        raise SystemExit(f"no job of kind {kind} was seen at work")
    return f"{far[0][0]}, step {far[0][1]}"


def _mixed(home: Path) -> list[str]:
    """Jobs that attempts of two versions of a body took part in."""
    attempts = rows(
        home / "state.db",
        "SELECT job.label, attempt.environment FROM attempt JOIN job ON job.id = attempt.job_id",
    )
    bodies: dict[str, set[int]] = {}
    for label, environment in attempts:
        if environment:
            bodies.setdefault(label, set()).add(json.loads(environment)["body"])
    # The same label stands for a job of the old plan and one of the new.
    versions = dict(rows(home / "state.db", "SELECT label, count(DISTINCT version) FROM job GROUP BY label"))
    return sorted(label for label, found in bodies.items() if len(found) > versions[label])


def _run(tree: Path, home: Path, *words: str) -> None:
    done = _baton(tree, home, *words)
    if done.returncode != 0:
        raise SystemExit(f"{words} ended with {done.returncode}: {done.stderr}")


def _baton(tree: Path, home: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "cli.py", "--home", str(home), *words],
        cwd=tree, env=environment(tree), capture_output=True, text=True, check=False, timeout=_DEADLINE_SECONDS,
    )  # fmt: skip


def environment(tree: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("BATON_")}
    return {**kept, "PYTHONPATH": str(tree)}


@contextlib.contextmanager
def worktree(commit: str, folder: Path) -> Iterator[Path]:
    tree = folder / "old"
    git("worktree", "add", "--detach", str(tree), commit)
    try:
        yield tree
    finally:
        shutil.rmtree(tree, ignore_errors=True)
        git("worktree", "prune")


if __name__ == "__main__":
    sys.exit(main())
