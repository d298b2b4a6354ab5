"""`events`: what happened."""

from __future__ import annotations

import json

import click

from commands.options import existing_home, home_option
from commands.ranges import ROWS
from settings.shown import moment
from settings.streams import say


@click.command("events")
@home_option
@click.option("--limit", default=200, show_default=True, type=ROWS, help="Newest events to show.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.pass_context
def command(context: click.Context, home_path: str | None, limit: int, as_json: bool) -> None:
    """Show the newest events, oldest first."""
    from db import queries
    from db.migrate import look_at_state
    from db.rows import plain

    database = look_at_state(existing_home(context, home_path))
    entries = queries.events(database, limit=limit)
    database.close()
    if as_json:
        say(json.dumps([plain(entry) for entry in entries]))
        return
    for entry in entries:
        say(f"{moment(entry.at)}  {entry.kind:<20}  {entry.message}")
