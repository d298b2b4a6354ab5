"""Which ablation is meant, for commands that must not take one for another."""

from __future__ import annotations

from typing import TYPE_CHECKING

from errors import InvalidInput
from settings.shown import shown

if TYPE_CHECKING:
    from db.engine import Database
    from db.rows import AblationRow


def one_ablation(database: Database, wanted: str, *, cancelled_too: bool = True) -> AblationRow:
    """The only ablation with this name or id. Raises InvalidInput for none, and for several with the ids of all.

    cancelled_too: False where those that were cancelled (whose place another took, say) are not meant if others are.
    """
    from db import naming, queries
    from db.absent import no_ablation

    found = naming.meant(database, wanted)
    if not cancelled_too:
        found = [row for row in found if row.intent != naming.CANCELLED] or found
    if not found:
        raise InvalidInput(no_ablation(database, wanted))
    if sentence := queries.two_meanings(database, found, wanted):
        raise InvalidInput(sentence)
    if len(found) > 1:
        ids = ", ".join(str(row.id) for row in found[:-1]) + f" and {found[-1].id}"
        raise InvalidInput(f"{len(found)} ablations are called {shown(wanted)}: {ids}; name one by its id")
    return found[0]
