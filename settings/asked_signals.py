"""Signals that a whole session gets, as SLURM gives them to every process of a step, and are for the worker alone.

It saves and ends its helpers itself: one that ended by the signal would take along what is to be saved.
"""

from __future__ import annotations

import os
import signal
import threading

#: Those by which somebody asks for an end, or tells that one is near.
_ASKING = {signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2}


def heed_parent_alone() -> None:
    """From now on such a signal ends this process where its parent sends it, and does nothing where others do. For
    before the first thread; processes that this one starts have these signals blocked until they call this too."""
    # Python's own is heard by the main thread alone, once that is awake.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_BLOCK, _ASKING)
    threading.Thread(target=_heed, args=(os.getppid(),), name="signals", daemon=True).start()


def _heed(parent: int) -> None:
    while (told := signal.sigwaitinfo(_ASKING)).si_pid != parent:
        pass
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {told.si_signo})
    os.kill(os.getpid(), told.si_signo)
