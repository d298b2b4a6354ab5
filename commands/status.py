"""`status`: what there is, how far it is, and how long it may take."""

from __future__ import annotations

import json

import click

from commands.options import existing_home, home_option
from commands.ranges import Seconds
from settings.streams import say


@click.command("status")
@home_option
@click.argument("ablation", required=False)
@click.option("--watch", is_flag=True, help="Stay and keep it current until everything has ended.")
@click.option("--interval", default=1.0, show_default=True, type=Seconds(0.1), metavar="SECONDS",
              help="How often --watch looks.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document (with --watch: one a line).")
@click.pass_context
def command(
    context: click.Context,
    home_path: str | None,
    ablation: str | None,
    watch: bool,
    interval: float,
    as_json: bool,
) -> None:
    """Show ablations (all, or the one with this id or name), runs, workers, sessions and events.

    Time left is a range: what earlier attempts took, on the workers there are now. Kinds of job that have
    not run yet are named and not guessed.
    """
    from db.absent import no_ablation
    from db.migrate import look_at_state
    from errors import InvalidInput
    from views.status import status_document

    home = existing_home(context, home_path)
    database = look_at_state(home)
    document = status_document(home, database, ablation)
    if ablation is not None and not document["ablations"]:
        raise InvalidInput(no_ablation(database, ablation))
    if watch:
        from db.silence import Hearing
        from views.watch import watch_status

        hearing = Hearing()
        watch_status(lambda: status_document(home, database, ablation, hearing), interval, as_json)
    elif as_json:
        say(json.dumps(document))
    else:
        import time

        from views.status_screen import status_screen
        from views.terminal import show

        show(lambda width: status_screen(document, time.time(), width))
    database.close()
