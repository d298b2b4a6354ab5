"""The process of one rank: `python -m ... ORDER`, with torchrun's variables in its environment.

Standard output is the attempt's pipe, and whatever libraries print goes to standard error. Standard input is what the
attempt asks the first rank for.
"""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path

from settings.asked_signals import heed_parent_alone
from settings.parent import die_with_parent
from settings.uncollected import imported
from tasks.train.gang.life import moving, show_life
from tasks.train.gang.words import CHECKPOINT, GO_ON, STOP, Teller

_ASKED = {b"c": CHECKPOINT, b"s": STOP}


class Asked:
    """What the attempt asks for, read without waiting."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        os.set_blocking(descriptor, False)

    def now(self) -> int:
        """The most of what was asked since the last look."""
        try:
            letters = os.read(self._descriptor, 4096)
        except BlockingIOError:
            return GO_ON
        return max((_ASKED.get(bytes([letter]), GO_ON) for letter in letters), default=GO_ON)


def main(order: Path) -> int:
    die_with_parent()
    rank = int(os.environ["RANK"])
    teller = Teller(os.dup(1))
    os.dup2(2, 1)
    if rank == 0 and os.environ["GROUP_WORLD_SIZE"] != "1":
        teller.say("ranks", ranks=int(os.environ["LOCAL_WORLD_SIZE"]))
    show_life(teller, rank)
    logging.basicConfig(format=f"rank {rank}: %(message)s")
    try:
        with imported():
            from tasks.train.gang.work import work  # torch, and all that is trained

        work(order, teller, Asked(0) if rank == 0 else None, moving(teller, rank))
    except BaseException as error:
        logging.getLogger("baton.train").exception("rank %d failed", rank)
        teller.failed(rank, error)
        return 1
    return 0


if __name__ == "__main__":
    heed_parent_alone()
    code = main(Path(sys.argv[1]))
    sys.stderr.flush()
    os._exit(code)  # what a rank leaves behind is files and words; its threads may wait for others for ever
