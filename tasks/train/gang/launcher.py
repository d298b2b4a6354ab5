"""The process that starts a machine's ranks of an attempt through torchrun's agent: `... ORDER RANKS [MEETING]`.

It says in the end how each rank ended, as the agent exits with 1 for everything. Nothing is started again: an attempt
ends as a whole, and the queue takes the job up.

Agent and ranks of one machine meet through files of the attempt: torch's store over TCP listens on all interfaces, and
takes whoever asks. Several machines have one, at an address that its owner named (`tasks.train.gang.meeting`).
"""

from __future__ import annotations

import os
import socket
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from errors import EnvironmentLacks
from settings.asked_signals import heed_parent_alone
from settings.gang_address import LOOPBACK, interface_of
from settings.own_module import command_of
from settings.parent import PARENT_VARIABLE, die_with_parent
from tasks.train.gang.life import show_life
from tasks.train.gang.meeting import CONNECT_SECONDS, Meeting, read_meeting
from tasks.train.gang.words import LAUNCHER, Teller

if TYPE_CHECKING:
    from torch.distributed import TCPStore

_RANK = "tasks.train.gang.rank"
#: Ranks of one machine talk over its loopback device, whatever its name resolves to.
_LOOPBACK = {"GLOO_SOCKET_IFNAME": LOOPBACK, "NCCL_SOCKET_IFNAME": LOOPBACK}

#: For all machines to join: each fetches what it reads before.
_JOIN_SECONDS = 3600

#: The agent takes a machine for dead whose last sign is older than 15 s by its own time of day: where clocks are apart,
#: or one is set, machines would begin with others missing. That they live is for the attempt to see.
_CLOCKS = {"keep_alive_max_attempt": 100_000_000}

#: What torch says where it can listen at none of a name's addresses.
_NO_SOCKET = "Failed to create a socket"

#: The agent would serve one for its ranks, which meet without it.
_NO_STORE = {"TORCH_DISABLE_SHARE_RDZV_TCP_STORE": "1"}


def main(order: Path, ranks: int, meeting: Meeting | None) -> int:
    die_with_parent()
    teller = Teller(1)
    show_life(teller, LAUNCHER)
    try:
        return _launch(order, ranks, meeting, teller)
    except Exception as error:
        teller.launch_failed(_in_plain_words(error))
        raise


def _launch(order: Path, ranks: int, meeting: Meeting | None, teller: Teller) -> int:
    os.environ[PARENT_VARIABLE] = str(os.getpid())
    os.environ.update(_LOOPBACK | _NO_STORE)
    if meeting is not None:
        interface = interface_of(meeting.address)
        os.environ.update(dict.fromkeys(_LOOPBACK, interface))
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
        rdzv_configs={"store_type": "file", **_CLOCKS},
        local_addr="localhost",
        max_restarts=0,
        monitor_interval=0.1,
        logs_specs=DefaultLogsSpecs(log_dir=str(order.parent)),
    )
    store = None
    if meeting is not None:
        store = _served(meeting)
        config = replace(
            config,
            min_nodes=meeting.nodes,
            max_nodes=meeting.nodes,
            run_id=meeting.name,
            rdzv_endpoint=meeting.endpoint,
            rdzv_configs={
                "is_host": "false",
                "read_timeout": CONNECT_SECONDS,
                "join_timeout": _JOIN_SECONDS,
                **_CLOCKS,
            },
            local_addr=f"{meeting.number:05d}",  # machines are numbered in the order of these
        )
    command, *arguments = command_of(_RANK, str(order))
    if meeting is None:  # else they begin once all machines are there, and say so
        teller.say("ranks", ranks=ranks)
    try:
        elastic_launch(config, command)(*arguments)
    except ChildFailedError as error:
        teller.say("exits", exits={str(rank): it.exitcode for rank, it in error.failures.items()})
        return 1
    finally:
        del store
    return 0


def _in_plain_words(error: Exception) -> Exception:
    if isinstance(error, socket.gaierror) or str(error) == _NO_SOCKET:
        return EnvironmentLacks(
            "torchrun listens at the name localhost for a moment, which this machine does not resolve to an address"
            " of its loopback device: /etc/hosts has to name one (`127.0.0.1 localhost`)"
        )
    return error


def _served(meeting: Meeting) -> TCPStore | None:
    """The store of all machines, as long as this is kept; None where another machine has it."""
    if meeting.listener is None:
        return None
    from torch.distributed import TCPStore

    address, port = meeting.place
    return TCPStore(address, port, is_master=True, master_listen_fd=meeting.listener, wait_for_workers=False)


if __name__ == "__main__":
    heed_parent_alone()
    told = sys.argv[3:]
    sys.exit(main(Path(sys.argv[1]), int(sys.argv[2]), read_meeting(told[0]) if told else None))
