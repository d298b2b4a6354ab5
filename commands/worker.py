"""`worker`: one worker process."""

from __future__ import annotations

import os
import socket
import time
from contextlib import closing

import click

from commands.options import home_option, working_home
from commands.session_options import allow_code_option, need_broker
from errors import InvalidInput
from settings.shown import shown
from settings.suggestions import did_you_mean
from settings.uncollected import imported


@click.command("worker")
@home_option
@click.option("--broker", metavar="URL", help="Redis to listen on [default: $REDIS_URL].")
@click.option("--name", default=None, help="Name shown in status and Flower.")
@click.option("--resources", default="cpu,accelerator", show_default=True, help="Kinds of job it takes.")
@allow_code_option
@click.option("--session", type=int, default=None, help="Session this worker belongs to.")
@click.pass_context
def command(
    context: click.Context,
    home_path: str | None,
    broker: str | None,
    name: str | None,
    resources: str,
    allow_code: tuple[str, ...],
    session: int | None,
) -> None:
    """Run one worker process, pinned to the device in BATON_DEVICE and CUDA_VISIBLE_DEVICES."""
    with imported():
        from commands.gpus import need_own_gpus
        from db import code
        from db.migrate import open_state
        from settings.parent import die_with_parent
        from tasks.devices import pin
        from workers.processes import worker_main

    taken = _resources(resources)
    die_with_parent()  # asking torch takes seconds
    device = pin(os.environ.get("BATON_DEVICE") or None)
    if session is None and "accelerator" in taken:
        need_own_gpus()  # a session has looked before it started its workers

    home = working_home(context, home_path)
    if allow_code or (session is None and home.exists):  # a session has looked before it started its workers
        with closing(open_state(home)) as database:
            code.allow(database, allow_code, time.time())
            code.need_allowed(database)
    url = need_broker(broker)
    home.create()
    worker_main(
        home,
        url,
        name or f"worker-{socket.gethostname()}-{os.getpid()}",
        device,
        taken,
        session,
    )


def _resources(said: str) -> tuple[str, ...]:
    """Raises InvalidInput for a kind that no job has: such a worker would join and never take one."""
    from workers.bell import RESOURCES

    taken = tuple(name.strip() for name in said.split(","))
    for name in taken:
        if name not in RESOURCES:
            hint = (
                "; a GPU's is accelerator"
                if name.lower() in ("gpu", "gpus", "cuda")
                else did_you_mean(name, RESOURCES)
            )
            raise InvalidInput(
                f"--resources: no job is of kind {shown(name)}; known are {', '.join(RESOURCES)}{hint}"
            )
    return taken
