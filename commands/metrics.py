"""`metrics`: figures for Prometheus."""

from __future__ import annotations

import click

from commands.options import existing_home, home_option


@click.command("metrics")
@home_option
@click.option("--address", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=9464, show_default=True, type=click.IntRange(1, 65535), help="Port.")
@click.pass_context
def command(context: click.Context, home_path: str | None, address: str, port: int) -> None:
    """Serve http://ADDRESS:PORT/metrics until stopped."""
    import sys

    from commands.stopping import stop_on_signals
    from db.migrate import open_state
    from workers.prometheus import serve_metrics

    home = existing_home(context, home_path)
    database = open_state(home)
    print(f"Prometheus figures: http://{address}:{port}/metrics", file=sys.stderr, flush=True)
    serve_metrics(home, database, address, port, stop_on_signals())
    database.close()
