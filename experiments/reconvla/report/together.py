"""One report of several ablations, over what all of them share."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace

from errors import InvalidInput
from experiments.reconvla.arms import flat
from experiments.reconvla.config import AblationConfig
from experiments.reconvla.report.corpora import Corpora
from experiments.reconvla.report.metric import TASKS_IN_A_ROW
from experiments.reconvla.report.runs import baseline_of, done_in_a_row, run_report, tasks_of
from experiments.reconvla.report.sequences import Sequences, judged_as, simulated_by
from reports.data import ReportData, RunReport
from reports.parts.comparisons import Comparisons
from reports.parts.success import SuccessByTask, SuccessTable
from reports.parts.training import Curves, Epochs, TrainingTable
from reports.section import Section
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
    judged alike, is shown once.

    Raises InvalidInput where their data or evaluation differ, with the difference, or where they share no sequence.
    """
    names = _names(ablations)
    _check_same(ablations, names)
    sequences = Sequences([job for records in ablations for job in records.jobs])
    played = [
        {run.id: sequences.results([j for j in records.jobs if j.run_id == run.id]) for run in records.runs}
        for records in ablations
    ]
    shared = _shared(played, names)
    runs: list[RunReport] = []
    seen: set[tuple[int, str]] = set()
    for records, name, results in zip(ablations, names, played):
        corpora = Corpora(records.jobs, records.needs, records.ablation.config)
        mine: set[tuple[int, str]] = set()
        for run in records.runs:
            of_it = [job for job in records.jobs if job.run_id == run.id]
            same = run.train_job_id, judged_as(of_it)
            mine.add(same)
            if same not in seen:
                row = run_report(run, records, corpora, sequences)
                runs.append(_restricted(row, name, results[run.id], shared, simulated_by(of_it)))
        seen |= mine
    count = len(shared)
    random, random_by = _random(ablations, sequences, shared)
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
        closed_loop_warning=f"Of the {count} sequences that all have." if count else None,
        random_results=random,
        random_judged_by=random_by,
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
    """What each sequence is that every run has which was judged, in their order; none where none was.

    Raises InvalidInput for ablations without a sequence in common.
    """
    judged = [[found for found in results.values() if found is not None] for results in played]
    every = [found for results in judged for found in results]
    if not every or not all(judged):
        return ()
    common = set(every[0]).intersection(*every)
    if not common:
        counts = ", ".join(f"{cut(name)} {len(results[0])}" for name, results in zip(names, judged))
        raise InvalidInput(
            f"{' and '.join(map(cut, names))} share no sequence, though their settings agree: their lists were drawn "
            f"by different versions of Baton ({counts} sequences)"
        )
    return tuple(content for content in every[0] if content in common)


def _restricted(
    row: RunReport,
    ablation: str,
    results: Mapping[str, SequenceResult] | None,
    shared: Sequence[str],
    simulated: str,
) -> RunReport:
    entries = [results[content] for content in shared] if results is not None and shared else None
    return replace(
        row,
        arm=f"{ablation}: {row.arm}",
        title=f"{ablation}: {row.shown}",
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
