"""Whatever kind of work is forged, bytes with their digest or figures in the database, doing it again finds it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update

from db.engine import Database
from db.migrate import open_state
from db.statements import artifact, job, metric
from db.store import ArtifactStore
from settings.home import Home
from tasks.fixed_state import FixedState
from tests.processes import QUICK, running
from workers import audit
from workers.audit_process import Made, Work, do_again

#: workers/test_audit.py does with one kind what this does with each.
pytestmark = pytest.mark.trial

#: One arm that has every kind of job, on as little as there may be of each.
SMOKE = [
    "--preset", "smoke", "--arms", "recon_pretrain", "--cpus", "1", "--gpus", "none",
    "--set", "data.tasks=[move_slider_right,open_drawer,turn_on_led,push_pink_block_left,lift_pink_block_table]",
    "--set", "training.steps=4", "--set", "pretraining.steps=2", "--set", "training.log_every_steps=1",
    "--set", "evaluation.sequences=1", "--set", "evaluation.max_steps=5", "--set", "attention.frames=4",
]  # fmt: skip

KINDS = (
    "ingest",
    "gaze",
    "index",
    "pretrain",
    "train",
    "open_loop",
    "closed_loop",
    "attention",
    "reconstruct",
)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Home, Database]]:
    """A home whose worker was started from a shell that asks for other threads."""
    folder = tmp_path_factory.mktemp("audited")
    home = Home(folder / "home")
    command = ["--home", str(home.root), "submit-ablation", *SMOKE]
    with running(command, folder / "log", **{**QUICK, "OMP_NUM_THREADS": "2", "MKL_NUM_THREADS": "3"}) as run:
        assert run.wait(timeout=900) == 0, (folder / "log").read_text()
    database = open_state(home)
    yield home, database
    database.close()


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("kind", KINDS)
def test_forged_work_is_different(finished: tuple[Home, Database], kind: str, tmp_path: Path) -> None:
    home, database = finished
    state = FixedState()
    made: list[Made] = []

    def again(work: Work, _then: Any) -> Made:
        """Done once: what is forged is what the work is compared with, not the work."""
        if not made:
            made.append(do_again(work, tmp_path / "audit", state))
        return made[0]

    def verdict(job_id: int) -> str:
        unit = [unit for unit in audit.units_of(database, None) if unit.job_id == job_id][-1]
        return audit.redo(database, ArtifactStore(home), unit, again).verdict

    row = job_of(database, kind)
    assert verdict(row.id) == audit.EQUAL
    fact = final_of(database, row.id)
    with changed(database, artifact, artifact.c.id == fact.id, forged(home, fact), fact):
        assert verdict(row.id) == audit.DIFFERENT
    with changed(database, job, job.c.id == row.id, {"result": other(row.result)}, row):
        assert verdict(row.id) == audit.DIFFERENT
    for point in metrics_of(database, row.id):
        place = (metric.c.job_id == row.id) & (metric.c.name == point.name) & (metric.c.step == point.step)
        with changed(database, metric, place, {"value": point.value + 0.5}, point):
            assert verdict(row.id) == audit.DIFFERENT
    assert kind in ("ingest", "gaze", "index", "closed_loop") or metrics_of(database, row.id)


def job_of(database: Database, kind: str) -> Any:
    """The last job of a kind, or of a mode of evaluation; not that of random actions."""
    with database.read() as tx:
        rows = tx.execute(select(job).order_by(job.c.id)).all()
    return [r for r in rows if kind in (r.kind, r.spec.get("mode")) and r.spec.get("policy") != "random"][-1]


def final_of(database: Database, job_id: int) -> Any:
    with database.read() as tx:
        return tx.execute(select(artifact).where(artifact.c.job_id == job_id, artifact.c.final)).first()


def metrics_of(database: Database, job_id: int) -> list[Any]:
    """The last measured point, where there is one."""
    with database.read() as tx:
        statement = select(metric).where(metric.c.job_id == job_id).order_by(metric.c.step.desc())
        return list(tx.execute(statement).all())[:1]


def forged(home: Home, fact: Any) -> dict[str, Any]:
    """Other bytes under their own digest, as a row would tell them: nothing but their content gives them away."""
    content = (home.root / fact.path).read_bytes()
    content = content[:-1] + bytes([content[-1] ^ 1])
    digest = hashlib.sha256(content).hexdigest()
    path = f"artifacts/{digest[:2]}/{digest}{Path(fact.path).suffix}"
    (home.root / path).parent.mkdir(exist_ok=True)
    (home.root / path).write_bytes(content)
    return {"sha256": digest, "path": path, "bytes": len(content)}


def other(result: dict[str, Any]) -> dict[str, Any]:
    """The first number in a result is one more."""

    def raised(value: Any) -> Any:
        if isinstance(value, dict):
            return next(({**value, n: new} for n, v in value.items() if (new := raised(v)) is not None), None)
        if isinstance(value, list):
            found = ((n, raised(v)) for n, v in enumerate(value))
            return next(([*value[:n], new, *value[n + 1 :]] for n, new in found if new is not None), None)
        return value + 1 if isinstance(value, (int, float)) and not isinstance(value, bool) else None

    changed_result: dict[str, Any] = raised(result)
    assert changed_result is not None
    return changed_result


@contextmanager
def changed(database: Database, table: Any, where: Any, values: dict[str, Any], row: Any) -> Iterator[None]:
    """Some columns of a row have other values meanwhile."""
    _update(database, table, where, values)
    yield
    _update(database, table, where, {name: getattr(row, name) for name in values})


def _update(database: Database, table: Any, where: Any, values: dict[str, Any]) -> None:
    with database.write() as tx:
        assert tx.execute(update(table).where(where).values(**values)).rowcount == 1
