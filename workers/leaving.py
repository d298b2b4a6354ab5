"""A worker that was told to leave, while it does what nobody could stop: an import, a native call."""

from __future__ import annotations

import logging
import threading
import time

from settings.ending import end_at_once
from workers.heartbeat import Member

#: How often a process that was told to leave looks whether it may.
_LOOK_SECONDS = 0.05

logger = logging.getLogger("baton.worker")


class Leaving:
    """Begun by the first signal; whoever stops a machine may send several."""

    def __init__(self, member: Member) -> None:
        self._member = member
        self._begun = False

    def begin(self) -> None:
        """Call from the main thread, as signal handlers are. A worker that found damage ends by its own error."""
        if self._begun or self._member.damage is not None:
            return
        self._begun = True
        threading.Thread(target=leave_what_is_saved, args=(self._member,), name="leave", daemon=True).start()


def leave_what_is_saved(member: Member) -> None:
    """End this process while its attempt loads, or does what cannot be saved half-done: nobody could stop it there.

    An attempt that has steps to save ends by itself, and the process after it.
    """
    while member.unsaved.anything or not member.busy:
        time.sleep(_LOOK_SECONDS)
    try:
        member.abandon("its worker was told to leave")
    except Exception:
        logger.exception("what this worker holds could not be put back; whoever misses it takes it back")
    finally:
        end_at_once(0)
