"""What a plan comes to: rows, jobs, and the work of those that are new."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Any

from db import queries
from db.engine import Database
from db.plans import Plan
from experiments.design.history import earlier_results
from experiments.design.measures import measure_named
from experiments.design.statement import Costs, Wanted, check_power, check_wanted, power_document
from experiments.registry import experiment_of
from settings.code_source import module_file, reference_of, references_in
from settings.json_values import JsonObject
from settings.shown import cut, one_line
from tasks.registry import EVALUATE
from views.paces import Paces
from views.power import power_lines
from views.several_devices import told_devices
from views.spans import span

if TYPE_CHECKING:
    from experiments.proposal import Proposal

#: Characters of a value.
_LONGEST_VALUE = 60
#: With which a difference is found, where nobody says otherwise.
POWER = 0.8


@dataclass(frozen=True)
class Asked:
    """Options of `plan`: `detect` a difference in a measure's unit with a `power`; None: no certain difference."""

    detect: float | None = None
    measure: str | None = None
    power: float = POWER


def plan_document(
    proposal: Proposal, database: Database | None, asked: Asked | None = None
) -> dict[str, Any]:
    """That of `plan --json`. database: None where there is no home yet; then nothing was ever measured.

    Raises ConfigError for a measure that the experiment has not, InvalidInput for a difference or power that cannot be.
    """
    plan, there = proposal.plan, proposal.there
    new = {job.key for job in plan.jobs}
    if database is not None:
        new -= queries.known_keys(database, new)
    kinds = list(dict.fromkeys(job.kind for job in plan.jobs))
    took = _seconds_of(plan, Paces(database, kinds) if database is not None else None)
    timed, untimed = dict[str, float](), set[str]()
    for job in plan.jobs:
        if job.key in new and job.key in took:
            timed[job.kind] = timed.get(job.kind, 0.0) + took[job.key]
        elif job.key in new:
            untimed.add(job.kind)
    counted, added = (
        Counter(job.kind for job in plan.jobs),
        Counter(job.kind for job in plan.jobs if job.key in new),
    )
    return {
        "name": plan.name,
        "ablation": None if there is None or proposal.otherwise else there.id,
        "grows": proposal.grows,
        "told": list(proposal.told),
        "otherwise": proposal.otherwise or None,
        "rows": experiment_of(plan.config).rows(proposal.config),
        "jobs": {
            "kept": proposal.kept,
            "shared": proposal.shared,
            "new": proposal.new,
            "by_kind": {kind: {"all": counted[kind], "new": added[kind]} for kind in kinds},
        },
        "worker_seconds": {kind: round(seconds, 1) for kind, seconds in timed.items()},
        "untimed": sorted(untimed),
        "power": power_of(proposal, database, asked, _costs(plan, took)),
        "devices": told_devices(proposal.config, database),
        "code": code_document(plan),
        "warnings": list(plan.warnings),
    }


def power_of(
    proposal: Proposal, database: Database | None, asked: Asked | None = None, costs: Costs | None = None
) -> JsonObject | None:
    """What the ablation can find (`experiments.design.statement`); None where nothing is judged. Raises as
    `plan_document`."""
    asked, experiment = asked or Asked(), experiment_of(proposal.plan.config)
    check_power(asked.power)
    wanted = None
    if asked.detect is not None:
        name = asked.measure or experiment.metric.columns[0]
        wanted = Wanted(measure_named(experiment.metric, name, "--measure"), asked.detect, asked.power)
        check_wanted(wanted)
    design = experiment.design(proposal.config)
    if design is None:
        return None
    arms, unread = earlier_results(database, experiment)
    return power_document(design, experiment.metric, arms, unread, asked.power, wanted, costs)


def _seconds_of(plan: Plan, paces: Paces | None) -> dict[str, float]:
    """What jobs would take, by key; without those that are like none that ended in this home."""
    if paces is None:
        return {}
    found = {}
    for job in plan.jobs:
        if like := paces.of_job(job.kind, job.spec):
            found[job.key] = median(like) * job.target_steps
    return found


