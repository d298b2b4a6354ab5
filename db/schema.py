"""The tables of the state. Times (`*_at`, `deadline`) are Unix seconds (UTC), for people: clocks are set, so no
duration is a difference of two. JSON columns hold plain JSON."""

from __future__ import annotations

from sqlalchemy import JSON, BigInteger, ForeignKey, Index, Integer, MetaData, UniqueConstraint, text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from db.ids import NextId

#: Few jobs wait and this is asked many times a second: an index of those alone, used where a query says the same.
WAITS = text("wait_seconds > 0")
#: Likewise: jobs of several devices.
OF_SEVERAL = text("devices > 1")


class Base(DeclarativeBase):
    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {dict[str, object]: JSON(none_as_null=True)}  # noqa: RUF012


class Ablation(Base):
    """Arms x seeds that end in one table. `intent` is what the user wants; the state is derived."""

    __tablename__ = "ablation"
    id: Mapped[int] = mapped_column(primary_key=True, default=NextId("ablation"))
    key: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    config: Mapped[dict[str, object]]
    command: Mapped[str]
    intent: Mapped[str] = mapped_column(default="active")  # active, paused, cancelled
    job_count: Mapped[int] = mapped_column(default=0)  # jobs linked to it: status counts only the unfinished
    created_at: Mapped[float]
    open: Mapped[bool] = mapped_column(default=False)  # more of it is planned once these jobs have ended


class Job(Base):
    """A unit of queued work, keyed by everything that decides its output."""

    __tablename__ = "job"
    id: Mapped[int] = mapped_column(primary_key=True, default=NextId("job"))
    key: Mapped[str] = mapped_column(unique=True)
    kind: Mapped[str]
    version: Mapped[int | None]  # of the kind's body; only builds that have it run the job. None: any build
    label: Mapped[str]
    spec: Mapped[dict[str, object]]
    resource: Mapped[str]  # cpu, accelerator
    devices: Mapped[int] = mapped_column(default=1)  # that it is divided over
    nodes: Mapped[int] = mapped_column(default=1)  # machines that those are of, as many of each
    elastic: Mapped[bool] = mapped_column(default=False)  # goes on with fewer machines, where some are lost
    priority: Mapped[int]
    fair: Mapped[bool] = mapped_column(default=True)  # each slice sends it behind those of its priority
    turn: Mapped[int] = mapped_column(default=0)  # its place among those: slices so far, or 0 when not fair
    state: Mapped[str]
    intent: Mapped[str] = mapped_column(default="active")  # active, paused
    held: Mapped[bool] = mapped_column(default=False)  # paused, or wanted by nothing active: not rung
    waiting_on: Mapped[int] = mapped_column(default=0)
    wait_seconds: Mapped[float] = mapped_column(
        default=0.0
    )  # a ready job is rung once a ringer counted so many
    queued_at: Mapped[float | None]
    lease_token: Mapped[int] = mapped_column(default=0)
    lease_expires_at: Mapped[float | None]
    worker_id: Mapped[int | None] = mapped_column(ForeignKey("worker.id"))
    preferred_worker_id: Mapped[int | None] = mapped_column(ForeignKey("worker.id"))
    cancel_requested: Mapped[bool] = mapped_column(default=False)
    step: Mapped[int] = mapped_column(default=0)
    reached: Mapped[int] = mapped_column(default=0)  # furthest step any attempt saw: below it is replayed
    target_steps: Mapped[int] = mapped_column(default=1)
    learned: Mapped[dict[str, object] | None]  # what attempts found out and later ones obey
    slices: Mapped[int] = mapped_column(default=0)
    failures: Mapped[int] = mapped_column(default=0)
    losses: Mapped[int] = mapped_column(default=0)  # of its worker alone, without progress in between
    session_losses: Mapped[int] = mapped_column(default=0)  # of its worker's whole session, likewise
    result: Mapped[dict[str, object] | None]
    error: Mapped[str | None]
    created_at: Mapped[float]
    finished_at: Mapped[float | None]  # for who reads the state himself: nothing of Baton asks for it

    __table_args__ = (
        Index(None, "state", "held", "resource", "priority", "turn", "id"),
        Index("ix_job_lease", "lease_expires_at", sqlite_where=text("state = 'running'")),
        Index("ix_job_wait", "wait_seconds", sqlite_where=WAITS, postgresql_where=WAITS),
        Index("ix_job_several", "devices", sqlite_where=OF_SEVERAL, postgresql_where=OF_SEVERAL),
    )


