"""`tensorboard`: event files from the database, and TensorBoard on them."""

from __future__ import annotations

import click

from commands.options import existing_home, home_option

_UPDATE_SECONDS = 10.0


@click.command("tensorboard")
@home_option
@click.option("--address", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=6006, show_default=True, type=click.IntRange(1, 65535), help="Port.")
@click.option("--once", is_flag=True, help="Only write the event files, once; needs no TensorBoard.")
@click.pass_context
def command(context: click.Context, home_path: str | None, address: str, port: int, once: bool) -> None:
    """Keep event files in `logs/tensorboard` current and serve TensorBoard on them until stopped."""
    import subprocess
    import sys
    from importlib.util import find_spec

    from commands.stopping import stop_on_signals
    from db.migrate import open_state
    from errors import EnvironmentLacks
    from workers.event_files import EventFiles, event_folder

    home = existing_home(context, home_path)
    if not once and find_spec("tensorboard") is None:
        raise EnvironmentLacks("TensorBoard is not installed; pip install 'baton-queue[tensorboard]'")
    home.create()
    database = open_state(home)
    files = EventFiles(home, database)
    written = files.update()
    if once:
        print(f"{written} points in {event_folder(home)}")
    else:
        stop = stop_on_signals()
        server = subprocess.Popen(
            [sys.executable, "-m", "tensorboard.main", "--logdir", str(event_folder(home)),
             "--host", address, "--port", str(port), "--reload_interval", "10"],
        )  # fmt: skip
        while not stop.wait(_UPDATE_SECONDS) and server.poll() is None:
            files.update()
        server.terminate()
        server.wait()
    files.close()
    database.close()
    if not once and server.returncode not in (0, -15):
        raise EnvironmentLacks(
            f"TensorBoard ended by itself (exit {server.returncode}); is port {port} free?"
        )
