"""Paths as people write them."""

from __future__ import annotations

import os
import re
from pathlib import Path

from errors import ConfigError

_VARIABLE = re.compile(r"\$(?:([A-Za-z_]\w*)|\{([A-Za-z_]\w*)\})", re.ASCII)


def expanded(text: str | os.PathLike[str], name: str) -> Path:
    """With the home folder for a `~` in front and the values of `$NAME` and `${NAME}`, as in a shell.

    name: of the option or field, for the refusal. Raises ConfigError where there is no such folder (a container's user
    may have none) or no such variable.
    """
    text = with_variables(os.fspath(text), name)
    try:
        return Path(text).expanduser()
    except RuntimeError:
        raise ConfigError(f"{name}: {no_home_folder(text)}") from None


def with_variables(text: str, name: str) -> str:
    """`text` with the values of the environment variables that it names; as it is where something is called so.

    Raises ConfigError for one that is not set, or is empty: a shell would make `/frames` of `$DATA/frames` then.
    """
    if "$" not in text or os.path.lexists(text):
        return text

    def value(found: re.Match[str]) -> str:
        told = os.environ.get(found[1] or found[2])
        if not told:
            state = "is not set" if told is None else "is empty"
            raise ConfigError(
                f"{name}: {found[0]} {state} in this environment; set it, or write the whole path"
            )
        return told

    return _VARIABLE.sub(value, text)


def no_home_folder(text: str) -> str:
    """What is wrong with a path whose `~` names nobody's home folder."""
    return f"{text.partition('/')[0]} names no home folder here; write the whole path"
