"""Whoever runs Baton with another Python than its own is told what to type."""

from __future__ import annotations

import subprocess
import sys

from tests.support import REPOSITORY


def test_without_its_libraries_the_command_to_type_is_said() -> None:
    """-S: without site-packages, -I without what the tests put on the path."""
    done = subprocess.run(
        [sys.executable, "-S", "-I", "-c", f"import sys; sys.path.insert(0, {str(REPOSITORY)!r}); import cli"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 3 and done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: ") and ("; type: " in line)
    assert "make -C " in line or "/.venv/bin/python " in line
