"""Rows that came in a bundle are somebody else's: what cannot be read as Baton writes it is a sentence, not a crash."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from errors import InvalidInput
from settings.shown import cut

if TYPE_CHECKING:
    from db.engine import Database

#: What comes of values that have another form than whoever reads them expects.
_OTHER_FORM = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    StopIteration,
    TypeError,
    ValueError,
)


@contextmanager
def read_as_written(database: Database) -> Iterator[None]:
    """Where the state has been in a bundle, raises InvalidInput for results and figures of a form of their own.

    In a state that never travelled that is a fault of Baton's, and keeps its traceback.
    """
    from db import queries

    try:
        yield
    except _OTHER_FORM as error:
        if not queries.has_travelled(database):
            raise
        raise InvalidInput(
            "what this home holds has another form than Baton writes, and some of it came in a bundle "
            f"({type(error).__name__}: {cut(str(error))})"
        ) from error
