"""Options that several commands share, and opening the home they name."""

from __future__ import annotations

import os
from typing import Any

import click

from errors import EnvironmentLacks, InvalidInput
from settings.home import Home, home_at


def home_option(function: Any) -> Any:
    """`--home` after the command's name too, where people type it."""
    return click.option("--home", "home_path", metavar="DIR", help="Home folder.", default=None)(function)


def resolve_home(context: click.Context, home_path: str | None) -> Home:
    """The home named after the command, before it, by `BATON_HOME`, or the default."""
    return home_at(home_path or context.obj)


def existing_home(context: click.Context, home_path: str | None) -> Home:
    """Raises InvalidInput when nothing was ever submitted there."""
    home = resolve_home(context, home_path)
    if not home.exists:
        raise InvalidInput(f"there is no Baton home at {home.root}; submit an ablation first or name another")
    return home


def broker_from_environment() -> str | None:
    """`BATON_BROKER` (set by the supervisor for its children), else `REDIS_URL`, else None."""
    return os.environ.get("BATON_BROKER") or os.environ.get("REDIS_URL") or None


def need_broker(option: str | None) -> str:
    url = option or broker_from_environment()
    if url is None:
        raise EnvironmentLacks("no broker named: pass --broker redis://HOST:PORT/0 or set REDIS_URL")
    return url
