"""`up`: start the processes of this machine and go on with whatever is unfinished."""

from __future__ import annotations

import time

import click

from commands.options import broker_from_environment, existing_home, home_option


@click.command("up")
@home_option
@click.option("--until-done", is_flag=True, help="End when nothing is left to do.")
@click.option("--session-limit", default=None, metavar="11h30m", help="Stop, with all saved, before this.")
@click.option("--gpus", default=None, metavar="0,1|all|none", help="GPUs to use.")
@click.option("--cpus", default=None, type=click.IntRange(0), metavar="N", help="CPU workers.")
@click.option("--broker", metavar="URL", help="A Redis to use instead of a private one.")
@click.option("--flower", is_flag=True, help="Start Flower too.")
@click.option("--flower-port", default=5555, show_default=True, type=click.IntRange(1, 65535))
@click.pass_context
def command(
    context: click.Context,
    home_path: str | None,
    until_done: bool,
    session_limit: str | None,
    gpus: str | None,
    cpus: int | None,
    broker: str | None,
    flower: bool,
    flower_port: int,
) -> int:
    """Start broker, scheduler and workers. Exit code 1 when an ablation failed, 4 when stopped early."""
    from commands.run import devices_of, run_home
    from db import queries
    from db.migrate import open_state
    from settings.duration import deadline_in

    home = existing_home(context, home_path)
    deadline = deadline_in(session_limit, time.time())
    devices = devices_of(gpus, cpus)
    home.create()
    with home.exclusive("up"):
        database = open_state(home)
        run_home(
            home,
            database,
            devices,
            broker or broker_from_environment(),
            deadline=deadline,
            until_done=until_done,
            flower_port=flower_port if flower else None,
        )
        failed = [a["name"] for a in queries.status(database)["ablations"] if a["state"] == "failed"]
        database.close()
    return 1 if failed else 0
