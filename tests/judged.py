"""Jobs of an ablation ended as if workers had done them, its trained models with results that the test names."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sqlalchemy import update

from db import queries
from db.engine import Database
from db.jobs.control import release_counted
from db.statements import UNCOUNTED, job
from db.states import BLOCKED, SUCCEEDED
from settings.json_values import JsonObject
from tests.support import NOW

#: Results, one for each sequence, of an arm's model with a seed.
Results = Callable[[str, int], Sequence[int]]


def closed_loop_result(spec: JsonObject, results: Sequence[int]) -> JsonObject:
    """What a shard of sequences says in the end. results: of all sequences of its model."""
    first, last = int(str(spec["first"])), int(str(spec["last"]))
    entries = [
        {"sequence": number, "done": int(results[number]), "steps": 1, "tasks": None, "actions": ""}
        for number in range(first, last)
    ]
    return {
        "mode": "closed_loop", "results": entries, "scene": "D", "simulator": "playtable",
        "simulator_description": None, "policy_batch": None, "counts": {}, "success": [0.0] * 5, "avg_len": 0.0,
        "tasks": {},
    }  # fmt: skip


def end(database: Database, ablation_id: int, results: Results, *, reports: bool = True) -> None:
    """All jobs of an ablation succeed. reports: also that."""
    with database.write() as tx:
        for row in queries.jobs_of(database, ablation_id):
            if row.state == SUCCEEDED or (row.kind == "report" and not reports):
                continue
            result: JsonObject | None = None
            if row.kind == "evaluate" and row.spec["mode"] == "closed_loop":
                of_model = row.arm is not None and row.seed is not None
                last = int(str(row.spec["last"]))
                known = results(str(row.arm), int(row.seed or 0)) if of_model else [0] * last
                result = closed_loop_result(row.spec, known)
            values = {"state": SUCCEEDED, "result": result, "finished_at": NOW}
            tx.execute(update(job).where(job.c.id == row.id).values(**values))
        tx.execute(update(job).where(job.c.state == BLOCKED).values(waiting_on=UNCOUNTED))
        release_counted(tx)
