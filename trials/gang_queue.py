"""An ablation of three arms on a home with four processor "devices", two for each training, is killed at random.

    python -m trials.gang_queue [--json FILE] [--kills 20] [--seed 0]

At moments drawn anew a worker that holds the lease of such a training, one that is set aside for it, a rank, the
scheduler or the whole session is killed. The table and all artifacts are those of a home that nobody disturbed; no
process is left, and nobody is set aside in the end. Takes some minutes and half a minute a kill on two cores.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

from db.gang_standings import GangStanding, gang_standings
from db.migrate import open_state
from db.states import RUNNING
from settings.home import Home
from tests.processes import QUICK, environment, kill_all, of_home
from trials import REPOSITORY, disturbed, final_artifacts, rows

WAYS = ("who holds the lease", "who is set aside", "a rank", "the scheduler", "the session")
TASKS = "move_slider_right,open_drawer,turn_on_led,push_pink_block_left,lift_pink_block_table"
ARMS = "baseline,recon,recon_pretrain"
SETTINGS = (
    "training.devices=2", "training.steps=12", "training.batch_size=4", "training.checkpoint_seconds=0.5",
    "training.slice_seconds=600", "pretraining.devices=2", "pretraining.steps=6", "pretraining.batch_size=4",
    "pretraining.slice_seconds=600", "evaluation.sequences=2", "evaluation.max_steps=4",
)  # fmt: skip
#: Kills in a row are no fault of a job here: it may have no time for a step between two.
_QUEUE = QUICK | {"BATON_QUEUE_MAX_LOSSES": "1000", "BATON_QUEUE_MAX_SESSION_LOSSES": "1000"}
#: Of a killed session, until all its processes are gone: each dies by the death of the one before it, which takes its
#: turn where a machine is full.
_GONE_SECONDS = 120.0
#: The longest wait for the next kill.
_BETWEEN_SECONDS = 30.0
#: A session that nobody disturbs any more ends in this time; a machine that is full takes long.
_LONGEST_SECONDS = 3600.0


def main() -> int:
    wrong = ("other_digests", "other_tables", "left_processes", "left_aside", "homes_not_ended")
    return disturbed(__doc__.splitlines()[0], "gang_queue", 20, _trial, wrong)


def _trial(place: Path, chance: random.Random, kills: int) -> dict[str, Any]:
    _cli(place, "data", "generate", str(place / "data"), "--demonstrations-per-task", "1", "--tasks", TASKS)
    expected = _end(_submitted(place / "undisturbed", place), place)
    return _disturbed(place, expected, chance, kills) | {"arms": ARMS.split(",")}


def _cli(place: Path, *words: str) -> None:
    command = [sys.executable, str(REPOSITORY / "cli.py"), *words]
    subprocess.run(command, check=True, cwd=place, env=environment(**_QUEUE), stdout=subprocess.DEVNULL)


def _submitted(folder: Path, place: Path) -> Home:
    changes = [word for setting in (*SETTINGS, f"data.root={place / 'data'}") for word in ("--set", setting)]
    _cli(
        place,
        "--home",
        str(folder),
        "submit-ablation",
        "--preset",
        "smoke",
        "--arms",
        ARMS,
        "--detach",
        *changes,
    )
    return Home(folder)


def _up(home: Home, place: Path) -> psutil.Process:
    command = [sys.executable, str(REPOSITORY / "cli.py"), "--home", str(home.root)]
    with (place / "up.log").open("ab") as log:
        return psutil.Popen(
            [*command, "up", "--until-done", "--gpus", "none", "--cpus", "4"],
            cwd=place, env=environment(**_QUEUE), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            start_new_session=True,
        )  # fmt: skip


def _end(home: Home, place: Path) -> dict[str, Any]:
    """What a home has once nobody disturbs it."""
    up = _up(home, place)
    with suppress(psutil.TimeoutExpired):
        up.wait(_LONGEST_SECONDS)
    kill_all(up)
    return {"artifacts": final_artifacts(home.state_db), "table": _table(home)}


def _table(home: Home) -> list[Any]:
    """Figures that the report's table is made of."""
    measured = "SELECT label, metric.name, metric.step, value FROM metric JOIN job ON job.id = job_id ORDER BY 1, 2, 3"
    return [list(row) for row in rows(home.state_db, measured)]


