"""The process that starts the ranks of an attempt through torchrun's agent: `python -m ... ORDER RANKS`.

It says in the end how each rank ended, as the agent exits with 1 for everything. Nothing is started again: an attempt
ends as a whole, and the queue takes the job up.

Agent and ranks meet through files of the attempt: torch's store over TCP listens on all interfaces, and takes whoever
asks.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from settings.own_module import command_of
from settings.parent import PARENT_VARIABLE, die_with_parent
from tasks.train.gang.life import show_life
from tasks.train.gang.words import LAUNCHER, Teller

_RANK = "tasks.train.gang.rank"
#: Ranks of one machine talk over its loopback device, whatever its name resolves to.
_LOOPBACK = {"GLOO_SOCKET_IFNAME": "lo", "NCCL_SOCKET_IFNAME": "lo"}

#: The agent would serve one for its ranks, which meet without it.
_NO_STORE = {"TORCH_DISABLE_SHARE_RDZV_TCP_STORE": "1"}


def main(order: Path, ranks: int) -> int:
    die_with_parent()
    teller = Teller(1)
    show_life(teller, LAUNCHER)
    os.environ[PARENT_VARIABLE] = str(os.getpid())
    os.environ.update(_LOOPBACK | _NO_STORE)
    # On import, torch takes seconds; whoever is gone by then has taken this process along.
    from torch.distributed.elastic.multiprocessing import DefaultLogsSpecs
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    config = LaunchConfig(
        min_nodes=1,
        max_nodes=1,
        nproc_per_node=ranks,
        run_id=order.parent.name,
        rdzv_backend="c10d",
        rdzv_endpoint=str(order.parent / "rendezvous"),
        rdzv_configs={"store_type": "file"},
        local_addr="localhost",
        max_restarts=0,
        monitor_interval=0.1,
        logs_specs=DefaultLogsSpecs(log_dir=str(order.parent)),
    )
    command, *arguments = command_of(_RANK, str(order))
    teller.say("ranks", ranks=ranks)
    try:
        elastic_launch(config, command)(*arguments)
    except ChildFailedError as error:
        teller.say("exits", exits={str(rank): it.exitcode for rank, it in error.failures.items()})
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), int(sys.argv[2])))
