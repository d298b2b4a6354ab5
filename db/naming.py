"""What people call an ablation. Names need not differ, so whatever acts on one ablation alone asks for all that are
meant."""

from __future__ import annotations

from sqlalchemy import select, update

from db import events
from db.engine import Database
from db.queries import select_ablations
from db.rows import AblationRow
from db.schema import Ablation
from errors import IllegalMove
from settings.shown import shown

#: The intent of an ablation that is over, so that another may have its name.
CANCELLED = "cancelled"


def meant(db: Database, wanted: str) -> list[AblationRow]:
    """The ablations with this id, name or key, oldest first."""
    with db.read() as tx:
        return select_ablations(tx, wanted)


def set_name(db: Database, ablation_id: int, name: str, now: float) -> str:
    """Call an ablation `name`, in its stored settings too. Returns its name before.

    Its key stays, so whoever submits its settings under the name before goes on with it. Raises IllegalMove where
    another ablation that was not cancelled has the name, or has it as its id.
    """
    with db.write() as tx:
        for other in select_ablations(tx, name):
            if other.id == ablation_id:
                continue
            if other.name != name:
                raise IllegalMove(
                    f"{shown(name)} means ablation {other.id} already, which is called {shown(other.name)}"
                )
            if other.intent != CANCELLED:
                raise IllegalMove(f"ablation {other.id} is called {shown(name)} already")
        row = tx.execute(select(Ablation.name, Ablation.config).where(Ablation.id == ablation_id)).first()
        if row is None:
            raise IllegalMove(f"there is no ablation {ablation_id} in this home any more")
        tx.execute(
            update(Ablation)
            .where(Ablation.id == ablation_id)
            .values(name=name, config={**row.config, "name": name})
        )
        events.record(
            tx, now, "ablation_renamed", f"ablation {ablation_id} ({row.name}) is called {name}",
            ablation_id=ablation_id,
        )  # fmt: skip
    return str(row.name)
