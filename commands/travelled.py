"""Rows that came in a bundle are somebody else's: what cannot be read as Baton writes it is a sentence, not a crash."""

from __future__ import annotations

from typing import TYPE_CHECKING

from errors import BatonError, InvalidInput
from settings.shown import cut

if TYPE_CHECKING:
    from settings.home import Home

#: What comes of values that have another form than whoever reads them expects.
_OTHER_FORM = (
    ArithmeticError, AssertionError, AttributeError, LookupError, RecursionError, StopIteration, TypeError, ValueError,
)  # fmt: skip


def told_of_foreign_rows(home: Home, fault: Exception) -> InvalidInput | None:
    """What a command ends with that came across `fault`, where a bundle was imported into its home; None where that
    says nothing of rows, or nobody else's are there: then it is a fault of Baton's, and keeps its traceback.
    """
    from db import queries
    from db.migrate import look_at_state

    if not isinstance(fault, _OTHER_FORM):
        return None
    try:
        database = look_at_state(home)
    except BatonError:
        return None
    try:
        if not queries.took_in_a_bundle(database):
            return None
    finally:
        database.close()
    return InvalidInput(
        f"what {home.root} holds has another form than Baton writes, and some of it came in a bundle "
        f"({type(fault).__name__}: {cut(str(fault))})"
    )
