"""Plain JSON in Python: what rows and files hold, and what everybody may therefore be handed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias

Json: TypeAlias = "bool | int | float | str | Sequence[Json] | Mapping[str, Json] | None"
#: A JSON object as it was read. Whoever wants a field of it looks at the value's type, or makes a typed value of it.
JsonObject: TypeAlias = Mapping[str, object]


def whole(values: JsonObject, name: str) -> int | None:
    """The whole number of this name; None where there is none."""
    found = values.get(name)
    return found if isinstance(found, int) and not isinstance(found, bool) else None


def text(values: JsonObject, name: str) -> str | None:
    """The text of this name; None where there is none."""
    found = values.get(name)
    return found if isinstance(found, str) else None


def section(values: JsonObject, name: str) -> JsonObject:
    """The object of this name; an empty one where there is none."""
    found = values.get(name)
    return found if isinstance(found, Mapping) else {}
