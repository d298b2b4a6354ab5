"""An ablation whose data are on the Hub: they are fetched by jobs, and the last of these plans all others."""

from __future__ import annotations

from collections.abc import Sequence

from db.plans import Dependency, Plan
from experiments.reconvla.config import AblationConfig
from experiments.reconvla.hub_data import copies
from experiments.reconvla.hub_needs import Needed, asked_of
from experiments.reconvla.job_book import JobBook, digest
from settings.own_code import admitted_in
from settings.shown import size_told
from tasks.context import Finished, Note, TaskContext, Yielded
from tasks.data.copies import SetCopy
from tasks.data.fetch import Stop, bring, bring_needed, steps_of
from tasks.fetch import FETCH, PLAN, FetchSpec, PlanResult, PlanSpec


def fetched_first(config: AblationConfig, missing: Sequence[Needed]) -> Plan:
    """The plan of an ablation whose data are not here yet. Copies are jobs that ablations share."""
    book, needs = JobBook("round_robin"), []
    for one in missing:
        copy, need = one.copy, one.need
        size = sum(file.size for file in one.files)
        label = (
            f"fetch {copy.name.repository}{'/' if copy.name.path else ''}{copy.name.path}, {size_told(size)}"
        )
        spec = FetchSpec(
            name=str(copy.name),
            of=copy.kind,
            splits=need.splits,
            episodes=need.episodes,
            cameras=need.cameras,
        )
        needs.append(Dependency(book.add(FETCH, label, spec, [], target_steps=steps_of(size)), "copy"))
    stored = config.model_dump(mode="json")
    book.add(PLAN, f"plan {config.name}", PlanSpec(settings=stored), needs)
    return Plan(
        digest({"config": stored, "fetched": False}), config.name, stored, book.jobs, code=admitted_in(stored)
    )


def run(context: TaskContext[PlanSpec]) -> Finished[PlanResult] | Yielded:
    """The ablation gets its plan with the end of this job. Raises ConfigError and DatasetError as planning does."""
    from experiments.reconvla.planner import Planner

    config = AblationConfig.model_validate(context.spec.settings)
    try:
        for copy in copies(config):  # where another machine fetched it
            if copy.kind == "model":
                bring(context, copy, copy.listing())
            else:
                bring_needed(context, SetCopy(copy), asked_of(config, copy))
    except Stop as stop:
        return Yielded(str(stop))
    plan = Planner(config).plan()
    notes = [Note("plan_warning", sentence) for sentence in plan.warnings]
    return Finished((), notes=notes, plan=plan, result=PlanResult(jobs=len(plan.jobs)))
