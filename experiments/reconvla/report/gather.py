"""From records to `reports.data.ReportData`: every figure of a report comes through here."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from db.states import CANCELLED, FAILED, LOST, PREEMPTED, SUCCEEDED
from experiments.design.spread import spreads_of_runs
from experiments.reconvla.evaluation_plan import NO_SIMULATOR
from experiments.reconvla.report.adaptive import adaptive_looks
from experiments.reconvla.report.corpora import VALIDATION, Corpora
from experiments.reconvla.report.films import failure_videos, no_films_because
from experiments.reconvla.report.gaze import detectors_of, gaze_regions, gaze_scores, other_gaze
from experiments.reconvla.report.gaze_data import GazeOfRows
from experiments.reconvla.report.looks import looks_of
from experiments.reconvla.report.metric import TASKS_IN_A_ROW
from experiments.reconvla.report.parts.attention import Attention
from experiments.reconvla.report.parts.gaze import Gaze, PretrainingGaze
from experiments.reconvla.report.parts.reconstructions import Reconstructions
from experiments.reconvla.report.pictures import attention_panels, gaze_examples, reconstructions
from experiments.reconvla.report.provenance import report_environment
from experiments.reconvla.report.published import published_for
from experiments.reconvla.report.renderer import renderer_warning
from experiments.reconvla.report.runs import (
    attention_of,
    baseline_of,
    done_in_a_row,
    in_order_of_rows,
    is_closed_loop,
    looked_at_by,
    run_report,
)
from experiments.reconvla.report.sections import ORDER, sections
from experiments.reconvla.report.sequences import Sequences, judged_by
from reports.data import ReportData
from reports.parts.device_time import DeviceTime, Ledger
from reports.parts.films import Films
from reports.parts.reproduction import DataSource, Reproduction
from settings.json_values import section, text
from tasks.records import AttemptRecord, Find, JobRecord, Records, told
from tasks.specs import ReportSpec

_BUCKETS = ("useful", "replayed", "checkpoint", "load", "idle")


def gather(records: Records, find: Find) -> ReportData:
    """Everything there is of an ablation; what is not measured yet is None."""
    records = in_order_of_rows(records)
    ablation, jobs = records.ablation, records.jobs
    corpora = Corpora(jobs, records.needs, ablation.config)
    sequences, baseline = Sequences(jobs), baseline_of(jobs)
    runs = {run.id: run_report(run, records, corpora, sequences) for run in records.runs}
    random = sequences.results(baseline)
    attention = {
        (run.arm, run.seed): scores for run in records.runs if (scores := attention_of(run, records))
    }
    looked_at = {(run.arm, run.seed): by for run in records.runs if (by := looked_at_by(run, records))}
    films = failure_videos(records, find)
    comparison = section(ablation.config, "comparison")
    looks = adaptive_looks(ablation.config, jobs, corpora.title)
    sources = _with_planned(corpora.sources(jobs, corpora.root), jobs, corpora)
    return ReportData(
        ablation=ablation.name,
        metric=TASKS_IN_A_ROW,
        runs=tuple(runs.values()),
        sections=sections(
            Films(films, None if films else no_films_because(jobs)),
            looks,
            Reconstructions(reconstructions(records, find)),
            Attention(attention, attention_panels(records, find, runs, looked_at), looked_at),
            _gaze(records, find, corpora),
            PretrainingGaze(other_gaze(corpora.of_first(jobs), corpora)),
            DeviceTime(_ledger(records.attempts), _ledgers_by_kind(records.attempts)),
            Reproduction(report_environment(records, corpora), sources),
        ),
        ablation_id=str(ablation.id),
        created_at=time.time(),
        state=ablation.state,
        jobs=ablation.jobs,
        doing=ablation.doing,
        interrupted_jobs=ablation.interrupted_jobs,
        failures=tuple(dict.fromkeys(f"{label}: {reason}" for label, reason in records.failures)),
        closed_loop_reason=_unfinished(jobs) if any(map(is_closed_loop, jobs)) else NO_SIMULATOR,
        closed_loop_warning=renderer_warning(jobs, corpora.title),
        random_results=None if random is None else done_in_a_row(list(random.values())),
        random_judged_by=judged_by(baseline),
        published=published_for({run.arm for run in records.runs}),
        order=ORDER,
        baseline=text(comparison, "baseline") or "",
        primary=text(comparison, "measure") or "" if looks.rules is None else looks.rules.measure,
        scatter=spreads_of_runs(TASKS_IN_A_ROW, runs.values()),
        last_looks=looks.last_looks(),
        looks=looks_of(records) if looks.rules is None else (),  # those were planned, and cost nothing
    )


def _gaze(records: Records, find: Find, corpora: Corpora) -> Gaze:
    own = corpora.without_other(corpora.of_first(records.jobs))
    planned = text(section(records.ablation.config, "gaze"), "detector") or ""
    return Gaze(
        scores=gaze_scores(own) or None,
        regions=gaze_regions(own, corpora),
        examples=gaze_examples(records, own, find),
        detector=detectors_of(own) if corpora.of_others() else planned,
        others=tuple(
            GazeOfRows(rows, detectors_of(jobs), gaze_scores(jobs), gaze_regions(jobs, corpora))
            for rows, jobs in corpora.of_others()
        ),
    )


def _with_planned(
    sources: tuple[DataSource, ...], jobs: Sequence[JobRecord], corpora: Corpora
) -> tuple[DataSource, ...]:
    """With what was counted when it was planned: validation says how many of its demonstrations were trained on too,
    and each what of its dataset was left out.
    """
    spec = next((spec for _, spec in told(jobs, ReportSpec)), None)
    if spec is None:
        return sources
    by_title = {corpora.title(row): count for row, count in (spec.not_held_out_of or {}).items()}
    left_out = spec.left_out or {}

    def counted(source: DataSource) -> int:
        return next((by_title[row] for row in source.rows if row in by_title), spec.not_held_out)

    return tuple(
        replace(
            source,
            not_held_out=counted(source) if source.purpose == VALIDATION else source.not_held_out,
            left_out=tuple(left_out.get(source.purpose, ())),
        )
        for source in sources
    )


#: What is said of one and of several that have no result, by state; of others that they may still have one.
_ENDED_WITHOUT = {FAILED: ("failed", "failed"), CANCELLED: ("was cancelled", "were cancelled")}
_OPEN = ("has not ended yet", "have not ended yet")


def _unfinished(jobs: Sequence[JobRecord]) -> str | None:
    """A part of a sentence on the shards of the evaluation that have no result; None where all have one."""
    without = (j.state for j in jobs if is_closed_loop(j) and j.run_id is not None and j.state != SUCCEEDED)
    counted = Counter(_ENDED_WITHOUT.get(state, _OPEN) for state in without)
    told = [
        (counted[words], words[counted[words] != 1])
        for words in (_OPEN, *_ENDED_WITHOUT.values())
        if counted[words]
    ]
    if not told:
        return None
    (count, first), *others = told
    more = "".join(f", {number} {words}" for number, words in others)
    return f"{count} shard{'s' * (count != 1)} of the evaluation {first}{more}"


def _ledgers_by_kind(attempts: Sequence[AttemptRecord]) -> dict[str, Ledger]:
    """In the order in which kinds of job first ran."""
    kinds = dict.fromkeys(a.kind for a in attempts)
    return {kind: _ledger([a for a in attempts if a.kind == kind]) for kind in kinds}


def _ledger(attempts: Sequence[AttemptRecord]) -> Ledger:
    """Sums over all attempts; db.jobs booked every second of each.

    Earlier versions booked the rest of an attempt that was lost by the time of day: where a clock was set back
    meanwhile it is negative, and the sum not measured.
    """
    columns = {
        f"{bucket}_seconds": [getattr(a, f"{bucket}_seconds") for a in attempts] for bucket in _BUCKETS
    }
    return Ledger(
        **{
            name: round(sum(seconds), 3) if min(seconds, default=0.0) >= 0.0 else None
            for name, seconds in columns.items()
        },
        preemptions=sum(a.outcome == PREEMPTED for a in attempts),
        losses=sum(a.outcome == LOST for a in attempts),
    )
