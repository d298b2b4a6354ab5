"""Whose files a store holds. What no row names is garbage only to the state that the store belongs to.

Every state has a random key (`db.schema.Identity`), which bundles and copies carry along. The store keeps the key of
the state that it belongs to in a file of its own, written while it is empty, or (homes of before this file) by
the first state that knows one of its files. Other states are refused: an empty one, or one that a shell still
names, would take every file for garbage.

Two copies of one state have the same key. So the store also keeps marks: the newest worker and attempt of whoever
worked with it. A state that does not have these rows is older than the files, or went another way; it may work, but
nothing is removed until somebody says which of them goes on (`adopt`).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from itertools import chain

from sqlalchemy import Connection, null, select

from db.engine import Database
from db.owner import Mark, Owner, Row, locked, marks_of, read_owner, replace_owner, write_owner
from db.remote import Remote
from db.schema import Artifact, Attempt, Identity, Worker
from db.store import ARTIFACT_PATH
from errors import StoreOfAnother
from settings.home import Home


def admit(home: Home, database: Database, copies: bool | None = None) -> None:
    """Let the state use the home's store, and note it as the owner of a store that has none. Raises StoreOfAnother.

    copies: whether the store turned out to be a cache of shared objects; None: not known yet.
    """
    owner = check(home, database)
    if owner is None or (owner == read_owner(home) and copies in (None, owner.copies)):
        return
    with suppress(OSError):  # a full disk, or another user's home: the same is found out again next time
        write_owner(home, owner if copies is None else replace(owner, copies=copies))


def check(home: Home, database: Database) -> Owner | None:
    """The owner of the home's store, noted or to be noted; None where there is no store, or none to be named yet.

    Changes nothing. Raises StoreOfAnother when the state is another one.
    """
    if not home.artifacts.is_dir():
        return None
    owner = read_owner(home)
    with database.read() as tx:
        key = _key(tx)
        if owner is not None and key in owner.states:
            return owner
        if _may_claim(home, tx, owner):
            return Owner((key,))
        if owner is None and _began_before(home, tx):
            return None
    raise _refusal(home)


def check_new(home: Home) -> None:
    """Raises StoreOfAnother where a state without rows would begin beside files of one that is not there."""
    if not home.artifacts.is_dir():
        return
    owner = read_owner(home)
    if _holds_files(home) and not (owner is not None and owner.copies):
        raise _refusal(home, new=True)


def need_ours(home: Home, database: Database, remote: Remote | None = None) -> None:
    """Before anything is removed that no row names. Raises StoreOfAnother."""
    if not home.artifacts.is_dir():
        return
    owner = read_owner(home)
    with database.read() as tx:
        if not (owner is not None and _key(tx) in owner.states) and not _may_claim(home, tx, owner):
            raise _refusal(home)
        marks = [*(owner.marks if owner else ()), *_remote_marks(remote)]
        missing = any(not _contains(tx, mark) for mark in marks)
    if missing:
        raise StoreOfAnother(
            f"{home.artifacts} holds files that a later or another copy of {home.state_place} made, so nothing is "
            "removed; put that state back, or, to go on with this one and give those files up: artifacts adopt"
        )


def note(home: Home, database: Database, remote: Remote | None = None) -> None:
    """Leave a mark of what this state has done so far. Call it before a worker makes anything, and now and then."""
    with database.read() as tx:
        key, mine = _key(tx), newest(tx)
    if mine == (None, None):
        return
    database.settle()  # what a power cut undoes must not have been marked
    with suppress(OSError), locked(home):
        with database.read() as tx:
            mine = newest(tx)  # again: while the lock is held nobody removes the rows (`without`)
        _mark(home, database, key, mine)
    if remote is not None:
        with suppress(StoreOfAnother):  # it stays as it is for people to decide
            _mark_remote(database, remote, mine)


@contextmanager
def without(home: Home, database: Database, remote: Remote | None, job_ids: Sequence[int]) -> Iterator[None]:
    """Around a transaction that removes these jobs: before it begins, no mark names an attempt of them any more, so
    that the state knows all of its marks however it ends. Raises StoreOfAnother, and OSError where a mark cannot be
    written."""
    with locked(home):
        with database.read() as tx:
            key, left = _key(tx), newest(tx, job_ids)
        _mark(home, database, key, left)
        if remote is not None:
            _mark_remote(database, remote, left)
        yield


def _mark(home: Home, database: Database, key: str, mine: Mark) -> None:
    """For who has the owner's file `locked`."""
    owner = read_owner(home)
    if owner is not None and key in owner.states:
        marks = _with(database, owner.marks, mine)
        if marks != owner.marks:
            replace_owner(home, replace(owner, marks=marks))


def _mark_remote(database: Database, remote: Remote, mine: Mark) -> None:
    before = _remote_marks(remote)
    marks = _with(database, before, mine)
    if marks != before:
        remote.note(json.dumps(marks).encode())


def adopt(home: Home, database: Database, remote: Remote | None = None) -> None:
    """From now on the store is this state's alone. Raises StoreOfAnother unless the state knows one of its files."""
    with database.read() as tx:
        if _holds_files(home) and not _knows_a_file(home, tx):
            raise StoreOfAnother(
                f"{home.state_place} names none of the files in {home.artifacts}, so they are not its own"
            )
        key, mine = _key(tx), newest(tx)
    database.settle()
    marks = () if mine == (None, None) else (mine,)
    write_owner(home, Owner((key,), remote is not None, marks))
    if remote is not None:
        remote.note(json.dumps(marks).encode())


