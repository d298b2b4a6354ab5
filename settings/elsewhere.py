"""Where the state and the artifacts of a home live when it is not the home's folder."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from errors import ConfigError
from settings.addresses import is_written
from settings.documents import parse_yaml
from settings.faults import need_mistake
from settings.ownership import THERE, refusal
from settings.regular import MOST_YAML_BYTES, read_text
from settings.shown import shown
from settings.suggestions import did_you_mean

DATABASE_VARIABLE = "BATON_STATE_URL"
ARTIFACTS_VARIABLE = "BATON_ARTIFACTS_URL"
NETWORK_VARIABLE = "BATON_NETWORK_HOME"

#: File in the home with the keys `database`, `artifacts` and `network`; the variables go before it.
FILE = "home.yaml"
_KEYS = ("database", "artifacts", "network")


@dataclass(frozen=True)
class Elsewhere:
    """A URL, or None for the home's own folder, and where it was named, for messages: it may hold a password.

    network: whether an SQLite state on a network file system was asked for.
    """

    database: str | None
    database_named_in: str
    artifacts: str | None
    artifacts_named_in: str
    network: bool


def elsewhere(root: Path) -> Elsewhere:
    """What the environment says, else the home's file. Raises ConfigError with one sentence."""
    path = root / FILE
    written = _read(path)
    database, database_named_in = _choose(DATABASE_VARIABLE, written, "database", path)
    artifacts, artifacts_named_in = _choose(ARTIFACTS_VARIABLE, written, "artifacts", path)
    network = _switch(os.environ.get(NETWORK_VARIABLE, ""), bool(written.get("network", False)))
    return Elsewhere(database, database_named_in, artifacts, artifacts_named_in, network)


def sqlite_file(place: str | Path) -> Path | None:
    """The file of a state in SQLite, named by itself or by a URL; None for a server's."""
    if isinstance(place, Path):
        return place
    return Path(place.partition("///")[2].partition("?")[0]) if place.startswith("sqlite") else None


def _switch(text: str, otherwise: bool) -> bool:
    if text not in ("", "0", "1"):
        raise ConfigError(f"{NETWORK_VARIABLE} is {shown(text)}; it must be 0 or 1")
    return text == "1" if text else otherwise


def _choose(variable: str, written: dict[str, Any], key: str, path: Path) -> tuple[str | None, str]:
    if os.environ.get(variable):
        if not is_written(os.environ[variable]):
            raise ConfigError(f"{variable} must be a URL")
        return os.environ[variable], variable
    return written.get(key), f"{path}, key {key}"


def _read(path: Path) -> dict[str, Any]:
    try:
        text = read_text(path, MOST_YAML_BYTES)
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except PermissionError:
        raise refusal("read", path if os.access(path, THERE) else path.parent) from None
    except (OSError, UnicodeDecodeError) as error:
        need_mistake(error)
        raise ConfigError(f"cannot read {path}: {error}") from None
    found = parse_yaml(text, str(path), is_ours=True) or {}
    if not isinstance(found, dict):
        raise ConfigError(f"{path} must hold a mapping, not {type(found).__name__}")
    for key, value in found.items():
        if key not in _KEYS:
            near = did_you_mean(str(key), _KEYS)
            raise ConfigError(f"{path}: unknown key {shown(key)}; known keys: {', '.join(_KEYS)}{near}")
        if key == "network" and not isinstance(value, bool):
            raise ConfigError(f"{path}: network must be true or false")
        if key != "network" and (not isinstance(value, str) or "://" not in value or not is_written(value)):
            raise ConfigError(f"{path}: {key} must be a URL")
    return found
