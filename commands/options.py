"""Options that several commands share, and opening the home they name."""

from __future__ import annotations

from typing import Any

import click

from commands import ranges
from errors import InvalidInput
from settings.arithmetic import THREADS
from settings.home import Home, home_at
from settings.typed import HOME_KEY, typed


def home_option(function: Any) -> Any:
    """`--home` after the command's name too, where people type it."""
    return click.option("--home", "home_path", metavar="DIR", help="Home folder.", default=None)(function)


def threads_option(function: Any) -> Any:
    """`--threads` of commands that compute without the queue: part of their figures, so never taken from the shell."""
    return click.option(
        "--threads",
        default=THREADS,
        show_default=True,
        type=ranges.THREADS,
        metavar="N",
        help="Of sums on a processor, which decide their last bits; like evaluation.threads.",
    )(function)


def resolve_home(context: click.Context, home_path: str | None) -> Home:
    """The home named after the command, before it, by `BATON_HOME`, or the default."""
    home = home_at(named_home(context, home_path))
    context.meta[HOME_KEY] = home
    return home


def working_home(context: click.Context, home_path: str | None) -> Home:
    """The same, for what works in it. Raises InvalidInput where it cannot, before anything else is asked."""
    home = resolve_home(context, home_path)
    if (refused := home.obstacle()) is not None:
        raise refused
    return home


def named_home(context: click.Context, home_path: str | None) -> str | None:
    """What `--home` says after the command or, failing that, before it. One that says nothing is still an answer."""
    named: str | None = context.obj if home_path is None else home_path
    return named


def existing_home(context: click.Context, home_path: str | None) -> Home:
    """Raises InvalidInput when nothing was ever submitted there, or somebody else's home may not be seen."""
    home = resolve_home(context, home_path)
    if not home.exists:
        raise InvalidInput(
            f"there is no Baton home at {home.root}; make one with: {typed('submit-ablation', home)}; or name the one "
            "that you mean with --home"
        )
    return home
