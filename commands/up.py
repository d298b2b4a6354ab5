"""`up`: start the processes of this machine and go on with whatever is unfinished."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import closing
from functools import wraps
from typing import Any

import click

from commands.options import existing_home, home_option
from commands.session_options import SessionOptions, allow_code_option, session_options
from errors import Stopped
from settings.called import told_apart
from settings.home import Home
from settings.streams import say
from settings.typed import typed
from settings.uncollected import imported
from workers.services import SERVICES


def service_options(function: Any) -> Any:
    """`--NAME` and `--NAME-port` of each service, collected into `services`: name -> port of those wanted."""

    @wraps(function)
    def collect(*args: Any, **given: Any) -> Any:
        asked = {name: (given.pop(name), given.pop(f"{name}_port")) for name in SERVICES}
        services = {name: port for name, (wanted, port) in asked.items() if wanted}
        return function(*args, services=services, **given)

    for name, service in reversed(list(SERVICES.items())):
        port = click.IntRange(1, 65535)
        collect = click.option(f"--{name}-port", default=service.port, show_default=True, type=port)(collect)
        collect = click.option(f"--{name}", is_flag=True, help=f"Serve {service.title} too.")(collect)
    return collect


@click.command("up")
@home_option
@click.option("--until-done", is_flag=True, help="End when nothing is left to do.")
@allow_code_option
@session_options
@service_options
@click.pass_context
def command(
    context: click.Context,
    home_path: str | None,
    until_done: bool,
    allow_code: tuple[str, ...],
    session: SessionOptions,
    services: dict[str, int],
) -> int:
    """Start broker, scheduler and workers; --until-done ends with the report of what was finished.

    Exit code 1 when an ablation failed, 4 when stopped early.
    """
    with imported():
        from commands import memory
        from commands.finished import finished, tell_ended, told_if_stopped
        from commands.gpus import need_gpus
        from commands.run import plan_session, run_home
        from db import code, queries, standings
        from db.migrate import open_state
        from settings.elsewhere import elsewhere

    home = existing_home(context, home_path)
    plan = plan_session(session)
    home.create()
    with home.exclusive("up"), closing(open_state(home, thorough=True)) as database:
        code.allow(database, allow_code, time.time())
        code.need_allowed(database)
        before = standings.standing(database).ablations
        is_needed = not until_done or any(entry.state == "running" for entry in before)
        if not is_needed and session.gpus not in (None, "all", "none"):
            need_gpus(
                plan.devices
            )  # who names some is told that they are not there, also where nothing is left
        if is_needed:
            shared = elsewhere(home.root).database is not None
            room = memory.Room(plan.devices.gpus, need_gpus(plan.devices), shared)
            memory.check(queries.unfinished_jobs(database), room, refuse=False)
        with told_if_stopped(home, database, before):
            run_home(home, database, plan, until_done=until_done, services=services)
        ablations = standings.standing(database).ablations
        names = told_apart((entry.id, entry.name) for entry in ablations)
        states = {names[entry.id]: entry.state for entry in ablations}
        if not is_needed:
            _tell_nothing_is_left(home, states)
        reported = {entry.id for entry in finished(before, ablations)} if until_done else set()
        tell_ended(home, database, ablations, names, reported)
    if "failed" in states.values():
        return 1
    paused = [entry for entry in ablations if entry.state == "paused"]
    if paused:
        told = ", ".join(names[entry.id] for entry in paused)
        first = typed(f"unpause {paused[0].id}", home)
        then = typed("up --until-done", home)
        raise Stopped(f"{told}: paused, with everything saved; go on with: {first}, then {then}")
    return 0


def _tell_nothing_is_left(home: Home, states: Mapping[str, str]) -> None:
    """Why nothing was started: otherwise the command would end without a word."""
    for name, state in states.items():
        if state != "paused":
            say(f"{name}: {state}, nothing is left to do", error=True)
    if not states:
        say(f"nothing was submitted yet; do it with: {typed('submit-ablation', home)}", error=True)
