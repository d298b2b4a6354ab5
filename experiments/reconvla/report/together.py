"""One report of several ablations, over what all of them share."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace

from errors import InvalidInput
from experiments.design.spread import spreads_of_runs
from experiments.reconvla.arms import flat
from experiments.reconvla.config import AblationConfig
from experiments.reconvla.report.corpora import Corpora
from experiments.reconvla.report.looks import looks_of_all
from experiments.reconvla.report.metric import TASKS_IN_A_ROW
from experiments.reconvla.report.runs import (
    baseline_of,
    done_in_a_row,
    in_order_of_rows,
    run_report,
    tasks_of,
)
from experiments.reconvla.report.sequences import Sequences, judged_as, simulated_by
from reports.data import ReportData, RunReport
from reports.parts.comparisons import Comparisons
from reports.parts.success import SuccessByTask, SuccessTable
from reports.parts.training import Curves, Epochs, TrainingTable
from reports.section import Section
from settings.json_values import section, text
from settings.shown import cut, shown
from tasks.records import Records
from tasks.results import SequenceResult

#: What has to be the same for rows to be comparable, whatever else differs.
_SAME = ("data.", "evaluation.")
#: Of these, what decides no figure, or how many sequences there are of the one list.
_FREE = frozenset(
    f"evaluation.{name}"
    for name in (
        "sequences", "sequences_per_shard", "simulators_per_batch", "parallel_simulators", "videos",
        "video_attention", "slice_seconds", "threads", "random_baseline", "policy_batch", "precision",
    )
) | {"data.chunk"}  # fmt: skip


def gather_together(ablations: Sequence[Records]) -> ReportData:
    """Rows of all, named by their ablation, judged on the sequences that all have. What two of them share, trained and
    judged alike, is shown once; a row that is judged on sequences of another list keeps its own, and is not comparable.

    Raises InvalidInput where their data or evaluation differ, with the difference, or where they share no sequence.
    """
    ablations = [in_order_of_rows(records) for records in ablations]
    names = _names(ablations)
    _check_same(ablations, names)
    sequences = Sequences([job for records in ablations for job in records.jobs])
    mine = [
        {run.id: [j for j in records.jobs if j.run_id == run.id] for run in records.runs}
        for records in ablations
    ]
    played = [{run: sequences.results(jobs) for run, jobs in of_runs.items()} for of_runs in mine]
    shared = _shared(played, names)
    wanted = set(shared)
    same = [
        {run.id: (run.train_job_id, judged_as(jobs_of[run.id])) for run in records.runs}
        for records, jobs_of in zip(ablations, mine)
    ]
    measured = {
        same_of[run] for same_of, results in zip(same, played) for run in results if results[run] is not None
    }
    runs: list[RunReport] = []
    seen: set[tuple[int, str]] = set()
    apart = False
    for records, name, jobs_of, same_of, results in zip(ablations, names, mine, same, played):
        corpora = Corpora(records.jobs, records.needs, records.ablation.config)
        here: set[tuple[int, str]] = set()
        for run in records.runs:
            own, which = results[run.id], same_of[run.id]
            if which in seen or (own is None and which in measured):
                continue
            here.add(which)
            row = run_report(run, records, corpora, sequences)
            if own is None or not shared or wanted <= own.keys():
                row = _restricted(row, own, shared, simulated_by(jobs_of[run.id]))
            else:
                apart = True
            runs.append(replace(row, arm=f"{name}: {row.arm}", title=f"{name}: {row.shown}"))
        seen |= here
    count = len(shared)
    comparison = section(ablations[0].ablation.config, "comparison")
    baseline = f"{names[0]}: {text(comparison, 'baseline') or ''}"
    random, random_by = _random(ablations, sequences, shared)
    rows = "all rows without a mark have" if apart else "all have"
    waiting = [
        name for name, results in zip(names, played) if not any(r is not None for r in results.values())
    ]
    unjudged = f" Not judged in closed loop yet: {', '.join(map(cut, waiting))}." if waiting else ""
    return ReportData(
        ablation=", ".join(names),
        metric=TASKS_IN_A_ROW,
        runs=tuple(runs),
        sections=(
            Section("success", "Success on task sequences", (SuccessTable(), SuccessByTask())),
            Section("comparisons", "Comparisons", (Comparisons(),)),
            Section("training", "Training", (TrainingTable(), Curves(), Epochs())),
        ),
        ablation_id=", ".join(str(records.ablation.id) for records in ablations),
        created_at=time.time(),
        closed_loop_reason=None
        if count
        else "no ablation of these was judged in closed loop, or none to its end",
        closed_loop_warning=f"Of the {count} sequences that {rows}.{unjudged}{_by_looks(ablations, names)}"
        if count
        else None,
        random_results=random,
        random_judged_by=random_by,
        baseline=baseline if baseline in {run.arm for run in runs} else "",
        primary=text(comparison, "measure") or "",
        scatter=spreads_of_runs(TASKS_IN_A_ROW, runs),
        looks=looks_of_all(ablations, names),
    )


def _by_looks(ablations: Sequence[Records], names: Sequence[str]) -> str:
    """A sentence for those with adaptive seeds, whose looks were planned for their own comparisons; else nothing."""
    adaptive = [
        name
        for records, name in zip(ablations, names, strict=True)
        if "adaptive" in section(records.ablation.config, "seeds")
    ]
    if not adaptive:
        return ""
    return (
        f" Seeds of {', '.join(adaptive)} were added as looks asked; intervals and p here are made as if their "
        "number had been fixed, and say too much: the ablation's own report has what its looks allow."
    )


def _names(ablations: Sequence[Records]) -> list[str]:
    """Those of the ablations, with the id where two have one name."""
    names = [records.ablation.name for records in ablations]
    ids = [records.ablation.id for records in ablations]
    if len(set(ids)) < len(ids):
        raise InvalidInput("an ablation is named twice: name two that differ")
    return [name if names.count(name) == 1 else f"{name} ({number})" for name, number in zip(names, ids)]


def _check_same(ablations: Sequence[Records], names: Sequence[str]) -> None:
    settings = [flat(AblationConfig.model_validate(records.ablation.config)) for records in ablations]
    for key in settings[0]:
        if not key.startswith(_SAME) or key in _FREE:
            continue
        for other, name in zip(settings[1:], names[1:]):
            if settings[0].get(key) != other.get(key):
                raise InvalidInput(
                    f"{names[0]} and {name} are not comparable: {key} is {shown(settings[0].get(key), 80)} in the one "
                    f"and {shown(other.get(key), 80)} in the other"
                )


def _shared(
    played: Sequence[Mapping[int, Mapping[str, SequenceResult] | None]], names: Sequence[str]
) -> tuple[str, ...]:
    """What each sequence is that every run has which was judged, in their order; none where none was. An ablation of
    which none was does not count; nor does a run whose sequences are of another list than the first one's, unless all
    of its ablation are.

    Raises InvalidInput for ablations without a sequence in common.
    """
    by_name = [
        (name, [found for found in results.values() if found is not None])
        for name, results in zip(names, played, strict=True)
    ]
    names, judged = [n for n, found in by_name if found], [found for _, found in by_name if found]
    if not judged:
        return ()
    first = judged[0][0]
    every = [found for results in judged for found in _of_one_list(first, results)]
    common = set(first).intersection(*every)
    if not common:
        counts = ", ".join(f"{cut(name)} {len(results[0])}" for name, results in zip(names, judged))
        raise InvalidInput(
            f"{' and '.join(map(cut, names))} share no sequence, though their settings agree: they were told "
            f"other instructions, or their lists were drawn by different versions of Baton ({counts} sequences)"
        )
    return tuple(content for content in first if content in common)


def _of_one_list(
    first: Mapping[str, SequenceResult], results: Sequence[Mapping[str, SequenceResult]]
) -> Sequence[Mapping[str, SequenceResult]]:
    """Those that are the beginning of the list that `first` is the beginning of; else those that share something with
    it; else all."""
    whole = [found for found in results if len(first.keys() & found.keys()) == min(len(first), len(found))]
    return whole or [found for found in results if first.keys() & found.keys()] or results


def _restricted(
    row: RunReport,
    results: Mapping[str, SequenceResult] | None,
    shared: Sequence[str],
    simulated: str,
) -> RunReport:
    """On the shared sequences."""
    entries = [results[content] for content in shared] if results is not None and shared else None
    return replace(
        row,
        results=done_in_a_row(entries),
        tasks=tasks_of(entries),
        judged_by=simulated if entries else "",
    )


def _random(
    ablations: Sequence[Records], sequences: Sequences, shared: Sequence[str]
) -> tuple[tuple[int, ...] | None, str]:
    """Chance on the shared sequences, by the first ablation that has it on all of them, and what simulated it."""
    for records in ablations:
        baseline = baseline_of(records.jobs)
        found = sequences.results(baseline)
        if shared and found is not None and all(content in found for content in shared):
            return done_in_a_row([found[content] for content in shared]), simulated_by(baseline)
    return None, ""
