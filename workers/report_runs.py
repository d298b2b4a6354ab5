"""From rows to `reports.data.RunReport`: one arm with one seed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from calvin.metrics import task_scores
from db import queries
from db.engine import Database
from db.states import FAILED, SUCCEEDED
from reports.data import AttentionScores, LossPoint, RunReport, Slice, TaskScore
from settings.arms import ARMS
from workers.report_corpora import TRAINING, Corpora

_LOSS = "loss/"


def run_report(
    database: Database, run: Any, jobs: Sequence[Any], attempts: Sequence[Any], corpora: Corpora
) -> RunReport:
    """What there is of `run` now. `jobs` and `attempts`: all of its ablation."""
    mine = [j for j in jobs if j.run_id == run.id]
    train = next(j for j in mine if j.id == run.train_job_id)
    attempts_here = [a for a in attempts if a.job_id == train.id]
    ended = [a for a in attempts_here if a.ended_at is not None]
    open_loop = _result(mine, "evaluate", "mode", "open_loop")
    attention = next((j.result for j in mine if j.kind == "attention" and j.result), None)
    metrics = queries.metrics_of(database, train.id)
    entries = closed_loop_entries(mine)
    return RunReport(
        arm=run.arm,
        title=ARMS[run.arm].title if run.arm in ARMS else run.arm,
        seed=run.seed,
        train_steps=train.step,
        results=done_in_a_row(entries),
        open_loop_error=open_loop["mean_absolute_error"] if open_loop else None,
        held_out_loss=open_loop.get("action_loss") if open_loop else None,  # older jobs did not measure it
        held_out_frames=open_loop["frames"] if open_loop else None,
        losses=tuple(
            LossPoint(m.step, m.name.removeprefix(_LOSS), m.value)
            for m in metrics
            if m.name.startswith(_LOSS)
        ),
        curves=tuple(LossPoint(m.step, m.name, m.value) for m in metrics if not m.name.startswith(_LOSS)),
        slices=sum(map(_did_steps, attempts_here)),
        attempts=tuple(
            Slice(
                a.step_from,
                a.step_to if a.step_to is not None else a.step_from,
                a.took_seconds,
                a.outcome,
            )
            for a in ended
        ),
        device_seconds=_total([a.took_seconds for a in ended]),
        useful_seconds=_total([a.useful_seconds for a in ended]),
        attention=_attention(attention),
        steps_per_epoch=_steps_per_epoch(train, corpora),
        tasks=_tasks(entries),
    )


def _did_steps(attempt: Any) -> bool:
    """Whether steps were kept, or time was booked on them; all the time of a failed attempt is booked as replayed."""
    kept = attempt.step_to is not None and attempt.step_to > attempt.step_from
    replayed = attempt.outcome != FAILED and attempt.replayed_seconds > 0
    return kept or replayed or attempt.useful_seconds > 0


def _total(seconds: Sequence[float | None]) -> float | None:
    """None unless every attempt's were measured: a part of them would pass for the whole."""
    known = [value for value in seconds if value is not None]
    return sum(known) if known and len(known) == len(seconds) else None


def closed_loop_entries(jobs: Sequence[Any]) -> list[Mapping[str, Any]] | None:
    """Results of all sequences in their order; None until every shard has ended."""
    shards = [j for j in jobs if is_closed_loop(j)]
    if not shards or any(j.state != SUCCEEDED for j in shards):
        return None
    entries = [entry for j in shards for entry in j.result["results"]]
    return sorted(entries, key=lambda entry: int(entry["sequence"]))


def done_in_a_row(entries: Sequence[Mapping[str, Any]] | None) -> tuple[int, ...] | None:
    return None if entries is None else tuple(entry["done"] for entry in entries)


def is_closed_loop(row: Any) -> bool:
    return row.kind == "evaluate" and row.spec.get("mode") == "closed_loop"


def _tasks(entries: Sequence[Mapping[str, Any]] | None) -> dict[str, TaskScore]:
    if entries is None or any("tasks" not in entry for entry in entries):
        return {}
    scores = task_scores([entry["done"] for entry in entries], [entry["tasks"] for entry in entries])
    return {task: TaskScore(score.attempted, score.succeeded) for task, score in scores.items()}


def _result(jobs: Sequence[Any], kind: str, field: str, value: str) -> Mapping[str, Any] | None:
    return next(
        (j.result for j in jobs if j.kind == kind and j.result and j.result.get(field) == value), None
    )


def _attention(result: Mapping[str, Any] | None) -> AttentionScores | None:
    if not result or result["mass_in_gaze"] is None:
        return None
    fields: dict[str, Any] = {
        name: result[name] for name in AttentionScores.__annotations__ if name in result
    }
    for name, value in fields.items():
        if name == "heads" or (name.endswith("_ci95") and value is not None):
            fields[name] = tuple(value)
    return AttentionScores(**fields)


def _steps_per_epoch(train: Any, corpora: Corpora) -> float | None:
    """Samples of the training index over those of a step; None until the index is there."""
    index = next((j.result for j in corpora.of("index", TRAINING) if j.result), None)
    batch = train.spec.get("training", {}).get("batch_size")
    return index["items"] / batch if index and batch else None
