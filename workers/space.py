"""Making room before the disk is full: superseded checkpoints go when little is left.

While there is room they stay, as `audit` can do the slices between them again.
"""

from __future__ import annotations

import logging
import shutil
import time
from collections.abc import Callable

from db import garbage
from db.engine import Database
from errors import DiskFull, StoreBusy, StoreOfAnother, StoreUnreachable
from settings.home import Home
from workers.retention import retention

logger = logging.getLogger("baton.space")

#: Below this share of the disk there is little left.
LOW_SHARE = 0.1

_LOOK_SECONDS = 30.0

#: Looking for garbage reads the whole state: not again at once where the first look freed too little.
_COLLECT_SECONDS = 600.0

#: How long to wait for a gap between publications: whoever calls has signals and a deadline to look at.
_WAIT_SECONDS = 2.0


class Space:
    """`check` as often as you like; it looks now and then."""

    def __init__(
        self,
        database: Database,
        home: Home,
        free_share: Callable[[Home], float] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database = database
        self._home = home
        self._free_share = free_share or free_share_of
        self._clock = clock
        self._next_look = self._next_collection = clock()

    def check(self) -> garbage.Collected | None:
        """What was removed, where something had to go."""
        now = self._clock()
        if now < self._next_look:
            return None
        self._next_look = now + _LOOK_SECONDS
        if self._free_share(self._home) >= LOW_SHARE or now < self._next_collection:
            return None
        self._next_collection = now + _COLLECT_SECONDS
        try:
            return garbage.collect(
                self._database,
                self._home,
                retention(),
                time.time(),
                superseded_only=True,
                wait_seconds=_WAIT_SECONDS,
            )
        except (DiskFull, StoreBusy, StoreUnreachable, OSError) as error:
            self._next_collection = now
            logger.warning("the disk is nearly full and nothing could be removed: %s", error)
            return None
        except StoreOfAnother as error:
            logger.warning("the disk is nearly full and nothing was removed: %s", error)
            return None


def free_share_of(home: Home) -> float:
    """Share of the home's file system that is free, between 0 and 1."""
    usage = shutil.disk_usage(home.root)
    return usage.free / usage.total
