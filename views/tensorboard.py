"""TensorBoard on event files that are kept current."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

from db.engine import Database
from errors import EnvironmentLacks
from settings import parent
from views.event_files import EventFiles

_UPDATE_SECONDS = 10.0

#: TensorBoard looks for new events this often.
_RELOAD_SECONDS = 10


def serve_tensorboard(
    folder: Path, database: Database, address: str, port: int, stop: threading.Event
) -> None:
    """Write event files to `folder` and serve them until `stop` is set.

    Raises EnvironmentLacks if TensorBoard ends by itself.
    """
    files = EventFiles(folder, database)
    files.update()
    server = subprocess.Popen(
        [sys.executable, "-I", parent.__file__, sys.executable, "-m", "tensorboard.main",
         "--logdir", str(folder), "--host", address, "--port", str(port),
         "--reload_interval", str(_RELOAD_SECONDS)],
        env={**os.environ, parent.PARENT_VARIABLE: str(os.getpid())},
    )  # fmt: skip
    while not stop.wait(_UPDATE_SECONDS) and server.poll() is None:
        files.update()
    ended = server.poll()
    server.terminate()
    server.wait()
    files.close()
    if ended is not None:
        raise EnvironmentLacks(f"TensorBoard ended by itself (exit {ended}); it says why above")
