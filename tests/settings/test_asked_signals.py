"""Signals of a whole session end only what their parent ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

#: Reads a line to signal its child by itself, and says how that ended.
_PARENT = """
import signal, subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "from settings.asked_signals import *; heed_parent_alone(); "
    "print('ready', os.getpid(), flush=True); import time; time.sleep(60)"], stdout=sys.stdout)
while line := sys.stdin.readline():
    child.send_signal(int(line))
    print("ended", child.wait(), flush=True)
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1, signal.SIGINT])
def test_only_the_parent_is_heeded(number: signal.Signals) -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", _PARENT], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert parent.stdin is not None and parent.stdout is not None
    try:
        child = int(parent.stdout.readline().split()[1])
        for asked in {signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1} - {
            number
        }:  # one that waits swallows its like
            os.kill(child, asked)
        os.kill(child, 0)
        parent.stdin.write(f"{int(number)}\n")
        parent.stdin.close()
        assert parent.stdout.readline().split() == ["ended", str(-number)]
    finally:
        parent.kill()
        parent.wait()
        parent.stdout.close()