class JobDependency(Base):
    """`job_id` cannot start before `depends_on_id` has succeeded; its artifacts arrive as `role`."""

    __tablename__ = "job_dependency"
    job_id: Mapped[int] = mapped_column(ForeignKey("job.id"), primary_key=True)
    depends_on_id: Mapped[int] = mapped_column(ForeignKey("job.id"), primary_key=True, index=True)
    role: Mapped[str] = mapped_column(primary_key=True)


class Run(Base):
    """One arm with one seed. Its step is its training job's."""

    __tablename__ = "run"
    id: Mapped[int] = mapped_column(primary_key=True, default=NextId("run"))
    ablation_id: Mapped[int] = mapped_column(ForeignKey("ablation.id"))
    arm: Mapped[str]
    seed: Mapped[int]
    train_job_id: Mapped[int] = mapped_column(ForeignKey("job.id"), index=True)
    intent: Mapped[str] = mapped_column(default="active")  # as of the ablation

    __table_args__ = (UniqueConstraint("ablation_id", "arm", "seed"),)


class AblationJob(Base):
    """Which ablation (and run) a job serves: equal work is one job for however many ask for it."""

    __tablename__ = "ablation_job"
    id: Mapped[int] = mapped_column(primary_key=True)
    ablation_id: Mapped[int] = mapped_column(ForeignKey("ablation.id"), index=True)
    job_id: Mapped[int] = mapped_column(ForeignKey("job.id"))
    run_id: Mapped[int | None] = mapped_column(ForeignKey("run.id"), index=True)

    __table_args__ = (
        UniqueConstraint("ablation_id", "job_id", "run_id"),
        Index(None, "job_id", "ablation_id", "run_id"),  # status and `wanted` read the index alone
    )


class Session(Base):
    """One stay on one machine, named `host` for people (who it is: as of `Worker`). `steady_at` is its beginning as
    `settings.clock.steady` of the start `boot` tells it; `age_seconds` is what its command counted, some seconds old
    while it runs."""

    __tablename__ = "session"
    id: Mapped[int] = mapped_column(primary_key=True)
    host: Mapped[str]
    pid: Mapped[int]
    command: Mapped[str]
    started_at: Mapped[float]
    deadline: Mapped[float | None]
    ended_at: Mapped[float | None]
    reason: Mapped[str | None]
    pid_started_at: Mapped[float | None]
    boot: Mapped[str | None]
    steady_at: Mapped[float | None]
    limit_seconds: Mapped[float | None]  # from the beginning to the deadline
    age_seconds: Mapped[float | None]
    process_space: Mapped[str | None]


class Worker(Base):
    """One worker process. `pid` counts in `process_space`, and `pid_started_at` tells it from a later process with the
    same number (`settings.processes`); `host` is for people. `steady_at`: its last heartbeat, as
    `settings.clock.steady` of the start `boot` tells it. `address`: where ranks of other machines reach its own; None
    where it computes with none."""

    __tablename__ = "worker"
    id: Mapped[int] = mapped_column(primary_key=True)
    session_id: Mapped[int | None] = mapped_column(ForeignKey("session.id"), index=True)
    name: Mapped[str]
    host: Mapped[str]
    pid: Mapped[int]
    pid_started_at: Mapped[float]
    device: Mapped[str]
    state: Mapped[str]  # idle, busy, stopped, lost
    job_id: Mapped[int | None]
    progress: Mapped[dict[str, object] | None]
    started_at: Mapped[float]
    heartbeat_at: Mapped[float]
    stopped_at: Mapped[float | None]
    boot: Mapped[str | None]
    steady_at: Mapped[float | None]
    process_space: Mapped[str | None]
    address: Mapped[str | None]

    __table_args__ = (Index(None, "state"),)


class Seat(Base):
    """A worker that is set aside for one attempt of a job of several devices, the one with `lease_token`: from when its
    bell is rung until it ends, however that is (`db.jobs.gangs.HOLDS`). No statement frees it, so that none can be
    forgotten. visible: what CUDA calls the worker's devices; None until it came, its device being free. told: what the
    worker has to say to those of other machines: where they meet, or why its own ranks ended."""

    __tablename__ = "seat"
    worker_id: Mapped[int] = mapped_column(ForeignKey("worker.id"), primary_key=True, autoincrement=False)
    job_id: Mapped[int]
    lease_token: Mapped[int]
    visible: Mapped[str | None]
    told: Mapped[dict[str, object] | None]


