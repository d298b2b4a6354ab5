"""From records to `reports.data.RunReport`: one arm with one seed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from calvin.metrics import task_scores
from db.states import CANCELLED, FAILED
from experiments.reconvla.report.attention_scores import AttentionScores, with_intervals
from experiments.reconvla.report.corpora import TRAINING, Corpora
from experiments.reconvla.report.sequences import Sequences, judged_by
from reports.data import LossPoint, RunReport, Slice, TaskScore
from tasks.records import AttemptRecord, JobRecord, Records, RunRecord, ended, told
from tasks.registry import INDEX
from tasks.results import AttentionResult, IndexResult, OpenLoopResult, SequenceResult
from tasks.specs import AttentionSpec, ClosedLoopSpec, JudgedSpec, OpenLoopSpec, TrainSpec

_LOSS = "loss/"


def in_order_of_rows(records: Records) -> Records:
    """With the runs as the settings have their rows; a plan has those of policies behind the arms."""
    arms = records.ablation.config.get("arms")
    place = {name: number for number, name in enumerate(arms)} if isinstance(arms, Mapping) else {}
    runs = sorted(records.runs, key=lambda run: place.get(run.arm, len(place)))
    return replace(records, runs=tuple(runs)) if place else records


def run_report(run: RunRecord, records: Records, corpora: Corpora, sequences: Sequences) -> RunReport:
    """What there is of `run`."""
    mine = [j for j in records.jobs if j.run_id == run.id]
    train = next(j for j in mine if j.id == run.train_job_id)
    trained = isinstance(train.spec, TrainSpec)  # the row of a policy has a shard here
    attempts_here = [a for a in records.attempts if a.job_id == train.id and trained]
    over = [a for a in attempts_here if a.ended_at is not None]
    open_loop = next((result for _, result in ended(mine, OpenLoopResult)), None)
    metrics = records.points.get(train.id, ())
    results = sequences.results(mine)
    entries = None if results is None else list(results.values())
    return RunReport(
        arm=run.arm,
        title=corpora.title(run.arm),
        seed=run.seed,
        train_steps=train.step if trained else None,
        results=done_in_a_row(entries),
        open_loop_error=open_loop.mean_absolute_error if open_loop else None,
        held_out_loss=open_loop.action_loss if open_loop else None,
        held_out_frames=open_loop.frames if open_loop else None,
        losses=tuple(
            LossPoint(m.step, m.name.removeprefix(_LOSS), m.value)
            for m in metrics
            if m.name.startswith(_LOSS)
        ),
        curves=tuple(LossPoint(m.step, m.name, m.value) for m in metrics if not m.name.startswith(_LOSS)),
        slices=sum(map(_did_steps, attempts_here)) if trained else None,
        attempts=tuple(
            Slice(
                a.step_from,
                a.step_to if a.step_to is not None else a.step_from,
                a.took_seconds,
                a.outcome or "",
            )
            for a in over
        ),
        device_seconds=_total([a.took_seconds for a in over]),
        useful_seconds=_total([a.useful_seconds for a in over]),
        steps_per_epoch=_steps_per_epoch(train, corpora),
        tasks=tasks_of(entries),
        judged_by=judged_by(mine),
        failed=_failed(train, mine, records) if results is None else "",
        cancelled=results is None and CANCELLED in {job.state for job in _deciding(train, mine, records)},
        held_out_by=f"{_indexes(mine, records, OpenLoopSpec)}, {open_loop.frames} frames"
        if open_loop
        else "",
    )


def _failed(train: JobRecord, mine: Sequence[JobRecord], records: Records) -> str:
    """Why a run gets no results: its training, what that starts from, or a shard of its evaluation failed; empty where
    none did."""
    labels = [job.label for job in _deciding(train, mine, records) if job.state == FAILED]
    if not labels:
        return ""
    return next((reason for label, reason in records.failures if label == labels[0]), "it failed")


def _deciding(train: JobRecord, mine: Sequence[JobRecord], records: Records) -> list[JobRecord]:
    """The jobs without one of which a run gets no results."""
    starts = {on for job, on, role in records.needs if job == train.id and role == "init"}
    deciding = [job for job in records.jobs if job.id == train.id or job.id in starts]
    return deciding + [job for job in mine if is_closed_loop(job)]


def looked_at_by(run: RunRecord, records: Records) -> str:
    """Which held-out frames the attention of a run is of, and which attention: equal where figures of two can be
    compared; empty where none is looked at."""
    mine = [j for j in records.jobs if j.run_id == run.id]
    looked_at = next((spec.attention for _, spec in told(mine, AttentionSpec)), None)
    return "" if looked_at is None else f"{_indexes(mine, records, AttentionSpec)}, {looked_at}"


def _indexes(jobs: Sequence[JobRecord], records: Records, spec: type[JudgedSpec]) -> str:
    """Those that the jobs with such parameters read: the frames, and their gaze regions."""
    looking = {row.id for row in jobs if isinstance(row.spec, spec)}
    indexes = {on for reader, on, role in records.needs if reader in looking and role == "index"}
    return " ".join(map(str, sorted(indexes)))


def attention_of(run: RunRecord, records: Records) -> AttentionScores | None:
    """Where the model of `run` looks; None where it was not measured."""
    mine = [j for j in records.jobs if j.run_id == run.id]
    return _attention(next((result for _, result in ended(mine, AttentionResult)), None))


def _did_steps(attempt: AttemptRecord) -> bool:
    """Whether steps were kept, or time was booked on them; all the time of a failed attempt is booked as replayed."""
    kept = attempt.step_to is not None and attempt.step_to > attempt.step_from
    replayed = attempt.outcome != FAILED and attempt.replayed_seconds > 0
    return kept or replayed or attempt.useful_seconds > 0


def _total(seconds: Sequence[float | None]) -> float | None:
    """None unless every attempt's were measured: a part of them would pass for the whole."""
    known = [value for value in seconds if value is not None]
    return sum(known) if known and len(known) == len(seconds) else None


