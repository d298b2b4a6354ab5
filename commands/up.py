"""`up`: start the processes of this machine and go on with whatever is unfinished."""

from __future__ import annotations

import click

from commands.options import SessionOptions, existing_home, home_option, session_options
from errors import Stopped


@click.command("up")
@home_option
@click.option("--until-done", is_flag=True, help="End when nothing is left to do.")
@session_options
@click.option("--flower", is_flag=True, help="Start Flower too.")
@click.option("--flower-port", default=5555, show_default=True, type=click.IntRange(1, 65535))
@click.pass_context
def command(
    context: click.Context,
    home_path: str | None,
    until_done: bool,
    session: SessionOptions,
    flower: bool,
    flower_port: int,
) -> int:
    """Start broker, scheduler and workers. Exit code 1 when an ablation failed, 4 when stopped early."""
    from commands.run import plan_session, run_home
    from db import queries
    from db.migrate import open_state

    home = existing_home(context, home_path)
    plan = plan_session(session)
    home.create()
    with home.exclusive("up"):
        database = open_state(home)
        run_home(
            home,
            database,
            plan,
            until_done=until_done,
            flower_port=flower_port if flower else None,
        )
        states = {a["name"]: a["state"] for a in queries.status(database)["ablations"]}
        database.close()
    if "failed" in states.values():
        return 1
    paused = [name for name, state in states.items() if state == "paused"]
    if paused:
        raise Stopped(f"{', '.join(paused)}: paused, with everything saved; unpause, then up again")
    return 0
