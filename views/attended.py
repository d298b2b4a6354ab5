"""Whether anybody works on a home, and what goes on with what it has to do: the ends of sentences."""

from __future__ import annotations

from dataclasses import dataclass

from db import standings
from db.engine import Database
from settings.home import Home
from settings.typed import typed


@dataclass(frozen=True)
class Attended:
    """session: the id of one that runs, None where none does. unseen: of one that cannot be seen from here and did not
    end, as its machine may have gone. workers: whether there are some, which need no session."""

    session: int | None
    unseen: int | None
    workers: bool

    @property
    def by_nobody(self) -> bool:
        return self.session is None and self.unseen is None and not self.workers


def attended(database: Database) -> Attended:
    found = standings.standing(database, 0)  # of no ablation
    seen = [session.id for session in found.sessions if session.lives]
    unseen = [session.id for session in found.sessions if session.lives is None]
    return Attended(seen[-1] if seen else None, unseen[-1] if unseen else None, bool(found.workers))


def is_nobody_there(database: Database) -> bool:
    """No worker, and no session that may start one."""
    return attended(database).by_nobody


def who_goes_on(database: Database, home: Home, what: str, otherwise: str) -> str:
    """`otherwise`, as `run them with`, and the command that starts a session; where somebody is there, that he takes
    `what` up, as `them`, and how to watch: another session would be refused."""
    there = attended(database)
    watch, up = typed("status --watch", home), typed("up --until-done", home)
    if there.session is not None:
        return f"session {there.session}, which runs, takes {what} up; watch it with: {watch}"
    if there.workers:
        return f"workers are there, which take {what} up; watch them with: {watch}"
    unless = (
        "" if there.unseen is None else f" (unless session {there.unseen}, not seen from here, still runs)"
    )
    return f"{otherwise}: {up}{unless}"
