"""Paths as people write them."""

from __future__ import annotations

import os
from pathlib import Path

from errors import ConfigError


def expanded(text: str | os.PathLike[str], name: str) -> Path:
    """With the home folder for a `~` in front, as in a shell. name: of the option or field, for the refusal.

    Raises ConfigError where there is no such folder: a container's user may have none.
    """
    try:
        return Path(text).expanduser()
    except RuntimeError:
        raise ConfigError(f"{name}: {no_home_folder(os.fspath(text))}") from None


def no_home_folder(text: str) -> str:
    """What is wrong with a path whose `~` names nobody's home folder."""
    return f"{text.partition('/')[0]} names no home folder here; write the whole path"
