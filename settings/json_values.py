"""Plain JSON in Python: what rows and files hold, and what everybody may therefore be handed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

#: A JSON object as it was read. Whoever wants a field of it looks at the value's type, or makes a typed value of it.
JsonObject: TypeAlias = Mapping[str, object]
