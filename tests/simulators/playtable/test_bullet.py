"""What PyBullet prints when it is imported is no word of ours."""

from __future__ import annotations

import subprocess
import sys

from tests.processes import CLI


def test_its_import_is_not_heard_and_standard_error_is_as_before() -> None:
    program = "import sys; from simulators.playtable import bullet; print('heard', file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", program], cwd=CLI.parent, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "heard\n")
