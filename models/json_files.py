"""JSON files of model folders."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from errors import CheckpointError
from settings.documents import parse_json
from settings.faults import need_fact
from settings.regular import read_text


def read_json(path: Path) -> dict[str, Any]:
    """The object in a JSON file. Raises CheckpointError when it cannot be read or holds something else."""
    try:
        values = parse_json(read_text(path))
    except OSError as error:
        need_fact(error)
        raise CheckpointError(f"{path} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise CheckpointError(f"{path} is not JSON: {error}") from error
    if not isinstance(values, dict):
        raise CheckpointError(f"{path} must hold an object, not {type(values).__name__}")
    return values
