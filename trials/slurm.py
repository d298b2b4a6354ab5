"""The sbatch script on a real SLURM: everything that ends a job, and twenty preemptions in a row without grace.

    python -m trials.slurm [--engine FOLDER] [--rows NAME,NAME] [--json FILE]

`--engine` names a folder with a `cluster.sh` (setup, start, slurmd, stop) that makes a SLURM on loopback under
$SLURM_ROOT, by default `../shared/engines/slurm`; without one the trial is skipped by name. Needs root, slurm-wlm and
munge. A stand-in takes Baton's part, in seconds, in all rows but `preemptions`: there Baton itself is preempted twenty
times in a row without grace (KillWait 2 s). Nothing is poison, and every final artifact has the bytes that it has in an
undisturbed home made here, too.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from trials import REPOSITORY, RESULTS, git, keep
from trials.engines.preemptions import counting, smoke
from trials.engines.slurm import SCRIPT, Slurm

_ENGINE = REPOSITORY.parent / "shared" / "engines" / "slurm"
_SHORT = ("--time=1",)  # minutes, SLURM's least

Row = Callable[[Slurm], dict[str, Any]]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--engine", type=Path, default=_ENGINE)
    parser.add_argument("--rows", metavar="NAME,NAME", default=",".join(ROWS), help="of " + ", ".join(ROWS))
    parser.add_argument("--json", type=Path, default=RESULTS / "slurm.json")
    options = parser.parse_args()
    if not (options.engine / "cluster.sh").is_file() or shutil.which("slurmctld") is None:
        print("skipped: trials.slurm needs slurm-wlm, munge and a folder with cluster.sh (--engine)")
        return 0
    found: dict[str, Any] = {}
    for name in options.rows.split(","):
        # Where daemons of SLURM may read, whatever TMPDIR is.
        with tempfile.TemporaryDirectory(
            prefix="baton-slurm-", dir="/tmp", ignore_cleanup_errors=True
        ) as folder:
            Path(folder).chmod(0o755)
            with Slurm(
                options.engine, Path(folder), kill_wait=2 if name.startswith("preemptions") else 30
            ) as slurm:
                began = time.monotonic()
                row = ROWS[name](slurm)
        found[name] = row | {
            "seconds": round(time.monotonic() - began),
            "commit": git("rev-parse", "--short", "HEAD"),
        }
        print(name, found[name], flush=True)
    # Rows that were not run now stay as they were.
    earlier = json.loads(options.json.read_text())["rows"] if options.json.exists() else {}
    every = {name: (earlier | found)[name] for name in ROWS if name in earlier | found}
    keep(options.json, "the sbatch script on a real SLURM, one node on loopback", {"rows": every})
    return 0 if all(row["holds"] for row in found.values()) else 1


def _said(home: Path) -> list[list[str]]:
    place = home / "said"
    return [line.split()[1:] for line in place.read_text().splitlines()] if place.exists() else []


def _restarts(home: Path) -> int:
    return max((int(words[0]) for words in _said(home)), default=0)


def _begun(slurm: Slurm, home: Path, starts: int = 1) -> None:
    if not slurm.wait(lambda: sum("starts" in words for words in _said(home)) >= starts, 150):
        raise SystemExit(f"{home}: the job did not start")
    time.sleep(1.5)


def _plain(slurm: Slurm) -> dict[str, Any]:
    home = slurm.home("a home, with a comma")
    state = slurm.ends(slurm.submit(home, WORK="3"))
    return {"state": state, "holds": state == "COMPLETED" and _restarts(home) == 0}


def _cancelled(*words: str) -> Row:
    def row(slurm: Slurm) -> dict[str, Any]:
        home = slurm.home("home")
        job = slurm.submit(home)
        _begun(slurm, home)
        slurm.run("scancel", *words, job)
        slurm.wait(lambda: slurm.state(job) == "CANCELLED", 60)
        time.sleep(25)  # a requeued one would have started again
        state, saved = slurm.state(job), ["0", "ends", "4"] in _said(home)
        return {
            "state": state,
            "saved": saved,
            "holds": state == "CANCELLED" and saved and _restarts(home) == 0,
        }

    return row


def _goes_on(disturb: Callable[[Slurm, str, Path], None], *options: str, **variables: str) -> Row:
    """Disturbed once it has begun, it is ended by a later start."""

    def row(slurm: Slurm) -> dict[str, Any]:
        home = slurm.home("home")
        job = slurm.submit(home, *options, **{"WORK": "8", **variables})
        _begun(slurm, home)
        disturb(slurm, job, home)
        state = slurm.ends(job, 240)
        signals = [" ".join(words[1:]) for words in _said(home) if words[1] == "got"]
        held = state == "COMPLETED" and _restarts(home) == 1
        return {"state": state, "restarts": _restarts(home), "signals": signals, "holds": held}

    return row


def _node_killed(slurm: Slurm, job: str, home: Path) -> None:
    slurm.kill_node(home)
    slurm.wait(lambda: slurm.field(job, "JobState") != "RUNNING", 120)
    slurm.start_node()


def _signal_then_restart(slurm: Slurm, job: str, _home: Path) -> None:
    slurm.run("scancel", "--batch", "--signal=USR1", job)
    slurm.restart_controller(20)


def _first_seconds(slurm: Slurm) -> dict[str, Any]:
    """SLURM sends the signal at once where the limit is nearer than it says; the stand-in catches none for 20 s."""
    home = slurm.home("home")
    job = slurm.submit(home, *_SHORT, "--signal=B:USR1@60", START="20")
    again = slurm.wait(partial(slurm.restarted, job, 1), 90)
    state = slurm.state(job)
    return {"state": state, "holds": again and state != "FAILED"}


def _held(wanted: str, *options: str, **variables: str) -> Row:
    def row(slurm: Slurm) -> dict[str, Any]:
        home = slurm.home("home")
        job = slurm.submit(home, *options, **variables)
        held = slurm.wait(
            lambda: slurm.state(job) in ("PENDING JobHeldUser", "PENDING job_requeued_in_held_state"), 240
        )
        said = "".join(log.read_text() for log in slurm.folder.glob("home*.log"))
        starts = sum("starts" in words for words in _said(home))
        return {"state": slurm.state(job), "starts": starts, "holds": held and wanted in said}

    return row


def _two_jobs(slurm: Slurm) -> dict[str, Any]:
    home = slurm.home("home")
    first = slurm.submit(home, WORK="25")
    _begun(slurm, home)
    second = slurm.submit(home, WORK="25")
    held = slurm.wait(lambda: "held" in slurm.state(second).lower(), 60)
    while_held = slurm.state(second)
    states = slurm.ends(first), slurm.ends(second)
    return {
        "second_meanwhile": while_held, "first": states[0], "second": states[1],
        "holds": held and set(states) == {"COMPLETED"},
    }  # fmt: skip


def _array(slurm: Slurm) -> dict[str, Any]:
    """Each task has a home; the last one, whose SLURM_JOB_ID is the array's, is told to stop."""
    homes = [slurm.home(f"home{task}") for task in range(3)]
    script = slurm.folder / "array.sh"
    lines = ("#!/bin/bash", "#SBATCH --requeue", f"export BATON_HOME={slurm.folder}/home$SLURM_ARRAY_TASK_ID")
    script.write_text("\n".join([*lines, f"exec bash '{SCRIPT}'", ""]))
    job = slurm.submit(homes[0], "--array=0-2", script=script, WORK="20")
    for home in homes:
        _begun(slurm, home)
    slurm.run("scancel", "--batch", "--signal=USR1", f"{job}_2")
    states = [slurm.ends(f"{job}_{task}", 180) for task in range(3)]
    restarts = [_restarts(home) for home in homes]
    return {
        "states": states, "restarts": restarts,
        "holds": set(states) == {"COMPLETED"} and restarts == [0, 0, 1],
    }  # fmt: skip


