"""From rows to `reports.data.ReportData`: every figure of a report comes through here."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from safetensors import safe_open

from calvin.episode_file import load_episode
from db import queries
from db.engine import Database
from db.states import FAILED, LOST, PREEMPTED, SUCCEEDED
from db.store import ArtifactStore
from errors import InvalidInput
from reports.data import (
    AttentionScores,
    Environment,
    GazeExample,
    GazeScores,
    Ledger,
    LossPoint,
    ReportData,
    RunReport,
)
from settings.arms import ARMS

#: Frames shown in the contact sheet of the gaze section.
_EXAMPLES = 6

NO_SIMULATOR = (
    "closed-loop evaluation of CALVIN data needs CALVIN's own scenes; this version evaluates them open loop"
)

_BUCKETS = ("useful", "replayed", "checkpoint", "load", "idle")


def gather_report(database: Database, store: ArtifactStore, ablation: str | None) -> ReportData:
    """Everything there is of an ablation now; what is not measured yet is None.

    ablation: id, name or key; None for the newest. Raises InvalidInput when there is none.
    """
    row = queries.ablation_row(database, ablation)
    if row is None:
        raise InvalidInput(
            f"no ablation {ablation!r} in this home" if ablation else "nothing was submitted yet"
        )
    jobs = queries.jobs_of(database, row.id)
    attempts = queries.attempts_of(database, row.id)
    runs = tuple(_run(database, run, jobs, attempts) for run in queries.runs_of(database, row.id))
    scores = _gaze(jobs)
    return ReportData(
        ablation=row.name,
        ablation_id=str(row.id),
        runs=runs,
        closed_loop_reason=NO_SIMULATOR if row.config["data"]["root"] is not None else _unfinished(jobs),
        random_results=_closed_loop_results([j for j in jobs if j.run_id is None]),
        gaze=scores or None,
        gaze_detector=row.config["gaze"]["detector"],
        gaze_examples=_examples(database, store, jobs),
        ledger=_ledger(attempts),
        environment=_environment(row, jobs, attempts),
    )


def _unfinished(jobs: Sequence[Any]) -> str | None:
    open_shards = sum(1 for j in jobs if _is_closed_loop(j) and j.run_id is not None and j.state != SUCCEEDED)
    return f"{open_shards} shards of the evaluation have not ended yet" if open_shards else None


def _run(database: Database, run: Any, jobs: Sequence[Any], attempts: Sequence[Any]) -> RunReport:
    mine = [j for j in jobs if j.run_id == run.id]
    train = next(j for j in mine if j.id == run.train_job_id)
    attempts_here = [a for a in attempts if a.job_id == train.id]
    ended = [a for a in attempts_here if a.ended_at is not None]
    open_loop = _result(mine, "evaluate", "mode", "open_loop")
    attention = next((j.result for j in mine if j.kind == "attention" and j.result), None)
    losses = queries.metrics_of(database, train.id)
    return RunReport(
        arm=run.arm,
        title=ARMS[run.arm].title if run.arm in ARMS else run.arm,
        seed=run.seed,
        train_steps=train.step,
        results=_closed_loop_results(mine),
        open_loop_error=open_loop["mean_absolute_error"] if open_loop else None,
        losses=tuple(
            LossPoint(m.step, m.name.removeprefix("loss/"), m.value)
            for m in losses
            if m.name.startswith("loss/")
        ),
        slices=len(attempts_here),
        device_seconds=sum(a.ended_at - a.started_at for a in ended) if ended else None,
        useful_seconds=sum(a.useful_seconds for a in ended) if ended else None,
        attention=AttentionScores(attention["mass_in_gaze"], attention["pointing_accuracy"])
        if attention and attention["mass_in_gaze"] is not None
        else None,
    )


def _result(jobs: Sequence[Any], kind: str, field: str, value: str) -> Mapping[str, Any] | None:
    return next(
        (j.result for j in jobs if j.kind == kind and j.result and j.result.get(field) == value), None
    )


def _is_closed_loop(row: Any) -> bool:
    return row.kind == "evaluate" and row.spec.get("mode") == "closed_loop"


def _closed_loop_results(jobs: Sequence[Any]) -> tuple[int, ...] | None:
    """Subtasks in a row per sequence, in the sequences' order; None until every shard has ended."""
    shards = [j for j in jobs if _is_closed_loop(j)]
    if not shards or any(j.state != SUCCEEDED for j in shards):
        return None
    entries = [entry for j in shards for entry in j.result["results"]]
    return tuple(entry["done"] for entry in sorted(entries, key=lambda entry: entry["sequence"]))


