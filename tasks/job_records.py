"""Jobs as rows hold them, read by their kinds."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from settings.json_values import JsonObject
from tasks.kind import JobResult, Spec
from tasks.records import JobRecord
from tasks.registry import kind_named

_SUCCEEDED = "succeeded"


class Row(Protocol):
    """As `db.rows.JobRow` has them."""

    @property
    def id(self) -> int: ...
    @property
    def kind(self) -> str: ...
    @property
    def label(self) -> str: ...
    @property
    def state(self) -> str: ...
    @property
    def step(self) -> int: ...
    @property
    def spec(self) -> JsonObject: ...
    @property
    def result(self) -> JsonObject | None: ...
    @property
    def run_id(self) -> int | None: ...
    @property
    def arm(self) -> str | None: ...
    @property
    def seed(self) -> int | None: ...


def records_of_jobs(rows: Iterable[Row]) -> list[JobRecord]:
    """Each in its place; a job of several runs is read once. Raises InvalidInput for parameters that nothing can be
    made of."""
    read: dict[int, tuple[Spec, JobResult | None]] = {}
    found = []
    for row in rows:
        if row.id not in read:
            kind = kind_named(row.kind)
            ended = row.result if row.state == _SUCCEEDED else None
            read[row.id] = kind.spec_of(row.spec), None if ended is None else kind.result_of(ended)
        spec, result = read[row.id]
        found.append(
            JobRecord(
                row.id, row.kind, row.label, row.state, row.step, spec, result, row.run_id, row.arm, row.seed
            )
        )
    return found
