"""What a process leaves that had not come so far as to die with it."""

from __future__ import annotations

import os
import signal
import subprocess

from settings.parent import PARENT_VARIABLE, left_by


def test_what_a_process_started_is_found_when_that_is_gone() -> None:
    """Also where it is stopped; what others started is not."""
    # It tells its number itself: only then its environment is surely its own.
    command = f"{PARENT_VARIABLE}=$$ sh -c 'echo $$; exec sleep 60 >/dev/null' &"
    gone = subprocess.Popen(["sh", "-c", command], stdout=subprocess.PIPE, text=True)
    assert gone.stdout is not None
    child = int(gone.stdout.readline())
    other = subprocess.Popen(["sleep", "60"], env={**os.environ, PARENT_VARIABLE: "1"})
    try:
        gone.wait()
        os.kill(child, signal.SIGSTOP)
        assert left_by(gone.pid) == [child]
    finally:
        os.kill(child, signal.SIGKILL)
        other.kill()
        other.wait()
        gone.stdout.close()
