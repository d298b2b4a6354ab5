"""How ranks of several machines meet: torchrun's c10d rendezvous at a store of torch's, which the first machine serves.

The store would listen on all interfaces; it is given a socket that listens on one address. Gloo listens on the
interface that it is told, by the first address of that.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass

from tasks.context import Node

#: Seconds for one that asks the store to be let in; a machine that cannot be reached is known then.
CONNECT_SECONDS = 60


@dataclass(frozen=True)
class Meeting:
    """As a launcher is told of it. name: of the attempt. endpoint: address and port of the store. number: of this
    machine among `nodes`. address: of this one. listener: descriptor of the store's socket, on the first."""

    name: str
    endpoint: str
    number: int
    nodes: int
    address: str
    listener: int | None = None

    def text(self) -> str:
        return json.dumps(asdict(self))

    @property
    def place(self) -> tuple[str, int]:
        """(address, port) of the store."""
        address, _, port = self.endpoint.rpartition(":")
        return address, int(port)


def read_meeting(text: str) -> Meeting:
    return Meeting(**json.loads(text))


@contextmanager
def serving(name: str, nodes: int, own: Node) -> Iterator[Meeting]:
    """The meeting of an attempt whose first machine this is. Raises OSError where its address cannot be listened on."""
    with socket.create_server((own.address, 0)) as listener:
        port = listener.getsockname()[1]
        yield Meeting(name, f"{own.address}:{port}", 0, nodes, own.address, listener.fileno())
