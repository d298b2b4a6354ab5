"""The document of `status --json`, with what is happening right now and how long it may take."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from db import progress, queries, standings
from db.checkpoints import FinalWeights, final_weights
from db.engine import Database
from db.gang_standings import gang_standings
from db.held import attendance
from db.progress import RunningAttempt
from db.rows import AblationRow, plain
from db.silence import Hearing
from db.states import RUNNING
from settings.home import Home
from settings.queue import queue_settings
from tasks.registry import KINDS
from views.addresses import address_of
from views.differences import differences
from views.doing import is_starting, say_what_is_done
from views.forecast import TimeLeft, time_left
from views.gangs import fits, gang_document
from views.paces import Paces
from workers.services import SERVICES
from workers.troubles import troubles_of

#: The newest events shown.
EVENTS = 8

#: A session that was heard within so long is there.
_HEARD_SECONDS = 30.0


def status_document(
    home: Home, database: Database, ablation: str | None = None, hearing: Hearing | None = None
) -> dict[str, Any]:
    """Everything `status` shows, as plain JSON. `ablation`: id or name, or None for all.

    Each run has `final_weights` (`path` relative to the home, `sha256`), None until its training has ended. To the
    fields of CONTRACT it gains `live_step`, `steps_per_second` and `values` (the newest losses) while it is worked
    on, each ablation `time_left` and `differs` (in which settings from the home's first: `from` is its id, `settings`
    some of them, `more` how many others; None of the first itself) and `interrupted_jobs` (how many are `running` in
    the state, while their worker is gone). Both have `doing`, which says of what is `running` whether anybody works
    on it (`db.doing`). The document has `events` and the address of each service (`flower`, `tensorboard`, `metrics`;
    None where it does not run), and `troubles`: sentences on what keeps the session of this machine from working.
    `gangs` are jobs of several devices (`db.gang_standings`) with a `sentence` on what each has or waits for, and
    `set_aside_for` of a worker the one whose ranks its device is for.

    hearing: of whoever looks again and again, the same each time: the age of heartbeats of other machines,
    and whether their sessions live.
    """
    found = standings.standing(database, ablation)
    document = {"home": str(home.root), **_plain(found)}
    if hearing is not None:
        _listen(document, hearing)
    running = progress.running_attempts(database)
    train_jobs = progress.train_jobs(database)
    weights = {entry.run: entry for entry in final_weights(database)}
    there = {worker["id"] for worker in document["workers"]}
    by_job = {row.job_id: row for row in running if row.worker_id in there}
    workers = workers_by_resource([worker["device"] for worker in document["workers"]])
    _compare(document["ablations"], queries.ablation_rows(database))
    ages = {worker["id"]: worker["heartbeat_age_seconds"] for worker in document["workers"]}
    lease = queue_settings().lease_seconds
    say_what_is_done(document, attendance(database, ages, lease, starting=is_starting(document)))
    together = gang_standings(database)
    document["gangs"] = gang_document(together)
    lacking = [gang.job_id for gang in together if gang.state != RUNNING and not fits(gang)]
    for entry in document["ablations"]:
        for run in entry["runs"]:
            run["final_weights"] = _weights(weights.get(run["id"]))
            run |= _live(by_job.get(train_jobs.get(run["id"], 0)))
        left = _time_left(database, entry, workers, lacking)
        entry["time_left"] = None if left is None else {**asdict(left), "untimed": list(left.untimed)}
    of = {seat.worker_id: gang.job for gang in together for seat in gang.seats if seat.there}
    for worker in document["workers"]:
        worker["set_aside_for"] = of.get(worker["id"])
    document["troubles"] = troubles_of(home)
    document["events"] = [plain(event) for event in queries.events(database, limit=EVENTS)]
    return document | {name: address_of(home, name) for name in SERVICES}


def _plain(found: standings.Standing) -> dict[str, Any]:
    return {
        "ablations": [
            {**plain(ablation), "runs": [plain(run) for run in ablation.runs]} for ablation in found.ablations
        ],
        "workers": [plain(worker) for worker in found.workers],
        "sessions": [plain(session) for session in found.sessions],
    }


def _compare(entries: Sequence[dict[str, Any]], rows: Sequence[AblationRow]) -> None:
    """Say of each entry how it differs from the first of all ablations."""
    configs = {row.id: row.config for row in rows}
    first = min(configs, default=0)
    for entry in entries:
        entry["differs"] = None
        if entry["id"] != first and entry["id"] in configs:
            found = differences(configs[first], configs[entry["id"]])
            entry["differs"] = {"from": first, "settings": list(found.settings), "more": found.more}


def _weights(found: FinalWeights | None) -> dict[str, str] | None:
    return None if found is None else {"path": found.path, "sha256": found.sha256}


def workers_by_resource(devices: Sequence[str]) -> dict[str, int]:
    """How many workers take jobs of each resource: CPU workers take all of them where there is no GPU."""
    gpus = sum(device != "cpu" for device in devices)
    cpus = len(devices) - gpus
    counts: dict[str, int] = dict.fromkeys((kind.resource for kind in KINDS.values()), cpus)
    if gpus:
        counts["accelerator"] = gpus
    return counts


def _listen(document: Mapping[str, Any], hearing: Hearing) -> None:
    workers, sessions = document["workers"], [s for s in document["sessions"] if s["lives"] is None]
    ages = hearing.ages(
        {("worker", worker["id"]): worker["heartbeat_at"] for worker in workers}
        | {("session", session["id"]): session["age_seconds"] for session in sessions}
    )
    for worker in workers:
        age = ages["worker", worker["id"]]
        if worker["heartbeat_age_seconds"] is None and age is not None:
            worker["heartbeat_age_seconds"] = round(age, 3)
    for session in sessions:
        age = ages["session", session["id"]]
        if age is not None and age <= _HEARD_SECONDS:
            session["lives"] = True


def _live(row: RunningAttempt | None) -> dict[str, Any]:
    """What the worker last said of a run, all of the same moment; empty while nobody works on it."""
    if row is None or not row.progress:
        return {}
    reached = row.progress
    done, took = reached["step"] - row.step_from, row.took_seconds
    return {
        "live_step": reached["step"],
        "steps_per_second": done / took if done > 0 and took else None,
        "values": reached.get("values") or {},
    }


def _time_left(
    database: Database, entry: Mapping[str, Any], workers: Mapping[str, int], lacking: Sequence[int]
) -> TimeLeft | None:
    """None for an ablation that nothing is left of, or that nobody wants to go on. lacking: jobs that more devices or
    machines are waited for than there are."""
    if entry["state"] != "running":
        return None
    if progress.is_any_of(database, entry["id"], lacking):
        return TimeLeft(None, None, ())
    work = progress.open_work(database, entry["id"])
    paces = Paces(database, sorted({part.kind for part in work}))
    return time_left(work, paces.of_open(database, entry["id"]), workers)