def baseline_of(jobs: Sequence[JobRecord]) -> list[JobRecord]:
    """Shards of the baseline of random actions, each once: rows of the table may ask for them too."""
    found = {
        row.id: row for row, spec in told(jobs, ClosedLoopSpec) if spec.policy == "random" and not spec.seed
    }
    return list(found.values())


def done_in_a_row(entries: Sequence[SequenceResult] | None) -> tuple[int, ...] | None:
    return None if entries is None else tuple(entry.done for entry in entries)


def is_closed_loop(row: JobRecord) -> bool:
    return isinstance(row.spec, ClosedLoopSpec)


def tasks_of(entries: Sequence[SequenceResult] | None) -> dict[str, TaskScore]:
    known = [entry.tasks for entry in entries or () if entry.tasks is not None]
    if entries is None or len(known) < len(entries):
        return {}
    scores = task_scores([entry.done for entry in entries], known)
    return {task: TaskScore(score.attempted, score.succeeded) for task, score in scores.items()}


def _attention(result: AttentionResult | None) -> AttentionScores | None:
    if result is None or result.mass_in_gaze is None:
        return None
    assert result.pointing_accuracy is not None, "both are measured, or none"
    scores = AttentionScores(
        mass_in_gaze=result.mass_in_gaze,
        pointing_accuracy=result.pointing_accuracy,
        mass_in_gaze_ci95=_interval(result.mass_in_gaze_ci95),
        pointing_accuracy_ci95=_interval(result.pointing_accuracy_ci95),
        entropy_bits=result.entropy_bits,
        entropy_bits_ci95=_interval(result.entropy_bits_ci95),
        static_share=result.static_share,
        static_share_ci95=_interval(result.static_share_ci95),
        centre_mass_in_gaze=result.centre_mass_in_gaze,
        centre_pointing_accuracy=result.centre_pointing_accuracy,
        centre_entropy_bits=result.centre_entropy_bits,
        mass_over_centre_ci95=_interval(result.mass_over_centre_ci95),
        pointing_over_centre_ci95=_interval(result.pointing_over_centre_ci95),
        frames=result.frames,
        true_boxes=result.true_boxes,
        layer=result.layer,
        layers=result.layers,
        heads=result.heads,
        by_demonstration=result.by_demonstration,
    )
    return with_intervals(scores)


def _interval(ends: Sequence[float] | None) -> tuple[float, float] | None:
    return None if ends is None else (ends[0], ends[1])


def _steps_per_epoch(train: JobRecord, corpora: Corpora) -> float | None:
    """Samples of the training index over those of a step; None until the index is there."""
    own = corpora.trained_on(train.id)
    of_it = corpora.of(INDEX.name, TRAINING) if own is None else [own]
    index = next((result for _, result in ended(of_it, IndexResult)), None)
    if index is None or not isinstance(train.spec, TrainSpec):
        return None
    return index.items / train.spec.training.batch_size