def _costs(plan: Plan, took: Mapping[str, float]) -> Costs | None:
    """took: as of `_seconds_of`. None where it lacks a job that a run has."""
    runs = {ref for job in plan.jobs for ref in job.runs if plan.training.get(ref)}
    of_runs = [job for job in plan.jobs if job.runs]
    judged = [job for job in of_runs if job.kind == EVALUATE.name and job.spec.get("mode") == "closed_loop"]
    if not runs or not judged or not all(job.key in took for job in of_runs):
        return None
    of_sequences = sum(took[job.key] for job in judged)
    others = sum(took[job.key] for job in of_runs) - of_sequences
    return Costs(others / len(runs), of_sequences / sum(job.target_steps for job in judged))


def code_document(plan: Plan) -> list[dict[str, str]]:
    """The classes of the user's own that a plan runs: file, class and the digest of its source."""
    sources = {source.digest: source for source in plan.code}
    found = {}
    for reference in references_in(plan.config):
        source = sources[str(reference.digest)]
        file = module_file(source.files, reference.module) or reference.module
        told = {"file": source.place(file), "class": reference.name, "digest": source.digest}
        found[str(reference)] = told
    return [found[name] for name in sorted(found)]


def code_line(told: Mapping[str, str]) -> str:
    """The same of one for people."""
    return one_line(f"code: {told['file']}, class {told['class']}, digest {told['digest']}")


def plan_lines(document: dict[str, Any]) -> list[str]:
    """The same for people."""
    jobs = document["jobs"]
    lines = [f"{document['name']}: {_what(document)}"]
    width = max((len(row["name"]) for row in document["rows"]), default=0)
    for row in document["rows"]:
        differs = [_differs(key, told["from"], told["to"]) for key, told in row["differs"].items()]
        of_all = "the settings of the ablation"
        about = ", ".join([row["policy"], *differs] if row["policy"] else differs or [of_all])
        seeds = f"  seeds {', '.join(map(str, row['seeds']))}" if row["seeds"] else ""
        lines.append(one_line(f"  {row['name']:{width}}  {about}{seeds}"))
    lines.append(
        f"jobs: {jobs['new']} new, {jobs['kept']} of this ablation, {jobs['shared']} shared with others"
    )
    lines += [f"  {kind}: {told['new']} of {told['all']} new" for kind, told in jobs["by_kind"].items()]
    seconds = sum(document["worker_seconds"].values())
    untimed = ", ".join(document["untimed"])
    if document["worker_seconds"]:
        without = f", without what is like no job that ended here: {untimed}" if untimed else ""
        lines.append(f"work of one worker: {span(seconds)}, as such jobs took here{without}")
    elif jobs["new"]:
        lines.append(f"work: unknown, as no job like these ended here yet: {untimed}")
    lines += [one_line(f"devices: {sentence}") for sentence in document["devices"]]
    lines += power_lines(document["power"])
    lines += [code_line(told) for told in document["code"]]
    lines += [one_line(f"warning: {sentence}") for sentence in document["warnings"]]
    return lines


def _differs(key: str, before: object, after: object) -> str:
    """A section that is off in one of the two says so; of a row's policy what has no default has no value before."""
    entry = key.removeprefix("policy.")
    if entry != key and before is None:
        return f"{entry}: {_value(after)}"
    one, other = (
        "off" if value is None and isinstance(against, Mapping) else _value(value)
        for value, against in ((before, after), (after, before))
    )
    return f"{entry}: {one} -> {other}"


def _value(value: object) -> str:
    """As it is written in YAML; a class of the user's own with the beginning of its digest."""
    if (own := reference_of(value)) is not None and own.digest is not None:
        return f"{own.label}@{own.digest[:8]}"
    if isinstance(value, Mapping) and value:
        return f"on ({', '.join(f'{key} {_value(inner)}' for key, inner in value.items())})"
    return cut(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False), _LONGEST_VALUE)


def _what(document: dict[str, Any]) -> str:
    if document["otherwise"]:
        return f"a new ablation, as it would not be planned as it was: {document['otherwise']}"
    told = "; ".join(document["told"])
    if document["ablation"] is None:
        return "a new ablation" + (f": {told}" if told else "")
    return f"ablation {document['ablation']}" + (f": {told}" if told else ", nothing new")
