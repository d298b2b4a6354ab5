"""Where the state and the artifacts of a home live when it is not the home's folder."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from errors import ConfigError
from settings.documents import parse_yaml
from settings.ownership import THERE, refusal

DATABASE_VARIABLE = "BATON_STATE_URL"
ARTIFACTS_VARIABLE = "BATON_ARTIFACTS_URL"

#: File in the home with the keys `database` and `artifacts`; the variables go before it.
FILE = "home.yaml"


@dataclass(frozen=True)
class Elsewhere:
    """A URL, or None for the home's own folder, and where it was named, for messages: it may hold a password."""

    database: str | None
    database_named_in: str
    artifacts: str | None
    artifacts_named_in: str


def elsewhere(root: Path) -> Elsewhere:
    """What the environment says, else the home's file. Raises ConfigError with one sentence."""
    path = root / FILE
    written = _read(path)
    database, database_named_in = _choose(DATABASE_VARIABLE, written, "database", path)
    artifacts, artifacts_named_in = _choose(ARTIFACTS_VARIABLE, written, "artifacts", path)
    return Elsewhere(database, database_named_in, artifacts, artifacts_named_in)


def _choose(variable: str, written: dict[str, str], key: str, path: Path) -> tuple[str | None, str]:
    if os.environ.get(variable):
        return os.environ[variable], variable
    return written.get(key), f"{path}, key {key}"


def _read(path: Path) -> dict[str, str]:
    try:
        text = path.read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except PermissionError:
        raise refusal("read", path if os.access(path, THERE) else path.parent) from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read {path}: {error}") from None
    found = parse_yaml(text, str(path), is_ours=True) or {}
    if not isinstance(found, dict):
        raise ConfigError(f"{path} must hold a mapping, not {type(found).__name__}")
    for key, value in found.items():
        if key not in ("database", "artifacts"):
            raise ConfigError(f"{path}: unknown key {key!r}; known keys: database, artifacts")
        if not isinstance(value, str) or "://" not in value:
            raise ConfigError(f"{path}: {key} must be a URL")
    return found
