"""Results of earlier ablations in a home, model by model."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import BaseModel

from db import queries
from db.engine import Database
from errors import BatonError
from experiments.registry import Experiment, experiment_of
from tasks.job_records import records_of_jobs

#: Results of the trained models of one arm, each over the same sequences.
ArmResults = Sequence[Sequence[int]]


def earlier_results(
    database: Database | None, experiment: Experiment[BaseModel]
) -> tuple[list[ArmResults], int]:
    """Arms with two seeds and more that were judged to the end, and how many ablations could not be read: those that
    another build made otherwise. A model that several ablations share is taken once. None: there is no home yet.
    """
    found: list[ArmResults] = []
    unread, seen = 0, set[tuple[int, ...]]()
    if database is None:
        return [], 0
    for row in reversed(queries.ablation_rows(database)):
        try:
            if experiment_of(row.config) is not experiment:
                continue
            jobs = records_of_jobs(queries.jobs_of(database, row.id, experiment.judging_kinds))
            models = experiment.results(jobs)
        except BatonError:
            unread += 1
            continue
        arms: dict[str, list[Sequence[int]]] = {}
        for (arm, seed), results in models.items():
            which = tuple(sorted(job.id for job in jobs if (job.arm, job.seed) == (arm, seed)))
            if which not in seen:
                arms.setdefault(arm, []).append(results)
                seen.add(which)
        found += [
            results
            for results in arms.values()
            if len(results) > 1 and len({len(one) for one in results}) == 1
        ]
    return found, unread
