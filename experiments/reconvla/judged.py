"""What trained models were judged to do, for whoever plans and decides by it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from experiments.design.design import Design
from experiments.reconvla.adaptive import rules_of
from experiments.reconvla.config import AblationConfig
from experiments.reconvla.evaluation_plan import sequences_of
from experiments.reconvla.report.sequences import Sequences
from tasks.records import JobRecord
from tasks.specs import ClosedLoopSpec


def design_of(config: AblationConfig) -> Design | None:
    """None where nothing is judged in closed loop, or nothing is trained."""
    if not config.has_closed_loop or not config.trained:
        return None
    adaptive = config.adaptive
    seeds = len(config.all_seeds) if adaptive is None else adaptive.max
    sd = None if adaptive is None else adaptive.sd
    return Design(tuple(config.trained), seeds, sequences_of(config), rules_of(config), sd)


def results_of(jobs: Sequence[JobRecord]) -> Mapping[tuple[str, int], tuple[int, ...]]:
    """Subtasks done in a row, in each sequence in their order, by arm and seed; only of models that this ablation
    trained, and whose every shard has ended."""
    sequences = Sequences(jobs)
    models: dict[tuple[str, int], list[JobRecord]] = {}
    for job in jobs:
        is_model = isinstance(job.spec, ClosedLoopSpec) and job.spec.policy == "reconvla"
        if is_model and job.arm is not None and job.seed is not None:
            models.setdefault((job.arm, job.seed), []).append(job)
    found = {}
    for which, shards in models.items():
        results = sequences.results(shards)
        if results is not None:
            found[which] = tuple(entry.done for entry in results.values())
    return found
