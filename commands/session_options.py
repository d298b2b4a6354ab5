"""Options of the commands that run jobs: how one stay on one machine is run, and the broker that it has."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import click

from commands import ranges
from commands.place_type import PLACE
from errors import EnvironmentLacks, InvalidInput
from settings.addresses import is_host, is_written
from settings.parent import PARENT_VARIABLE
from settings.shown import shown

NOTICE_FILE_VARIABLE = "BATON_NOTICE_FILE"
NOTICE_URL_VARIABLE = "BATON_NOTICE_URL"


def allow_code_option(function: Any) -> Any:
    """`--allow-code` of the commands that run jobs."""
    return click.option(
        "--allow-code",
        multiple=True,
        metavar="DIGEST",
        help="Run code of this digest that came with a bundle; see docs/own-code.md.",
    )(function)


@dataclass(frozen=True)
class SessionOptions:
    """How one stay on one machine is run: `session_options` as they were given."""

    broker: str | None = None
    session_limit: str | None = None
    gpus: str | None = None
    cpus: int | None = None
    notice_file: Path | None = None
    notice_url: str | None = None

    def __post_init__(self) -> None:
        if self.notice_url is not None:
            check_notice_url(self.notice_url)


def check_notice_url(url: str) -> None:
    """Raises InvalidInput for what is no address at all."""
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and is_host(parts.hostname or "") and parts.port != 0
    except ValueError:
        usable = False
    if not usable or not url.isascii() or not is_written(url) or " " in url:
        raise InvalidInput(f"--notice-url {shown(url, 200)} is not an http address")


def session_options(function: Any) -> Any:
    """Options of the commands that run a home, collected into the argument `session`."""
    names = tuple(SessionOptions.__dataclass_fields__)

    @wraps(function)
    def collect(*args: Any, **given: Any) -> Any:
        session = SessionOptions(**{name: given.pop(name) for name in names})
        return function(*args, session=session, **given)

    for decorator in (
        click.option("--notice-url", envvar=NOTICE_URL_VARIABLE, metavar="URL",
                     help="Save and stop once this address tells that the machine goes away."),
        click.option("--notice-file", envvar=NOTICE_FILE_VARIABLE, metavar="FILE",
                     type=PLACE, help="Save and stop once this file exists."),
        click.option("--cpus", default=None, type=ranges.WORKERS, metavar="N", help="CPU workers."),
        click.option("--gpus", default=None, metavar="0,1|0+1|all|none", help="GPUs to use; 0+1: both for one worker."),
        click.option("--session-limit", default=None, metavar="11h30m",
                     help="Save and stop before this."),
        click.option("--broker", metavar="URL", help="A Redis to use instead of a private one."),
    ):  # fmt: skip
        collect = decorator(collect)
    return collect


def broker_from_environment() -> str | None:
    """`BATON_BROKER` (set by the supervisor for its children), else `REDIS_URL`, else None."""
    return os.environ.get("BATON_BROKER") or os.environ.get("REDIS_URL") or None


def need_broker(option: str | None) -> str:
    """What a single process listens on; asked here, unless a session has. Raises EnvironmentLacks, InvalidInput."""
    url = option or broker_from_environment()
    if url is None:
        raise EnvironmentLacks("no broker named: pass --broker redis://HOST:PORT/0 or set REDIS_URL")
    if PARENT_VARIABLE not in os.environ:
        from workers.broker import ask

        ask(url)
    return url
