"""`flower`: a window on the queue in the browser."""

from __future__ import annotations

import click

from commands.options import existing_home, home_option
from commands.session_options import broker_from_environment
from workers.services import SERVICES


@click.command("flower")
@home_option
@click.option("--broker", metavar="URL", help="Redis to watch [default: $REDIS_URL, else the home's own].")
@click.option("--address", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port",
    default=SERVICES["flower"].port,
    show_default=True,
    type=click.IntRange(1, 65535),
    help="Port.",
)
@click.pass_context
def command(
    context: click.Context, home_path: str | None, broker: str | None, address: str, port: int
) -> None:
    """Run Flower. Its password comes from BATON_FLOWER_PASSWORD, or is made on first use in run/flower.password.

    Of a home that can only be read it needs that variable and a broker's URL, and remembers nothing when it ends.
    """
    import os

    from views.flower import PASSWORD_VARIABLE, flower_main
    from workers.broker import private_url

    home = existing_home(context, home_path)
    url = broker or broker_from_environment()
    kept = home.obstacle() is None or url is None or PASSWORD_VARIABLE not in os.environ
    if kept:
        home.create()
    flower_main(home, url or private_url(home), address, port, kept)
