"""`scheduler`: one scheduler process."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from commands.options import home_option, working_home
from commands.session_options import need_broker
from settings.uncollected import imported

if TYPE_CHECKING:
    from db.engine import Database
    from db.rows import AblationRow


@click.command("scheduler")
@home_option
@click.option("--broker", metavar="URL", help="Redis to ring on [default: $REDIS_URL].")
@click.pass_context
def command(context: click.Context, home_path: str | None, broker: str | None) -> None:
    """Run one scheduler. Any number may run beside it."""
    with imported():
        from workers.processes import scheduler_main

    home = working_home(context, home_path)
    url = need_broker(broker)
    home.create()
    scheduler_main(home, url, _play_round)


def _play_round(database: Database, row: AblationRow, now: float) -> str | None:
    """What plans takes a while to import, which a scheduler without such ablations does not wait for."""
    from experiments.design.rounds import play_round

    return play_round(database, row, now)
