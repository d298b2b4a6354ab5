"""`cli.py` whose workers, and those of the commands it runs, know the kinds of `tests.bodies` too."""

from __future__ import annotations

import sys
from pathlib import Path

import cli
from tests import bodies
from workers import processes, supervisor

if __name__ == "__main__":
    bodies.install()
    supervisor.CLI = Path(__file__)
    # Nothing is imported ahead of need: most of these bodies need no torch.
    processes.import_bodies = lambda _resource: None
    sys.exit(cli.main())