def _disturbed(place: Path, expected: dict[str, Any], chance: random.Random, kills: int) -> dict[str, Any]:
    ways: Counter[str] = Counter()
    homes = others = tables = left = aside = open_ones = lost = 0
    gone: list[float] = []
    while sum(ways.values()) < kills:
        homes += 1
        home = _submitted(place / f"home-{homes}", place)
        up = _up(home, place)
        while up.is_running() and up.status() != psutil.STATUS_ZOMBIE and sum(ways.values()) < kills:
            time.sleep(chance.uniform(0.0, _BETWEEN_SECONDS))
            gangs = [gang for gang in _gangs(home) if gang.state == RUNNING]
            if gangs and (way := _kill(home, up, chance.choice(gangs), chance)) is not None:
                ways[way] += 1
                if way == "the session":
                    up.wait(_GONE_SECONDS)
                    began = time.monotonic()
                    left += bool(_left(home))
                    gone.append(time.monotonic() - began)
                    up = _up(home, place)
        with suppress(psutil.TimeoutExpired):
            up.wait(_LONGEST_SECONDS)
        kill_all(up)
        ended = {"artifacts": final_artifacts(home.state_db), "table": _table(home)}
        others += ended["artifacts"] != expected["artifacts"]
        tables += ended["table"] != expected["table"]
        aside += len(_gangs(home))
        left += bool(_left(home))
        ((open_count,),) = rows(home.state_db, "SELECT count(*) FROM job WHERE state != 'succeeded'")
        ((lost_count,),) = rows(home.state_db, "SELECT count(*) FROM attempt WHERE outcome = 'lost'")
        open_ones, lost = open_ones + bool(open_count), lost + lost_count
    return {
        "kills": dict(sorted(ways.items())), "homes": homes, "homes_not_ended": open_ones, "lost_attempts": lost,
        "artifacts_of_each": len(expected["artifacts"]), "figures_of_each": len(expected["table"]),
        "longest_seconds_until_a_killed_session_is_gone": round(max(gone, default=0.0), 1),
        "other_digests": others, "other_tables": tables, "left_processes": left, "left_aside": aside,
    }  # fmt: skip


def _gangs(home: Home) -> list[GangStanding]:
    database = open_state(home)
    try:
        return gang_standings(database)
    finally:
        database.close()


def _kill(home: Home, up: psutil.Process, gang: GangStanding, chance: random.Random) -> str | None:
    """How, or None where that had ended meanwhile."""
    way = chance.choice(WAYS)
    pids: list[int] = []
    if way == "the session":
        pids = [up.pid]
    elif way in ("a rank", "the scheduler"):
        word = "gang.rank" if way == "a rank" else "scheduler"
        pids = [process.pid for process in of_home(home) if word in " ".join(_command(process))]
    else:
        holder = rows(home.state_db, f"SELECT worker_id FROM job WHERE id = {gang.job_id}")[0][0]
        seats = [seat.worker_id for seat in gang.seats if (seat.worker_id == holder) == (way == WAYS[0])]
        if seats:
            pids = [rows(home.state_db, f"SELECT pid FROM worker WHERE id = {seats[0]}")[0][0]]
    if not pids:
        return None
    try:
        os.kill(chance.choice(pids), signal.SIGKILL)
    except ProcessLookupError:
        return None
    return way


def _command(process: psutil.Process) -> list[str]:
    with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
        return process.cmdline()
    return []


def _left(home: Home) -> list[psutil.Process]:
    """Processes of a home whose session is gone, once the kernel has had time to end them."""
    end = time.monotonic() + _GONE_SECONDS
    while (found := of_home(home)) and time.monotonic() < end:
        time.sleep(0.1)
    return found


if __name__ == "__main__":
    sys.exit(main())