def _gaze(jobs: Sequence[Any]) -> dict[str, GazeScores]:
    """Counts of all gaze jobs that have ended, by difficulty."""
    frames: Counter[str] = Counter()
    detected: Counter[str] = Counter()
    overlap: dict[str, list[float]] = {}
    outcomes: dict[str, Counter[str]] = {}
    for row in jobs:
        if row.kind != "gaze" or row.state != SUCCEEDED:
            continue
        for level, figures in row.result["figures"].items():
            frames[level] += figures["frames"]
            detected[level] += figures["detected"]
            outcomes.setdefault(level, Counter()).update(figures["outcomes"])
        for level, (total, count) in row.result["iou_sum"].items():
            entry = overlap.setdefault(level, [0.0, 0])
            entry[0] += total
            entry[1] += count
    return {
        level: GazeScores(
            frames=frames[level],
            detected=detected[level],
            rate=detected[level] / frames[level] if level in ("simple", "complex") else None,
            mean_iou=overlap[level][0] / overlap[level][1] if level in overlap else None,
            outcomes=dict(sorted(outcomes[level].items())),
        )
        for level in frames
    }


def _examples(database: Database, store: ArtifactStore, jobs: Sequence[Any]) -> tuple[GazeExample, ...]:
    """Frames from the middle of a few episodes, spread over the gaze jobs that have ended."""
    ended = [row for row in jobs if row.kind == "gaze" and row.state == SUCCEEDED]
    ingests = {row.id: row for row in jobs if row.kind == "ingest"}
    if not ended:
        return ()
    chosen = [
        ended[place] for place in np.linspace(0, len(ended) - 1, min(_EXAMPLES, len(ended))).astype(int)
    ]
    episodes: dict[tuple[str, str], str] = {}
    for ingest in ingests.values():
        for artifact in queries.artifacts_of_job(database, ingest.id):
            episodes[(ingest.spec["split"], artifact.name)] = artifact.path
    examples = []
    for row in chosen:
        split = row.label.split()[1]
        name = f"task_{row.spec['number']}"
        episode = load_episode(store.path(episodes[(split, name)]))
        (artifact,) = queries.artifacts_of_job(database, row.id)
        with safe_open(store.path(artifact.path), framework="numpy") as tensors:
            found = json.loads(tensors.metadata()["gaze"])["rows"]
        frame = len(episode) // 2
        box = found[frame].get("box")
        note = "" if box else f" ({found[frame]['reason']})"
        examples.append(
            GazeExample(
                np.asarray(episode.rgb_static[frame]),
                tuple(box) if box else None,
                f"{episode.instruction}{note}",
            )
        )
    return tuple(examples)


def _ledger(attempts: Sequence[Any]) -> Ledger:
    """Sums over all attempts. What an attempt that was lost did after its last checkpoint is replayed time."""
    sums = dict.fromkeys(_BUCKETS, 0.0)
    for a in attempts:
        booked = 0.0
        for bucket in _BUCKETS:
            seconds = getattr(a, f"{bucket}_seconds")
            sums[bucket] += seconds
            booked += seconds
        if a.outcome in (LOST, FAILED):
            sums["replayed"] += max(0.0, a.ended_at - a.started_at - booked)
    return Ledger(
        **{f"{bucket}_seconds": round(value, 3) for bucket, value in sums.items()},
        preemptions=sum(a.outcome == PREEMPTED for a in attempts),
        losses=sum(a.outcome == LOST for a in attempts),
    )


def _environment(row: Any, jobs: Sequence[Any], attempts: Sequence[Any]) -> Environment:
    known = [a.environment for a in attempts if a.environment]
    hardware = sorted({str(e["gpu"] or e["processor"]) for e in known})
    versions: dict[str, set[str]] = {}
    for environment in known:
        for name, value in environment.items():
            if name not in ("device", "processor", "gpu", "threads"):
                versions.setdefault(name, set()).add(str(value))
    return Environment(
        command=row.command,
        hardware=", ".join(hardware),
        versions={name: " and ".join(sorted(values)) for name, values in sorted(versions.items())},
        data_digests={j.label: j.key[:16] for j in jobs if j.kind == "index"},
    )
