"""What a worker process keeps from attempt to attempt: models, open files, simulators. May be empty at any time."""

from __future__ import annotations

from collections.abc import Callable, MutableMapping
from typing import TypeAlias, TypeVar

T = TypeVar("T")

#: Bodies keep here what they like. A key says all that decides what lies under it.
Memory: TypeAlias = MutableMapping[str, object]


def kept(memory: Memory, key: str, shape: type[T]) -> T | None:
    """What lies under `key`; None where there is nothing of this type."""
    found = memory.get(key)
    return found if isinstance(found, shape) else None


def kept_or_made(memory: Memory, key: str, shape: type[T], make: Callable[[], T]) -> T:
    """What lies under `key`, made now where there is nothing of this type."""
    found = kept(memory, key, shape)
    if found is None:
        memory[key] = found = make()
    return found
