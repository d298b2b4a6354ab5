"""`health`: whether one service of this machine does its work, for docker-compose and other supervisors."""

from __future__ import annotations

import click

from commands.options import home_option, resolve_home
from settings.home import Home
from settings.streams import say
from workers.services import SERVICES

#: A scheduler turns many times a second; a disk may be slow.
_SCHEDULER_SECONDS = 30.0

_HTTP_SECONDS = 5.0


@click.command("health")
@home_option
@click.argument("service", type=click.Choice(["scheduler", "worker", *SERVICES]))
@click.option(
    "--port", default=None, type=click.IntRange(1, 65535), help="Port of a service that answers HTTP."
)
@click.pass_context
def command(context: click.Context, home_path: str | None, service: str, port: int | None) -> int:
    """Exit 0 when SERVICE is at work on this machine, 1 with a sentence when it is not."""

    home = resolve_home(context, home_path)
    if service == "scheduler":
        trouble = _scheduler(home)
    elif service == "worker":
        trouble = _worker(home)
    else:
        found = SERVICES[service]
        trouble = _http(f"http://127.0.0.1:{port or found.port}{found.health}")
    if trouble is None:
        say(f"{service}: healthy")
        return 0
    say(f"{service}: {trouble}", error=True)
    return 1


def _scheduler(home: Home) -> str | None:
    from workers.pulse import pulse_age_seconds

    age = pulse_age_seconds(home, "scheduler")
    if age is None:
        return "never ran since this machine started"
    return None if age <= _SCHEDULER_SECONDS else f"no sign of life for {age:.0f} s"


def _worker(home: Home) -> str | None:
    from db import progress
    from db.migrate import look_at_state
    from settings.queue import queue_settings

    if not home.exists:
        return "there is no state yet"
    lease = queue_settings().lease_seconds
    database = look_at_state(home)
    here = progress.workers_here(database, lease)
    database.close()
    return None if here else f"no worker of this machine gave a sign of life in {lease:.0f} s"


def _http(url: str) -> str | None:
    import urllib.error
    import urllib.request

    from settings.direct import FAULTS, ask

    try:
        with ask(urllib.request.Request(url), _HTTP_SECONDS):
            return None
    except urllib.error.HTTPError as error:
        return f"{url} answers {error.code}"
    except FAULTS as error:
        return f"{url} does not answer ({error})"
