"""`tensorboard`: event files from the database, and TensorBoard on them."""

from __future__ import annotations

import click

from commands.options import existing_home, home_option
from settings.streams import say
from workers.services import SERVICES

_SERVICE = SERVICES["tensorboard"]


@click.command("tensorboard")
@home_option
@click.option("--address", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=_SERVICE.port, show_default=True, type=click.IntRange(1, 65535), help="Port.")
@click.option("--once", is_flag=True, help="Only write the event files, once; needs no TensorBoard.")
@click.pass_context
def command(context: click.Context, home_path: str | None, address: str, port: int, once: bool) -> None:
    """Keep event files in `logs/tensorboard` current and serve TensorBoard on them until stopped.

    Of a home that can only be read they are kept in a temporary folder.
    """
    from contextlib import ExitStack
    from pathlib import Path
    from tempfile import TemporaryDirectory

    from commands.stopping import stop_on_signals
    from db.migrate import look_at_state
    from settings.parent import die_with_parent
    from views.addresses import note_address
    from views.event_files import EventFiles, event_folder
    from views.tensorboard import serve_tensorboard
    from workers.services import announcement, need_services

    home = existing_home(context, home_path)
    die_with_parent()
    if not once:
        need_services({"tensorboard": port}, address)
    kept = home.obstacle() is None
    if once or kept:
        home.create()
    database = look_at_state(home)
    if once:
        files = EventFiles(event_folder(home), database)
        say(f"{files.update()} points in {event_folder(home)}")
        files.close()
    else:
        say(announcement("tensorboard", address, port), error=True)
        with ExitStack() as cleanup:
            if kept:
                folder = event_folder(home)
                note_address(home, "tensorboard", _SERVICE.url(address, port))
            else:  # beside a home that can only be read, and only for as long as they are served
                folder = Path(cleanup.enter_context(TemporaryDirectory(prefix="baton-tensorboard-")))
            serve_tensorboard(folder, database, address, port, stop_on_signals())
    database.close()