class Attempt(Base):
    """One execution of a job. Its seconds are split by what they were spent on. `took_seconds`: all of them, by the
    worker's monotonic clock; of an attempt that was killed, what it said last; None where it was never measured."""

    __tablename__ = "attempt"
    id: Mapped[int] = mapped_column(primary_key=True, default=NextId("attempt"))
    job_id: Mapped[int] = mapped_column(ForeignKey("job.id"))  # the unique tokens are its index
    lease_token: Mapped[int]
    worker_id: Mapped[int] = mapped_column(ForeignKey("worker.id"), index=True)
    started_at: Mapped[float]
    ended_at: Mapped[float | None]
    outcome: Mapped[str | None]  # succeeded, yielded, preempted, lost, oom, failed, cancelled
    reason: Mapped[str | None]
    step_from: Mapped[int]
    step_to: Mapped[int | None]
    environment: Mapped[dict[str, object] | None]
    useful_seconds: Mapped[float] = mapped_column(default=0.0)
    replayed_seconds: Mapped[float] = mapped_column(default=0.0)
    checkpoint_seconds: Mapped[float] = mapped_column(default=0.0)
    load_seconds: Mapped[float] = mapped_column(default=0.0)
    idle_seconds: Mapped[float] = mapped_column(default=0.0)
    save_seconds: Mapped[float | None]  # longest time from a stop to its checkpoint's row, not in the sum
    took_seconds: Mapped[float | None]

    __table_args__ = (UniqueConstraint("job_id", "lease_token"),)


class Artifact(Base):
    """Bytes in the store that an attempt published. `path` is relative to the home."""

    __tablename__ = "artifact"
    id: Mapped[int] = mapped_column(primary_key=True)
    sha256: Mapped[str] = mapped_column(index=True)
    kind: Mapped[str] = mapped_column(index=True)
    name: Mapped[str]
    path: Mapped[str]
    bytes: Mapped[int] = mapped_column(BigInteger().with_variant(Integer(), "sqlite"))
    job_id: Mapped[int] = mapped_column(ForeignKey("job.id"))
    attempt_id: Mapped[int] = mapped_column(ForeignKey("attempt.id"))
    step: Mapped[int]
    final: Mapped[bool]
    created_at: Mapped[float]

    __table_args__ = (UniqueConstraint("job_id", "name", "step"),)


class Metric(Base):
    """A measured figure of a job at a step, committed with the checkpoint that contains the step."""

    __tablename__ = "metric"
    job_id: Mapped[int] = mapped_column(ForeignKey("job.id"), primary_key=True)
    name: Mapped[str] = mapped_column(primary_key=True)
    step: Mapped[int] = mapped_column(primary_key=True)
    value: Mapped[float]
    at: Mapped[float]


class Event(Base):
    """What happened, for people."""

    __tablename__ = "event"
    id: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[float]
    kind: Mapped[str] = mapped_column(index=True)
    message: Mapped[str]
    ablation_id: Mapped[int | None]
    job_id: Mapped[int | None] = mapped_column(index=True)
    attempt_id: Mapped[int | None]
    worker_id: Mapped[int | None]
    data: Mapped[dict[str, object] | None]


class Identity(Base):
    """One row: a random key that tells this state from every other. A bundle carries it along. And the ids that rows of
    `db.ids` had which are no more."""

    __tablename__ = "identity"
    id: Mapped[int] = mapped_column(primary_key=True)
    key: Mapped[str]
    shared: Mapped[bool] = mapped_column(default=False)  # its artifacts are objects behind a URL
    last_ablation_id: Mapped[int] = mapped_column(default=0)  # the highest that was removed, as of the others
    last_run_id: Mapped[int] = mapped_column(default=0)
    last_job_id: Mapped[int] = mapped_column(default=0)
    last_attempt_id: Mapped[int] = mapped_column(default=0)


class Handover(Base):
    """A bundle that was made of this home or came into it. All of them, oldest first, are the home's history."""

    __tablename__ = "handover"
    id: Mapped[int] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(unique=True)  # random, the bundle's own
    at: Mapped[float]
    host: Mapped[str]
    facts_left: Mapped[str]  # digest of the facts it was made of
    facts_arrived: Mapped[str]  # the same, with what was running taken back
    attempts: Mapped[int]
    held: Mapped[dict[str, object] | None]  # {"paths": artifacts whoever has it has}, of the newest one only


class Code(Base):
    """Source of the user's own (`settings.code_source`) that jobs name by its digest. A state runs none that it does
    not allow."""

    __tablename__ = "code"
    id: Mapped[int] = mapped_column(primary_key=True)
    digest: Mapped[str] = mapped_column(unique=True)
    files: Mapped[dict[str, object]]  # text by path
    command: Mapped[str]  # it came by
    created_at: Mapped[float]
    allowed: Mapped[bool]
