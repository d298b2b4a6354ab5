"""The story of one job in order of time: its attempts, what it measured, its events, what it printed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from db import progress, queries, standings
from db.absent import no_job
from db.doing import INTERRUPTED
from db.engine import Database
from db.held import attendance
from db.named_jobs import a_name, jobs_named, with_ablations
from db.rows import AttemptRow, JobStanding, MetricRow
from db.states import RUNNING
from errors import InvalidInput
from settings.home import Home
from settings.queue import queue_settings
from settings.shown import shown
from workers.job_log import read_job_log


@dataclass(frozen=True)
class Entry:
    """One thing that happened. `source`: attempt, event, metric or log."""

    at: float
    source: str
    text: str

    def as_json(self) -> dict[str, Any]:
        return vars(self).copy()


def job_of(database: Database, wanted: str) -> JobStanding:
    """The job with this id, label (also after its ablation's name or id), or task id of Flower (`job-7-attempt-2`).

    The beginning of a label is enough where it fits one job only. Raises InvalidInput otherwise.
    """
    parts = wanted.split("-")
    if len(parts) == 4 and parts[0] == "job" and parts[2] == "attempt":
        wanted = parts[1]
    rows = jobs_named(database, wanted, beginning=True)
    if not rows:
        raise InvalidInput(no_job(database, wanted))
    if len(rows) > 1:
        some = with_ablations(database, rows)
        raise InvalidInput(
            f"{shown(wanted)} may be {some}; give the id, or a name such as {shown(a_name(database, rows))}"
        )
    return rows[0]


def doing_of(database: Database, row: JobStanding) -> str:
    """Its state, but `interrupted` where it counts as running and its worker is gone."""
    if row.state != RUNNING:
        return row.state
    ages = {worker.id: worker.heartbeat_age_seconds for worker in standings.standing(database, 0).workers}
    who = attendance(database, ages, queue_settings().lease_seconds)
    return row.state if who.has_somebody(row.id) else INTERRUPTED


def job_story(home: Home, database: Database, job_id: int) -> list[Entry]:
    """Everything that is known of a job, oldest first. Lines that other machines printed are on those."""
    entries = [Entry(row.at, "event", row.message) for row in progress.events_of_job(database, job_id)]
    entries += _metric_entries(queries.metrics_of(database, job_id))
    entries += [Entry(line.at, "log", line.text) for line in read_job_log(home, job_id)]
    # Last, so that what was committed with the end of an attempt stands before it.
    for number, row in enumerate(progress.attempts_of_job(database, job_id), start=1):
        entries += _attempt_entries(number, row)
    return sorted(entries, key=lambda entry: entry.at)


def _attempt_entries(number: int, row: AttemptRow) -> list[Entry]:
    where = f"{row.worker} of {row.host}"
    entries = [
        Entry(row.started_at, "attempt", f"attempt {number} starts on {where} at step {row.step_from}")
    ]
    if row.ended_at is not None:
        reason = f" ({row.reason})" if row.reason else ""
        step = "" if row.step_to is None else f" at step {row.step_to}"
        took = "its time not measured" if row.took_seconds is None else f"{row.took_seconds:.1f} s"
        ranks = (row.environment or {}).get("ranks")
        over = "" if ranks is None else f", over {ranks} ranks"
        entries.append(
            Entry(row.ended_at, "attempt", f"attempt {number} {row.outcome}{reason}{step}, {took}{over}")
        )
    return entries


def _metric_entries(rows: Sequence[MetricRow]) -> list[Entry]:
    """One entry per step, with all figures of that step, of the moment when the first was committed."""
    steps: dict[int, list[MetricRow]] = {}
    for row in rows:
        steps.setdefault(row.step, []).append(row)
    return [
        Entry(
            of_step[0].at,
            "metric",
            f"step {step}: {', '.join(f'{row.name} {row.value:.4g}' for row in of_step)}",
        )
        for step, of_step in sorted(steps.items())
    ]
