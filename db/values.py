"""Values that go into and come out of the moves of `db.jobs`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypedDict

from settings.json_values import JsonObject

#: (kind, version) of the bodies that a build has.
Versions = Sequence[tuple[str, int]]


@dataclass(frozen=True)
class Lease:
    """One holding of a job. The token rises with every claim, so two holdings are never equal.

    expires_at: as somebody saw it who takes the job back for nothing but silence.
    """

    job_id: int
    token: int
    expires_at: float | None = field(default=None, compare=False)


@dataclass(frozen=True)
class Node:
    """The part of an attempt that one machine computes. worker_id: who starts its ranks. address: where the ranks of
    others reach them. devices: CUDA's names of the GPUs; empty on processors."""

    worker_id: int
    address: str
    devices: tuple[str, ...] = ()


@dataclass(frozen=True)
class Claim:
    """A job held by one attempt. The token is what makes the attempt's effects count. devices: CUDA's names of the GPUs
    of all workers of its machine that are set aside for it; empty where it has those of its own worker, or none. nodes:
    all machines of an attempt that several compute, its own first. ranks: of all those; None: as many as planned."""

    job_id: int
    attempt_id: int
    lease_token: int
    worker_id: int
    kind: str
    label: str
    spec: JsonObject
    step: int
    reached: int
    target_steps: int
    learned: JsonObject
    failures: int
    losses: int
    devices: tuple[str, ...] = ()
    nodes: tuple[Node, ...] = ()
    ranks: int | None = None


@dataclass(frozen=True)
class Bid:
    """The job that a worker wants next, of whose bodies it has those versions, and how long it holds it unheard."""

    job_id: int
    lease_seconds: float
    versions: Versions = ()


@dataclass(frozen=True)
class StoredArtifact:
    """Bytes that already lie in the store under `path` (relative to the home)."""

    kind: str
    name: str
    sha256: str
    path: str
    bytes: int
    final: bool = True


@dataclass(frozen=True)
class MetricPoint:
    name: str
    step: int
    value: float


@dataclass(frozen=True)
class Note:
    """Something an attempt decided that people should see in the event log."""

    kind: str
    message: str
    data: JsonObject = field(default_factory=dict)


class Stage(TypedDict, total=False):
    """stage: what is done before a body says how far it is, `imports` or `loads`; not there from then on."""

    stage: str


class Progress(Stage):
    """How far a worker said that its attempt is. values: figures of that step, by name."""

    step: int
    total: int
    values: Mapping[str, float]


@dataclass(frozen=True)
class Seconds:
    """How an attempt's time was spent. `took`: all of it, by a monotonic clock; the others are its parts, which a
    running attempt has not booked all."""

    useful: float = 0.0
    replayed: float = 0.0
    checkpoint: float = 0.0
    load: float = 0.0
    idle: float = 0.0
    took: float = 0.0


@dataclass(frozen=True)
class Ending:
    """How an attempt ends: its outcome, why, and what it leaves behind."""

    outcome: str
    step: int
    reason: str | None = None
    artifacts: Sequence[StoredArtifact] = ()
    metrics: Sequence[MetricPoint] = ()
    result: JsonObject | None = None
    seconds: Seconds = field(default_factory=Seconds)
    save_seconds: float | None = None
    notes: Sequence[Note] = ()
    learned: JsonObject | None = None
    environment: JsonObject | None = None


@dataclass(frozen=True)
class Lost:
    """A job that was taken back from a worker that stopped answering."""

    label: str
    state: str
