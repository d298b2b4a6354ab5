"""Closed standard streams."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.support import REPOSITORY

SCRIPT = """
import os, sys
from settings.streams import mend_streams
mend_streams()
later = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT)
assert later > 2, later
print("lost")
print("lost too", file=sys.stderr, flush=True)
os.write(1, b"a library")
assert os.read(later, 100) == b"" and sys.stdin.read() == ""
os.write(later, b"well")
"""


def test_no_file_takes_the_number_of_a_closed_stream(tmp_path: Path) -> None:
    place = tmp_path / "file"
    words = ["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", sys.executable, "-c", SCRIPT, str(place)]
    assert subprocess.run(words, cwd=REPOSITORY).returncode == 0
    assert place.read_bytes() == b"well"
