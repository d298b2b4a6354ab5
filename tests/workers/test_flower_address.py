"""The address of a Flower that runs, and none of one that does not."""

from __future__ import annotations

import json
import subprocess
import sys

from settings.home import Home
from workers.flower_address import note_address, running_flower


def test_the_address_counts_while_the_process_lives(home: Home) -> None:
    assert running_flower(home) is None
    note_address(home, "http://127.0.0.1:5555")
    assert running_flower(home) == "http://127.0.0.1:5555"
    file = home.run / "flower.json"
    note = json.loads(file.read_text())
    file.write_text(json.dumps({**note, "started_at": note["started_at"] - 100}))
    assert running_flower(home) is None, "another process has the number now"


def test_a_dead_flower_is_not_linked(home: Home) -> None:
    script = (
        "import sys; from pathlib import Path; from settings.home import Home; "
        "from workers.flower_address import note_address; "
        "note_address(Home(Path(sys.argv[1])), 'http://127.0.0.1:1')"
    )
    subprocess.run([sys.executable, "-c", script, str(home.root)], check=True)
    assert (home.run / "flower.json").exists()
    assert running_flower(home) is None
