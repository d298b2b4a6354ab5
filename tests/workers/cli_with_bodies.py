"""`cli.py` whose workers, and those of the commands it runs, know the kinds of `tests.bodies` too."""

from __future__ import annotations

import sys
from pathlib import Path

import cli
from tests import bodies
from workers import processes, space, supervisor

if __name__ == "__main__":
    bodies.install()
    supervisor.CLI = Path(__file__)
    # What these tests count stays on a disk that is nearly full.
    space.free_share_of = lambda _home: 1.0
    # Nothing is imported ahead of need: most of these bodies need no torch.
    processes.import_bodies = lambda _resource: None
    sys.exit(cli.main())
