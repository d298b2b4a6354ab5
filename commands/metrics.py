"""`metrics`: figures for Prometheus."""

from __future__ import annotations

import click

from commands.options import existing_home, home_option
from settings.streams import say
from workers.services import SERVICES

_SERVICE = SERVICES["metrics"]


@click.command("metrics")
@home_option
@click.option("--address", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=_SERVICE.port, show_default=True, type=click.IntRange(1, 65535), help="Port.")
@click.pass_context
def command(context: click.Context, home_path: str | None, address: str, port: int) -> None:
    """Serve http://ADDRESS:PORT/metrics until stopped."""

    from commands.stopping import stop_on_signals
    from db.migrate import look_at_state
    from settings.parent import die_with_parent
    from views.addresses import note_address
    from views.prometheus import serve_metrics
    from workers.services import announcement, need_services

    home = existing_home(context, home_path)
    die_with_parent()
    need_services({"metrics": port}, address)
    kept = home.obstacle() is None  # a home that can only be read has figures too
    if kept:
        home.create()
    database = look_at_state(home)
    say(announcement("metrics", address, port), error=True)
    if kept:
        note_address(home, "metrics", _SERVICE.url(address, port))
    serve_metrics(home, database, address, port, stop_on_signals())
    database.close()