def _given(slurm: Slurm) -> dict[str, Any]:
    """One GPU and one core of a node that shows eight and all its cores to everybody."""
    (slurm.folder / "bin").mkdir()
    tool = slurm.folder / "bin" / "nvidia-smi"
    tool.write_text("#!/bin/sh\nfor n in 0 1 2 3 4 5 6 7; do echo $n, GPU-$n$n$n$n; done\n")
    tool.chmod(0o755)
    home = slurm.home("home")
    path = f"{tool.parent}:/usr/sbin:/usr/bin:/sbin:/bin"
    slurm.ends(slurm.submit(home, "--gres=gpu:1", WORK="1", PROBE="1", PATH=path))
    (told,) = [" ".join(words[2:]) for words in _said(home) if words[1] == "given"] or [""]
    return {"given": told, "holds": told in [f"[['{number}']] 1" for number in range(4)]}


ROWS: Mapping[str, Row] = {
    "plain": _plain,
    "scancel": _cancelled(),
    "scancel -s KILL": _cancelled("-s", "KILL"),
    "scancel --full": _cancelled("--full"),
    "time limit": _goes_on(lambda *_: None, *_SHORT, "--signal=B:USR1@50", WORK="25"),
    "time limit without a signal": _goes_on(lambda *_: None, *_SHORT, "--signal=B:CONT@5", WORK="100"),
    "USR1 in the first seconds": _first_seconds,
    "limit shorter than any job": _held(
        "2 starts in a row", *_SHORT, "--signal=B:USR1@58", STORES="", BATON_SLURM_STALLS="2"
    ),
    "paused": _held("unpause, then scontrol release", PAUSED="1"),
    "two jobs on one home": _two_jobs,
    "array": _array,
    "slurmctld restarts during the requeue": _goes_on(_signal_then_restart),
    "preemption with grace": _goes_on(lambda slurm, *_: slurm.preempt(), "-p", "low"),
    "preemption without grace": _goes_on(lambda slurm, *_: slurm.preempt(), "-p", "low0"),
    "scontrol requeue": _goes_on(lambda slurm, job, _: slurm.run("scontrol", "requeue", job)),
    "node killed": _goes_on(_node_killed, WORK="20"),
    "one GPU of eight and one core": _given,
    "preemptions of a counting job": counting,
    "preemptions of smoke": smoke,
}  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
