"""Asking a tool of this machine, which may never answer."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence


def ask_tool(words: Sequence[str], seconds: float) -> subprocess.CompletedProcess[str]:
    """What a command printed, whatever its exit code. Raises OSError, and subprocess.TimeoutExpired after `seconds`.

    `subprocess.run` waits for what it killed, and a process that hangs in a driver does not die.
    """
    process = subprocess.Popen(
        list(words),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        start_new_session=True,
    )
    try:
        out, err = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        raise
    return subprocess.CompletedProcess(words, process.returncode, out, err)
