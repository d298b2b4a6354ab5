"""What a bundle asks for: the settings of its ablations and the parameters of its jobs, before they count here."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from sqlalchemy import Connection, select, update

from db.engine import Database
from db.jobs.control import release_counted
from db.rows import read_rows
from db.schema import Ablation, Code
from db.statements import UNCOUNTED, job
from db.states import BLOCKED
from errors import BundleError
from settings.json_values import JsonObject
from settings.shown import cut

_AT_ONCE = 500


class Judge(Protocol):
    """Knows what jobs are told. Its methods return what may stay, or raise ValueError with the end of a sentence."""

    def code(self, digest: str, files: JsonObject) -> None:
        """Source that jobs may name from then on; asked before all else."""

    def settings(self, settings: dict[str, object]) -> dict[str, object]:
        """Of an ablation."""

    def parameters(self, kind: str, parameters: dict[str, object]) -> dict[str, object]:
        """Of a job."""

    @property
    def left_out(self) -> tuple[str, ...]:
        """What was taken away so far, each once, in words."""


def judge_contents(state: Path, judge: Judge) -> None:
    """Have `judge` look at all that the state asks for, and keep what it returns; what waits is counted afresh, and no
    code is allowed.

    state: of this version's schema, with values that are sound by themselves. Raises BundleError.
    """
    with closing(Database(state)) as database, database.write() as tx:
        for source in tx.execute(select(Code.digest, Code.files)).all():
            with _named(f"its code {cut(source.digest)}"):
                judge.code(source.digest, source.files)
        tx.execute(update(Code).values(allowed=False))  # whatever it says
        for row in tx.execute(select(Ablation.id, Ablation.config)).all():
            with _named(f"its ablation {row.id}"):
                settings = judge.settings(row.config)
            if settings != row.config:
                tx.execute(update(Ablation).where(Ablation.id == row.id).values(config=settings))
        for asked in _jobs(tx):
            with _named(f"its job {asked.id} ({cut(asked.label)})"):
                spec = judge.parameters(asked.kind, asked.spec)
            if spec != asked.spec:
                tx.execute(update(job).where(job.c.id == asked.id).values(spec=spec))
        tx.execute(update(job).where(job.c.state == BLOCKED).values(waiting_on=UNCOUNTED))
        release_counted(tx)


@contextmanager
def _named(place: str) -> Iterator[None]:
    try:
        yield
    except ValueError as error:
        raise BundleError(f"{place} {error}") from None


@dataclass(frozen=True, slots=True)
class _Job:
    id: int
    kind: str
    label: str
    spec: dict[str, object]


def _jobs(tx: Connection) -> Iterator[_Job]:
    """Some at a time: there may be hundreds of thousands."""
    last = 0
    columns = select(job.c.id, job.c.kind, job.c.label, job.c.spec).order_by(job.c.id).limit(_AT_ONCE)
    while rows := read_rows(tx, _Job, columns.where(job.c.id > last)):
        yield from rows
        last = rows[-1].id
