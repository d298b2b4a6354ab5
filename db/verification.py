"""Checking the store: whether the bytes that rows point to are there and right, and who would redo them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from sqlalchemy import select

from db.engine import Database
from db.retention import NEEDED, Retention, producers, rule_of, verdicts
from db.rows import read_rows
from db.statements import ablation_job, artifact, job
from db.store import ArtifactStore
from settings.faults import LOOKS, need_fact
from settings.ownership import refusal

OK, DAMAGED, MISSING = "ok", "damaged", "missing"
#: Missing, but nothing unfinished reads it: left behind by a bundle or removed by `gc --spent`.
LEFT_BEHIND = "left_behind"

BAD = (DAMAGED, MISSING)


@dataclass(frozen=True)
class Checked:
    """One artifact row and the state of its bytes. `redo_from` is the step its job would start again from."""

    path: str
    sha256: str
    kind: str
    name: str
    step: int
    bytes: int
    job_id: int
    job: str
    state: str
    redo_from: int


def verify(
    db: Database,
    store: ArtifactStore,
    retention: Retention,
    on_bytes: Callable[[int, int], None] = lambda _done, _total: None,
    ablation_id: int | None = None,
) -> list[Checked]:
    """Hash everything the rows point to, by job. Each file is read once, however many rows share it.

    on_bytes: told (bytes hashed, bytes in all) after every file. ablation_id: only what its jobs made. Raises
    InvalidInput for a file that this user may not read.
    """
    statement = (
        select(
            artifact.c.id, artifact.c.path, artifact.c.sha256, artifact.c.kind, artifact.c.name, artifact.c.step,
            artifact.c.bytes, artifact.c.final, artifact.c.job_id, job.c.label,
        )
        .join(job, job.c.id == artifact.c.job_id)
        .order_by(artifact.c.job_id, artifact.c.step, artifact.c.id)
    )  # fmt: skip
    if ablation_id is not None:
        mine = select(ablation_job.c.job_id).where(ablation_job.c.ablation_id == ablation_id)
        statement = statement.where(artifact.c.job_id.in_(mine))
    with db.read() as tx:
        rows = read_rows(tx, _Stored, statement)
        unneeded = {
            output_id
            for _, producer in producers(tx, rule_of(tx, retention))
            for output_id, verdict in verdicts(producer).items()
            if verdict != NEEDED
        }
    states: dict[str, str] = {}
    done, total = 0, sum({row.path: row.bytes for row in rows}.values())
    for row in rows:
        if row.path not in states:
            states[row.path] = _state(store, row)
            done += row.bytes
            on_bytes(done, total)
    checked: list[Checked] = []
    for _, group in groupby(rows, key=lambda row: row.job_id):
        checked.extend(_of_job(list(group), states, unneeded))
    return checked


@dataclass(frozen=True, slots=True)
class _Stored:
    id: int
    path: str
    sha256: str
    kind: str
    name: str
    step: int
    bytes: int
    final: bool
    job_id: int
    label: str


def _state(store: ArtifactStore, row: _Stored) -> str:
    for _ in range(LOOKS):
        try:
            return OK if store.digest(row.path) == (row.sha256, row.bytes) else DAMAGED
        except (FileNotFoundError, NotADirectoryError):
            return MISSING
        except PermissionError:  # whether they are right is not known
            raise refusal("read", store.path(row.path)) from None
        except OSError as error:
            need_fact(error)
    return DAMAGED  # the disk cannot read it


def _of_job(rows: Sequence[_Stored], states: dict[str, str], unneeded: set[int]) -> Iterator[Checked]:
    """rows: of one job, by step."""
    checkpoints = {row.step for row in rows if not row.final}
    sound = checkpoints - {row.step for row in rows if states[row.path] != OK}
    for row in rows:
        state = states[row.path]
        if state == MISSING and row.id in unneeded:
            state = LEFT_BEHIND
        yield Checked(
            row.path, row.sha256, row.kind, row.name, row.step, row.bytes, row.job_id, row.label, state,
            max((step for step in sound if step < row.step), default=0),
        )  # fmt: skip
