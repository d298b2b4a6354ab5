"""`cli.py` whose workers know the kinds of `tests.bodies` too."""

from __future__ import annotations

import sys

import cli
from tests import bodies

if __name__ == "__main__":
    bodies.install()
    sys.exit(cli.main())
