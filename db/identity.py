"""What tells this state from every other wherever several put their things into one place."""

from __future__ import annotations

import hashlib

from sqlalchemy import select

from db.engine import Database
from db.schema import Identity
from settings.file_system import keeps_file_numbers


def namespace(database: Database) -> str:
    """In front of the names of everything in a broker: the same for all who work on this state, and for nobody else.

    A bundle and a copied folder carry the state's key along, so the file that holds it counts too. Its number is the
    same under whatever path machines and containers see it; where it keeps none, the path counts, by whichever links.
    """
    with database.read() as tx:
        key = tx.execute(select(Identity.key)).scalar_one()
    if database.file is None:
        return f"baton-{key[:16]}."
    if keeps_file_numbers(database.file):
        return f"baton-{key[:16]}-{database.file.stat().st_ino:x}."
    path = bytes(database.file.resolve())
    return f"baton-{key[:16]}-{hashlib.sha256(path).hexdigest()[:16]}."
