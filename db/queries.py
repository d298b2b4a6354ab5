"""Reading the state: ablations, what belongs to them, artifacts and events. How far all is: `db.standings`."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, func, null, select, true

from db.engine import Database
from db.jobs import job
from db.parts import in_parts
from db.rows import (
    AblationRow,
    ArtifactRow,
    AttemptRow,
    EventRow,
    JobRow,
    JobStanding,
    MetricRow,
    OpenJob,
    RunRow,
    read_rows,
)
from db.schema import Ablation, AblationJob, Artifact, Attempt, Event, Metric, Run, Worker
from db.statements import dependency
from db.states import FAILED, FINAL
from errors import InvalidInput
from settings.json_values import JsonObject
from settings.names import look
from settings.points import OF_DEMONSTRATION
from settings.shown import shown
from settings.typed import typed
from settings.whole_numbers import whole_number

#: Columns of `JobStanding`, of `AttemptRow` and of `EventRow`.
STANDING = (job.c.id, job.c.label, job.c.state, job.c.step, job.c.target_steps)
ATTEMPTS = (
    select(
        Attempt.job_id, job.c.kind, Worker.name.label("worker"), Worker.host,
        Attempt.started_at, Attempt.ended_at, Attempt.outcome, Attempt.reason, Attempt.step_from, Attempt.step_to,
        Attempt.environment, Attempt.useful_seconds, Attempt.replayed_seconds, Attempt.checkpoint_seconds,
        Attempt.load_seconds, Attempt.idle_seconds, Attempt.took_seconds,
    )
    .join(job, job.c.id == Attempt.job_id)
    .join(Worker, Worker.id == Attempt.worker_id)
    .order_by(Attempt.id)
)  # fmt: skip
EVENTS = select(
    Event.id, Event.at, Event.kind, Event.message, Event.ablation_id, Event.job_id, Event.attempt_id, Event.worker_id,
    Event.data,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class ListedArtifact:
    """An artifact and a run that it serves (None: all of its ablations' runs), with its job's label, as `artifacts`
    lists it."""

    sha256: str
    kind: str
    name: str
    path: str
    bytes: int
    run: int | None
    job_id: int
    job: str
    step: int
    final: bool
    created_at: float


def ablation_row(db: Database, wanted: str | int | None) -> AblationRow | None:
    """The newest ablation, or the newest with this id, name or key; None when there is none. A number is an id alone.

    Raises InvalidInput for a name that is the id of another.
    """
    with db.read() as tx:
        rows = select_ablations(tx, wanted)
    if isinstance(wanted, str) and (sentence := two_meanings(db, rows, wanted)):
        raise InvalidInput(sentence)
    return rows[-1] if rows else None


def two_meanings(db: Database, rows: Sequence[AblationRow], wanted: str) -> str | None:
    """What to say of ablations that are all meant by `wanted`, where it is the id of one and the name of another."""
    number = whole_number(wanted)
    named = [row for row in rows if row.id != number]
    if not named or len(named) == len(rows):
        return None
    ids = ", ".join(str(row.id) for row in rows[:-1]) + f" and {rows[-1].id}"
    return f"{shown(wanted)} may mean several ablations: {ids}; call one otherwise first: " + typed(
        f"ablation rename {named[0].id} NEW", db.home
    )


def ablation_rows(db: Database) -> list[AblationRow]:
    """All ablations, oldest first."""
    with db.read() as tx:
        return select_ablations(tx, None)


def select_ablations(tx: Connection, wanted: str | int | None) -> list[AblationRow]:
    """Those with this id, name or key, or all; oldest first. A number is an id alone. Where no name is that, those with
    a name that looks like it."""
    found = _select_ablations(tx, wanted)
    if found or not isinstance(wanted, str):
        return found
    named = tx.execute(select(Ablation.id, Ablation.name).order_by(Ablation.id)).all()
    return [row for id_, name in named if look(name) == look(wanted) for row in _select_ablations(tx, id_)]


def _select_ablations(tx: Connection, wanted: str | int | None) -> list[AblationRow]:
    statement = select(
        Ablation.id, Ablation.key, Ablation.name, Ablation.intent, Ablation.job_count, Ablation.config,
        Ablation.command,
    ).order_by(Ablation.id)  # fmt: skip
    if isinstance(wanted, int):
        statement = statement.where(Ablation.id == wanted)
    elif wanted is not None:
        matches = (Ablation.name == wanted) | (Ablation.key == wanted)
        if (number := whole_number(wanted)) is not None:
            matches = matches | (Ablation.id == number)
        statement = statement.where(matches)
    return read_rows(tx, AblationRow, statement)


def jobs_of(db: Database, ablation_id: int, kinds: Sequence[str] | None = None) -> list[JobRow]:
    """All jobs of an ablation by id, or those of some kinds."""
    some = true() if kinds is None else job.c.kind.in_(kinds)
    with db.read() as tx:
        return read_rows(
            tx,
            JobRow,
            select(
                job.c.id, job.c.key, job.c.kind, job.c.version, job.c.label, job.c.spec, job.c.state, job.c.step,
                job.c.result, AblationJob.run_id, Run.arm, Run.seed,
            )
            .join(AblationJob, AblationJob.job_id == job.c.id)
            .outerjoin(Run, Run.id == AblationJob.run_id)
            .where(AblationJob.ablation_id == ablation_id, some)
            .order_by(job.c.id),
        )  # fmt: skip


def keys_of(db: Database, ablation_id: int) -> dict[str, str]:
    """Key -> kind of all jobs of an ablation."""
    with db.read() as tx:
        rows = tx.execute(
            select(job.c.key, job.c.kind)
            .join(AblationJob, AblationJob.job_id == job.c.id)
            .where(AblationJob.ablation_id == ablation_id)
        )
        return {row.key: row.kind for row in rows}


def known_keys(db: Database, keys: Collection[str]) -> set[str]:
    """Those of `keys` that jobs have, whichever ablation they are of."""
    found: set[str] = set()
    with db.read() as tx:
        for some in in_parts(list(keys)):
            found.update(tx.execute(select(job.c.key).where(job.c.key.in_(some))).scalars())
    return found


def specs_of(db: Database, ablation_id: int, kinds: Sequence[str]) -> list[tuple[str | None, JsonObject]]:
    """(arm, parameters) of the jobs of these kinds of an ablation, by id; None for a job that is of no run."""
    with db.read() as tx:
        rows = tx.execute(
            select(Run.arm, job.c.spec)
            .select_from(AblationJob)
            .join(job, job.c.id == AblationJob.job_id)
            .outerjoin(Run, Run.id == AblationJob.run_id)
            .where(AblationJob.ablation_id == ablation_id, job.c.kind.in_(kinds))
            .order_by(job.c.id, AblationJob.id)
        )
        return [(row.arm, row.spec) for row in rows]


def failures(db: Database, ablation_id: int) -> list[tuple[str, str]]:
    """(label, reason) of each failed job, once for every run that asks for it."""
    with db.read() as tx:
        rows = tx.execute(
            select(job.c.label, job.c.error)
            .join(AblationJob, AblationJob.job_id == job.c.id)
            .where(AblationJob.ablation_id == ablation_id, job.c.state == FAILED)
            .order_by(job.c.id)
        )
        return [(label, error) for label, error in rows]


def growths(db: Database, ablation_id: int) -> list[float]:
    """When people gave an ablation more rows, seeds or sequences: Unix seconds, oldest first."""
    mine = Event.ablation_id == ablation_id, Event.kind == "ablation_grew"
    with db.read() as tx:
        return list(tx.execute(select(Event.at).where(*mine).order_by(Event.id)).scalars())


def dependencies_of(db: Database, ablation_id: int) -> list[tuple[int, int, str]]:
    """(job, the job it depends on, role) of all jobs of an ablation."""
    with db.read() as tx:
        mine = select(AblationJob.job_id).where(AblationJob.ablation_id == ablation_id)
        rows = tx.execute(
            select(dependency.c.job_id, dependency.c.depends_on_id, dependency.c.role)
            .where(dependency.c.job_id.in_(mine))
            .order_by(dependency.c.job_id, dependency.c.depends_on_id)
        )
        return [(job_id, depends_on_id, role) for job_id, depends_on_id, role in rows]


def find_jobs(db: Database, wanted: str) -> list[JobStanding]:
    """Jobs with this id, or with this label."""
    matches = job.c.label == wanted
    if (number := whole_number(wanted)) is not None:
        matches = job.c.id == number
    with db.read() as tx:
        return read_rows(tx, JobStanding, select(*STANDING).where(matches).order_by(job.c.id))


def unfinished_jobs(db: Database) -> list[OpenJob]:
    """All that have not ended, of whichever ablation, by id."""
    with db.read() as tx:
        columns = select(job.c.kind, job.c.label, job.c.spec)
        return read_rows(tx, OpenJob, columns.where(job.c.state.not_in(FINAL)).order_by(job.c.id))


def run_label(db: Database, run_id: int) -> str | None:
    """`arm seed N` of a run, or None."""
    with db.read() as tx:
        row = tx.execute(select(Run.arm, Run.seed).where(Run.id == run_id)).first()
    return None if row is None else f"{row.arm} seed {row.seed}"


def runs_of(db: Database, ablation_id: int) -> list[RunRow]:
    """The runs of an ablation by id."""
    columns = (Run.id, Run.arm, Run.seed, Run.train_job_id)
    with db.read() as tx:
        return read_rows(tx, RunRow, select(*columns).where(Run.ablation_id == ablation_id).order_by(Run.id))


def attempts_of(db: Database, ablation_id: int) -> list[AttemptRow]:
    """Attempts of all jobs of an ablation, each once, oldest first."""
    jobs_here = select(AblationJob.job_id).where(AblationJob.ablation_id == ablation_id)
    with db.read() as tx:
        return read_rows(tx, AttemptRow, ATTEMPTS.where(Attempt.job_id.in_(jobs_here)))


def metrics_of(db: Database, job_id: int) -> list[MetricRow]:
    """What a job measured for people to look at, by name and step."""
    with db.read() as tx:
        return read_rows(
            tx,
            MetricRow,
            select(Metric.name, Metric.step, Metric.value, Metric.at)
            .where(Metric.job_id == job_id, ~Metric.name.startswith(OF_DEMONSTRATION, autoescape=True))
            .order_by(Metric.name, Metric.step),
        )


def took_in_a_bundle(db: Database) -> bool:
    """Whether rows of this state came in a bundle, as an event with data says (`db.bundle.receive`)."""
    imports = select(Event.id).where(Event.kind == "bundle", Event.data.is_not(null())).limit(1)
    with db.read() as tx:
        return tx.execute(imports).first() is not None


def artifacts_of(db: Database, ablation_id: int) -> list[ArtifactRow]:
    """What all jobs of an ablation published, oldest first."""
    mine = select(AblationJob.job_id).where(AblationJob.ablation_id == ablation_id)
    columns = (
        Artifact.sha256, Artifact.name, Artifact.path, Artifact.bytes, Artifact.job_id, Artifact.final,
    )  # fmt: skip
    with db.read() as tx:
        return read_rows(
            tx, ArtifactRow, select(*columns).where(Artifact.job_id.in_(mine)).order_by(Artifact.id)
        )


def artifacts(db: Database, kind: str | None = None, run: int | None = None) -> list[ListedArtifact]:
    """One entry per artifact and run that it serves; of one kind, or of what serves one run."""
    serves = select(AblationJob.job_id, func.min(AblationJob.run_id).label("run_id"))
    if run is not None:
        serves = serves.where(AblationJob.run_id == run)
    links = serves.group_by(AblationJob.job_id).subquery()
    statement = (
        select(
            Artifact.sha256, Artifact.kind, Artifact.name, Artifact.path, Artifact.bytes,
            links.c.run_id.label("run"), Artifact.job_id, job.c.label.label("job"), Artifact.step, Artifact.final,
            Artifact.created_at,
        )
        .join(job, job.c.id == Artifact.job_id)
        .join(links, links.c.job_id == Artifact.job_id, isouter=run is None)
        .order_by(Artifact.id)
    )  # fmt: skip
    if kind is not None:
        statement = statement.where(Artifact.kind == kind)
    with db.read() as tx:
        return read_rows(tx, ListedArtifact, statement)


def events(db: Database, after: int = 0, limit: int = 1000) -> list[EventRow]:
    """The newest `limit` events with an id above `after`, oldest first."""
    with db.read() as tx:
        rows = read_rows(tx, EventRow, EVENTS.where(Event.id > after).order_by(Event.id.desc()).limit(limit))
    return rows[::-1]