def need_place(home: Home, staged: Database, mine: Database | None) -> None:
    """Before the state `staged` (a bundle's) takes the place of the home's, `mine`, if it has one.

    Raises StoreOfAnother when the files there are of neither.
    """
    owner = read_owner(home)
    if not _holds_files(home) or (owner is not None and owner.copies):
        return
    for database in filter(None, (staged, mine)):
        with database.read() as tx:
            if _key(tx) in owner.states if owner is not None else _knows_a_file(home, tx):
                return
    raise _refusal(home, new=mine is None)


def expect(home: Home, staged: Database) -> None:
    """Before the files of `staged` come into a home without a state: to lose them is to import the bundle again."""
    need_place(home, staged, None)
    if not _holds_files(home):
        with staged.read() as tx:
            write_owner(home, Owner((_key(tx),), copies=True))


def share(home: Home, staged: Database, mine: Database) -> Owner:
    """Until it is decided whether `staged` takes the place of `mine`, both own the store.

    Returns whose it is afterwards, for `settle`.
    """
    with staged.read() as tx:
        key, mark = _key(tx), newest(tx)
    with mine.read() as tx:
        before = _key(tx)
    owner = read_owner(home)
    # Marks stay: a state that was not replaced is as old as it was.
    write_owner(home, Owner(tuple(dict.fromkeys((before, key))), marks=owner.marks if owner else ()))
    return Owner((key,), marks=() if mark == (None, None) else (mark,))


def settle(home: Home, owner: Owner) -> None:
    """What `share` returned, once the bundle's state is the home's."""
    write_owner(home, owner)


def newest(tx: Connection, without_jobs: Sequence[int] = ()) -> Mark:
    """The mark of a state as the transaction sees it, or as it would be without these jobs."""
    gone = frozenset(without_jobs)
    workers = select(Worker.id, Worker.started_at, null()).order_by(Worker.id.desc()).limit(1)
    attempts = select(Attempt.id, Attempt.started_at, Attempt.job_id).order_by(Attempt.id.desc())
    rows: list[Row | None] = []
    for statement in (workers, attempts if gone else attempts.limit(1)):
        left = (row for row in tx.execute(statement) if row[2] not in gone)
        found = next(left, None)
        rows.append(None if found is None else (found.id, found.started_at))
    return rows[0], rows[1]


def _contains(tx: Connection, mark: Mark) -> bool:
    worker, attempt = mark
    found = [
        select(table.id).where(table.id == row[0], table.started_at == row[1])
        for table, row in ((Worker, worker), (Attempt, attempt))
        if row is not None
    ]
    return all(tx.execute(statement).first() is not None for statement in found)


def _with(database: Database, marks: Sequence[Mark], mine: Mark) -> tuple[Mark, ...]:
    """`mine` stands for all that this state contains; marks of others stay."""
    with database.read() as tx:
        return (*(mark for mark in marks if not _contains(tx, mark)), mine)


def _remote_marks(remote: Remote | None) -> tuple[Mark, ...]:
    """Raises StoreOfAnother where something is noted that cannot be understood: whose files they are is not known."""
    text = remote.noted() if remote is not None else None
    if text is None:
        return ()
    try:
        return marks_of(json.loads(text))
    except (ValueError, TypeError, IndexError):
        raise StoreOfAnother(
            "what is noted beside the objects cannot be understood, so nothing is removed; if this state is the one "
            "that goes on: artifacts adopt"
        ) from None


def _key(tx: Connection) -> str:
    return tx.execute(select(Identity.key)).scalar_one()


def _may_claim(home: Home, tx: Connection, owner: Owner | None) -> bool:
    """Whether a store that is not the state's yet may become so."""
    if not _holds_files(home):
        # The home's own state may be about to fill it.
        elsewhere = not home.state_in_home and home.state_db.exists() and home.state_db.stat().st_size > 0
        return owner is None or owner.copies or not elsewhere
    if owner is not None:
        return owner.copies
    return _knows_a_file(home, tx)


def _began_before(home: Home, tx: Connection) -> bool:
    """A home of before there were owners whose attempts have made nothing that counts, and may have left something."""
    return (
        home.state_in_home
        and tx.execute(select(Attempt.id).limit(1)).first() is not None
        and tx.execute(select(Artifact.id).limit(1)).first() is None
    )


def _files(home: Home) -> Iterator[str]:
    folders = [path for path in home.artifacts.iterdir() if len(path.name) == 2 and path.is_dir()]
    for path in chain.from_iterable(folder.iterdir() for folder in folders):
        relative = f"{home.artifacts.name}/{path.parent.name}/{path.name}"
        if ARTIFACT_PATH.fullmatch(relative):
            yield relative


def _holds_files(home: Home) -> bool:
    return home.artifacts.is_dir() and next(_files(home), None) is not None


def _knows_a_file(home: Home, tx: Connection) -> bool:
    paths = tx.execute(select(Artifact.path).distinct()).scalars()
    return any((home.root / path).exists() for path in paths)


def _refusal(home: Home, new: bool = False) -> StoreOfAnother:
    if home.state_in_home:
        what = "and there is no state beside them" if new else f"not of {home.state_place}"
        back = (
            f"put their {home.state_db.name} back (a copy, or with this one moved away: bundle import of the newest "
            "bundle), or name another --home"
        )
    else:
        what = f"not of the one that {home.state_place} names"
        back = f"correct {home.state_place}, or name another --home"
    return StoreOfAnother(f"the files in {home.artifacts} are those of another state, {what}; {back}")
