"""Signs of life of a process of an attempt, from its first moment on: importing torch takes a slow machine minutes."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress

from tasks.train.gang.words import Teller

#: Between two of them.
_SECONDS = 1.0


def show_life(teller: Teller, rank: int) -> None:
    """As long as this process runs: one that is stopped, or hangs as a whole, is silent. rank: or LAUNCHER."""
    threading.Thread(target=_tell, args=(teller, rank), name="alive", daemon=True).start()


def moving(teller: Teller, rank: int) -> Callable[[], None]:
    """To be called, by any thread, whenever bytes of what is loaded or saved were read, written or hashed."""
    told = 0.0

    def moved() -> None:
        nonlocal told
        if (now := time.monotonic()) - told >= _SECONDS:
            told = now
            teller.say("moved", rank=rank)

    return moved


def _tell(teller: Teller, rank: int) -> None:
    with suppress(OSError):  # nobody listens any more
        while True:
            teller.say("alive", rank=rank)
            time.sleep(_SECONDS)
