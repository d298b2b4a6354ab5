"""Which artifacts still serve a purpose. One rule, used by `artifacts gc` and by `bundle export`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from itertools import groupby

from sqlalchemy import Connection, select

from db.statements import ablation_job, artifact, dependency, job
from db.states import SUCCEEDED
from settings.spacing import evenly_spaced

#: Read by an unfinished job or by a report, or a result that people want: never removed, always carried.
NEEDED = "needed"
#: A checkpoint on the way that newer ones, or the job's end, have replaced: row and bytes may go.
SUPERSEDED = "superseded"
#: Only finished jobs have read it. Its bytes may go; its job makes them again should anybody ask.
SPENT = "spent"

#: Should the newest checkpoint be damaged, a job falls back to the one before.
CHECKPOINTS_KEPT = 2


@dataclass(frozen=True)
class Retention:
    """What kinds of job say of their artifacts.

    intermediate: kinds of artifact that are steps on the way; every other one is what an ablation is run for, and kept
    when nothing reads it. pictured: by kind of job, how many of an ablation's the report shows pictures of.
    """

    intermediate: frozenset[str]
    pictured: Mapping[str, int]


@dataclass(frozen=True)
class Rule:
    """A `Retention`, and the jobs that stand in the pictures of reports now (`rule_of`)."""

    intermediate: frozenset[str]
    shown: Set[int]


@dataclass(frozen=True)
class Output:
    """One artifact row of a job. intermediate: a step on the way."""

    id: int
    intermediate: bool
    path: str
    step: int
    final: bool


@dataclass(frozen=True)
class Producer:
    """A job with its artifact rows. wanted: an unfinished job depends on it; shown: in a report's pictures."""

    state: str
    step: int
    wanted: bool
    shown: bool
    outputs: Sequence[Output]


def verdicts(producer: Producer) -> dict[int, str]:
    """Artifact id -> NEEDED, SUPERSEDED or SPENT, for all outputs of one job.

    Checkpoints above the job's step are superseded: they were given up when it fell back behind them.
    """
    done = producer.state == SUCCEEDED
    steps = sorted(
        {o.step for o in producer.outputs if not o.final and o.step <= producer.step}, reverse=True
    )
    kept = () if done else steps[:CHECKPOINTS_KEPT]
    found = {}
    for output in producer.outputs:
        if not output.final:
            found[output.id] = NEEDED if output.step in kept else SUPERSEDED
        elif done and (producer.wanted or producer.shown or not output.intermediate):
            found[output.id] = NEEDED
        else:
            found[output.id] = SPENT
    return found


def producers(
    tx: Connection, rule: Rule, job_ids: Sequence[int] | None = None
) -> Iterator[tuple[int, Producer]]:
    """(job id, Producer) of every job with artifacts, or of those among `job_ids`, as the transaction sees them.

    rule: from `rule_of`, which takes longer than all the rest for a few jobs.
    """
    rows = select(
        artifact.c.job_id, job.c.state, job.c.step.label("reached"),
        artifact.c.id, artifact.c.kind, artifact.c.path, artifact.c.step, artifact.c.final,
    ).join(job, job.c.id == artifact.c.job_id).order_by(artifact.c.job_id, artifact.c.id)  # fmt: skip
    consumer = job.alias("consumer")
    # Failed and cancelled jobs may be tried again.
    reading = (
        select(dependency.c.depends_on_id)
        .join(consumer, consumer.c.id == dependency.c.job_id)
        .where(consumer.c.state != SUCCEEDED)
        .distinct()
    )
    if job_ids is not None:
        rows = rows.where(artifact.c.job_id.in_(job_ids))
        reading = reading.where(dependency.c.depends_on_id.in_(job_ids))
    wanted = set(tx.execute(reading).scalars())
    for job_id, group in groupby(tx.execute(rows), key=lambda row: row.job_id):
        mine = list(group)
        outputs = [
            Output(row.id, row.kind in rule.intermediate, row.path, row.step, row.final) for row in mine
        ]
        yield (
            job_id,
            Producer(mine[0].state, mine[0].reached, job_id in wanted, job_id in rule.shown, outputs),
        )


def rule_of(tx: Connection, retention: Retention) -> Rule:
    """With the jobs in the pictures of each ablation's report, and the jobs that those read."""
    statement = (
        select(ablation_job.c.ablation_id, job.c.kind, job.c.id)
        .join(job, job.c.id == ablation_job.c.job_id)
        .where(job.c.kind.in_(retention.pictured), job.c.state == SUCCEEDED)
        .distinct()
        .order_by(ablation_job.c.ablation_id, job.c.kind, job.c.id)
    )
    examples: set[int] = set()
    for (_, kind), group in groupby(tx.execute(statement), key=lambda row: (row.ablation_id, row.kind)):
        ids = [row.id for row in group]
        places = evenly_spaced(len(ids), retention.pictured[kind], rounded_down=True)
        examples.update(ids[place] for place in places)
    frames = select(dependency.c.depends_on_id).where(dependency.c.job_id.in_(examples))
    return Rule(retention.intermediate, examples | set(tx.execute(frames).scalars()))
