"""Another container, another machine of the same name: nobody there takes this process for dead."""

from __future__ import annotations

import socket
import subprocess
import sys
import uuid
from pathlib import Path

import pytest

from db import members
from db.engine import Database
from settings.home import Home
from tests import machines
from tests.processes import environment
from tests.support import NOW, worker

#: Looks as a scheduler does, and says whom it misses, and where it is.
LOOK = """
import os, socket, sys
from db import missing, standings
from db.migrate import open_state
from db.silence import Silence
from settings.home import home_at
from settings.processes import process_space
database = open_state(home_at(sys.argv[1]))
print(missing.close_dead_sessions(database, 0.0), missing.find_missing(database, 30.0, Silence()))
print(standings.standing(database).sessions[0].lives, socket.gethostname(), os.getpid() < 10, process_space())
"""


@pytest.mark.parametrize("where", ["another container", "another machine of one name"])
def test_who_lives_is_not_missed_from(where: str, home: Home, database: Database, tmp_path: Path) -> None:
    if not machines.can_be_made():
        pytest.skip("namespaces: only root may make them")
    worker(database, session=members.open_session(database, "up", 60.0, NOW))
    command = [sys.executable, "-c", LOOK, str(home.root)]
    boot_id = tmp_path / "boot_id"
    boot_id.write_text(f"{uuid.uuid4()}\n")
    wrapped = {
        "another container": machines.in_container(command),
        "another machine of one name": machines.on_machine(command, socket.gethostname(), boot_id),
    }[where]
    done = subprocess.run(wrapped, capture_output=True, text=True, env=environment(), timeout=60)
    assert done.returncode == 0, done.stderr
    missed, about = done.stdout.splitlines()
    assert missed == "0 []"
    lives, name, first_numbers, space = about.split(maxsplit=3)
    assert name == socket.gethostname()
    assert (lives, first_numbers) == ("None", "True")
    assert space != "None" and (boot_id.read_text().strip() in space) == ("machine" in where)
