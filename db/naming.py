"""What people call an ablation. Names need not differ, so whatever acts on one ablation alone asks for all that are
meant."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import select, update

from db import events
from db.engine import Database
from db.queries import select_ablations
from db.rows import AblationRow
from db.schema import Ablation, Event
from errors import IllegalMove
from settings.names import look
from settings.shown import shown
from settings.whole_numbers import whole_number

#: The intent of an ablation that is over, so that another may have its name.
CANCELLED = "cancelled"

_RENAMED = "ablation_renamed"


def meant(db: Database, wanted: str) -> list[AblationRow]:
    """The ablations with this id, name or key, oldest first."""
    with db.read() as tx:
        return select_ablations(tx, wanted)


def means_another(rows: Iterable[AblationRow], name: str, itself: int | None = None) -> str | None:
    """Why no ablation may get this name, which another (but for `itself`) has as its id or key, or will have."""
    number = whole_number(look(name))
    for other in rows:
        if other.id != itself and (other.id == number or other.key == name):
            return f"{shown(name)} means ablation {other.id} already, which is called {shown(other.name)}"
    if number is not None:
        return f"{shown(name)} is a number, which is the id of an ablation; a name has something else too"
    return None


def called_before(db: Database, name: str) -> list[tuple[AblationRow, float]]:
    """Ablations that have another name now, and until when they had this one (Unix seconds); the last renamed first."""
    found: dict[int, tuple[AblationRow, float]] = {}
    with db.read() as tx:
        renamed = select(Event.at, Event.ablation_id, Event.message, Event.data)
        entries = tx.execute(renamed.where(Event.kind == _RENAMED).order_by(Event.id.desc())).all()
        rows = {row.id: row for row in select_ablations(tx, None)} if entries else {}
    for entry in entries:
        row = rows.get(entry.ablation_id)
        if row is None or row.id in found or row.name == name:
            continue
        # Earlier builds said it in the sentence alone.
        before = entry.data.get("before") if isinstance(entry.data, dict) else None
        if before == name or entry.message.startswith(f"{_was(row.id, name)} "):
            found[row.id] = row, entry.at
    return list(found.values())


def set_name(db: Database, ablation_id: int, name: str, now: float) -> str:
    """Call an ablation `name`, in its stored settings too. Returns its name before.

    Its key stays, so whoever submits its settings under the name before goes on with it. Raises IllegalMove where
    another ablation that was not cancelled has the name, or one that looks like it, and as `means_another`.
    """
    with db.write() as tx:
        rows = select_ablations(tx, None)
        for other in rows:
            if other.id != ablation_id and other.intent != CANCELLED and look(other.name) == look(name):
                raise IllegalMove(f"ablation {other.id} is called {shown(other.name)} already")
        if taken := means_another(rows, name, ablation_id):
            raise IllegalMove(taken)
        row = tx.execute(select(Ablation.name, Ablation.config).where(Ablation.id == ablation_id)).first()
        if row is None:
            raise IllegalMove(f"there is no ablation {ablation_id} in this home any more")
        tx.execute(
            update(Ablation)
            .where(Ablation.id == ablation_id)
            .values(name=name, config={**row.config, "name": name})
        )
        events.record(
            tx, now, _RENAMED, f"{_was(ablation_id, row.name)} {name}", ablation_id=ablation_id,
            data={"before": row.name},
        )  # fmt: skip
    return str(row.name)


def _was(ablation_id: int, name: str) -> str:
    return f"ablation {ablation_id} ({name}) is called"
