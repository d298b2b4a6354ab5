"""What people call a checkpoint: a folder, or the digest of one in the home."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from errors import InvalidInput
from settings.home import Home

if TYPE_CHECKING:
    from models.reconvla import ReconVLA
    from tasks.modelling import Recipe

HELP = "a folder (Hugging Face layout), or the first digits of a checkpoint's SHA-256 in the home"


def holds_openvla(name: str) -> bool:
    """Whether `name` is the folder of an OpenVLA, which is evaluated and served, but not trained here."""
    if not Path(name).is_dir():
        return False
    from models.openvla_checkpoint import is_openvla

    return is_openvla(Path(name))


def open_named(home: Home, name: str) -> tuple[ReconVLA, Recipe]:
    """The model and how to ask it. Raises InvalidInput when nothing, or more than one thing, has this name."""
    from db.checkpoints import find_weights
    from db.migrate import open_state
    from db.shared_store import open_store
    from tasks.standalone import open_folder, open_weights

    if Path(name).is_dir():
        return open_folder(Path(name))
    if not re.fullmatch(r"[0-9a-f]{4,64}", name):
        raise InvalidInput(f"there is no folder {name}, and it is no digest of a checkpoint either")
    if not home.exists:
        raise InvalidInput(
            f"there is no folder {name}, and no home at {home.root} whose checkpoint it could be"
        )
    database = open_state(home)
    found = find_weights(database, name)
    store = open_store(home, database)
    database.close()
    if not found:
        raise InvalidInput(
            f"no checkpoint in {home.root} has a digest that begins with {name}; see artifacts"
        )
    if len(found) > 1:
        listed = ", ".join(f"{entry.sha256[:12]} ({entry.label})" for entry in found)
        raise InvalidInput(f"several digests begin with {name}: {listed}")
    (entry,) = found
    return open_weights(entry.model, store.verified(entry.path, entry.sha256))
