"""The file beside a store that says whose it is (`db.ownership`)."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeAlias

from db.store import OWNER, OWNER_LOCK
from errors import InvalidInput
from settings import files
from settings.faults import need_mistake
from settings.home import Home

#: The newest worker and the newest attempt, each as (id, started_at) or None.
Row: TypeAlias = tuple[int, float]
Mark: TypeAlias = tuple[Row | None, Row | None]


@dataclass(frozen=True)
class Owner:
    """states: keys; two while a bundle takes a home's place. copies: of shared objects or of a bundle that is being
    imported, so another state may have the folder. marks: as of `db.ownership`."""

    states: tuple[str, ...]
    copies: bool = False
    marks: tuple[Mark, ...] = ()


def read_owner(home: Home) -> Owner | None:
    """None where nothing is written, or nothing that can be understood."""
    try:
        text = (home.artifacts / OWNER).read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        need_mistake(error)
        raise InvalidInput(f"cannot read {home.artifacts / OWNER}: {error}") from None
    try:
        found = json.loads(text)
        return Owner(tuple(found["states"]), bool(found["copies"]), marks_of(found["marks"]))
    except (ValueError, TypeError, KeyError, IndexError):
        return None


def marks_of(plain: Iterable[Iterable[Sequence[float] | None]]) -> tuple[Mark, ...]:
    """From JSON. Raises ValueError, TypeError or IndexError for what is none."""
    rows = [[None if row is None else (int(row[0]), float(row[1])) for row in mark] for mark in plain]
    return tuple((worker, attempt) for worker, attempt in rows)


@contextmanager
def locked(home: Home) -> Iterator[None]:
    """Nobody else writes whose the store is."""
    descriptor = os.open(home.artifacts / OWNER_LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def write_owner(home: Home, owner: Owner) -> None:
    """Durable when it returns, whoever else writes it."""
    with locked(home):
        replace_owner(home, owner)


def replace_owner(home: Home, owner: Owner) -> None:
    """The same for who has it `locked`."""
    text = json.dumps({"states": owner.states, "copies": owner.copies, "marks": owner.marks})
    files.write(home.artifacts / OWNER, text)
