"""Source of the user's own in the state: kept as it was submitted, and run only where this state allows it.

Whoever submits a configuration that names it allows it; what comes with a bundle is not allowed until somebody here
says so. No job of another state's code runs, whatever its row says: every process asks here for the source.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, delete, insert, select, update

from db import events
from db.engine import Database
from db.queries import select_ablations
from db.redaction import without_passwords
from db.rows import read_rows
from db.schema import Code
from db.standings import standing
from db.states import CANCELLED, SUCCEEDED
from errors import CodeNotAllowed, InvalidInput
from settings import own_code
from settings.code_source import DIGEST, Reference, Source, module_file, references_in, source_from_json
from settings.json_values import JsonObject
from settings.shown import shown
from settings.typed import typed


@dataclass(frozen=True, slots=True)
class CodeRow:
    """files: text by path. command: it came by."""

    digest: str
    files: JsonObject
    command: str
    created_at: float
    allowed: bool


_ROWS = select(Code.digest, Code.files, Code.command, Code.created_at, Code.allowed).order_by(Code.id)


def keep(tx: Connection, sources: Iterable[Source], command: str, now: float) -> None:
    """What is submitted is kept, and allowed here."""
    for source in sources:
        known = Code.digest == source.digest
        if tx.execute(update(Code).where(known).values(allowed=True)).rowcount == 0:
            values = {
                "digest": source.digest,
                "files": dict(source.files),
                "command": without_passwords(command),
                "created_at": now,
                "allowed": True,
            }
            tx.execute(insert(Code), values)


def allow(db: Database, digests: Sequence[str], now: float) -> None:
    """From now on this state runs them. Raises InvalidInput for what is no digest of code that is in it."""
    with db.write() as tx:
        for digest in digests:
            row = _row(tx, digest) if DIGEST.fullmatch(digest) else None
            if row is None:
                raise InvalidInput(
                    f"--allow-code {shown(digest)}: there is no code of that digest in this home; it has "
                    f"{', '.join(tx.execute(select(Code.digest).order_by(Code.id)).scalars()) or 'none'}"
                )
            if not row.allowed:
                tx.execute(update(Code).where(Code.digest == digest).values(allowed=True))
                events.record(
                    tx, now, "code_allowed", f"code {digest} ({', '.join(row.files)}) is allowed here"
                )


def need_allowed(
    db: Database, ablation_ids: Collection[int] | None = None, besides: JsonObject | None = None
) -> None:
    """For a command before it runs jobs: raises CodeNotAllowed, one sentence with file, digest and option, where one of
    these ablations names code that is not allowed here.

    ablation_ids: by default of all that have not ended. besides: settings that are about to be submitted, which allows
    what they name.
    """
    with db.read() as tx:
        allowed = set(tx.execute(select(Code.digest).where(Code.allowed)).scalars())
        rows = select_ablations(tx, None)
    allowed |= {str(reference.digest) for reference in references_in(besides)}
    lacks = {
        row.id: reference
        for row in rows
        for reference in references_in(row.config)
        if reference.digest not in allowed
    }
    if lacks and ablation_ids is None:
        ablation_ids = [row.id for row in standing(db).ablations if row.state not in (SUCCEEDED, CANCELLED)]
    for row_id, reference in lacks.items():
        if row_id in (ablation_ids or ()):
            raise _not_allowed(db, reference)


def admit(db: Database, value: object) -> None:
    """Let this process run the code that plain JSON names, if it may not already. Raises as `sources_for`."""
    for reference in references_in(value):
        if own_code.admitted(str(reference.digest)) is None:
            own_code.admit(_source(db, reference))


def sources_for(db: Database, value: object) -> list[Source]:
    """The code that plain JSON names. Raises CodeNotAllowed, and InvalidInput where it is not in the state, or is not
    what its digest says."""
    named = {str(reference.digest): reference for reference in references_in(value)}
    return [_source(db, reference) for reference in named.values()]


def _source(db: Database, reference: Reference) -> Source:
    digest = str(reference.digest)
    with db.read() as tx:
        row = _row(tx, digest)
    if row is None:
        raise InvalidInput(f"the code of {reference.label} with the digest {digest} is not in this state")
    if not row.allowed:
        raise _not_allowed(db, reference)
    try:
        source = source_from_json(row.files)
    except ValueError as error:
        raise InvalidInput(f"the code {digest} {error}") from None
    if source.digest != digest:
        raise InvalidInput(
            f"the code {digest} of this state has another digest, {source.digest}; it is not run"
        )
    return source


def held(db: Database) -> list[CodeRow]:
    """All code of a state, in the order in which it came; it may be anybody's, and nothing of it was looked at."""
    with db.read() as tx:
        return list(read_rows(tx, CodeRow, _ROWS))


def drop_unnamed(tx: Connection) -> None:
    """Remove what no ablation names."""
    named = {
        reference.digest for row in select_ablations(tx, None) for reference in references_in(row.config)
    }
    for digest in list(tx.execute(select(Code.digest)).scalars()):
        if digest not in named:
            tx.execute(delete(Code).where(Code.digest == digest))


def _not_allowed(db: Database, reference: Reference) -> CodeNotAllowed:
    with db.read() as tx:
        row = _row(tx, str(reference.digest))
    if row is None:
        return CodeNotAllowed(
            f"the code of {reference.label} with the digest {reference.digest} is not in this state"
        )
    file = module_file(dict.fromkeys(row.files, ""), reference.module) or reference.module
    return CodeNotAllowed(
        f"{file} ({reference.name}) is code that came with a bundle, and none of that runs here before you allow it; "
        f"`{typed('ablation code', db.home)}` shows it; where you trust it: "
        f"{typed('up --until-done --allow-code', db.home)} {reference.digest}"
    )


def _row(tx: Connection, digest: str) -> CodeRow | None:
    return next(iter(read_rows(tx, CodeRow, _ROWS.where(Code.digest == digest))), None)
