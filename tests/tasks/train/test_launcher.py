"""What starts the ranks says why it could not, and machines meet whatever their clocks say."""

from __future__ import annotations

import errno
import socket
import threading
from datetime import datetime, timedelta, tzinfo
from pathlib import Path
from typing import Any

import pytest
import torch.distributed as dist
from torch.distributed.elastic.rendezvous import RendezvousParameters, dynamic_rendezvous
from torch.distributed.elastic.rendezvous.c10d_rendezvous_backend import C10dRendezvousBackend
from torch.distributed.elastic.utils.distributed import get_free_port

from tasks.train.gang import launcher
from tasks.train.gang.words import error_in, lines_of


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> bytearray:
    said = bytearray()

    def write(_descriptor: int, line: bytes) -> int:
        said.extend(line)
        return len(line)

    monkeypatch.setattr("tasks.train.gang.words.os.write", write)
    monkeypatch.setattr(launcher, "show_life", lambda *_: None)
    monkeypatch.setattr(launcher, "die_with_parent", lambda: None)
    return said


@pytest.mark.parametrize("addresses", ["none", "one of nobody"])
def test_a_name_that_does_not_resolve_is_said_with_its_remedy(
    addresses: str, said: bytearray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """torch's own words, as it is asked what it is asked."""

    def unresolved(*_: Any, **__: Any) -> list[Any]:
        raise socket.gaierror(-3, "Temporary failure in name resolution")

    def not_ours(*_: Any) -> None:
        raise OSError(errno.EADDRNOTAVAIL, "Cannot assign requested address")

    def refused(*_: Any) -> int:
        if addresses == "none":
            monkeypatch.setattr(socket, "getaddrinfo", unresolved)
        else:
            monkeypatch.setattr(socket.socket, "bind", not_ours)
        return get_free_port()

    monkeypatch.setattr(launcher, "_launch", refused)
    with pytest.raises((socket.gaierror, RuntimeError)):
        launcher.main(tmp_path / "order.json", 2, None)
    (line,) = lines_of(said)
    error = error_in(line)
    assert type(error).__name__ == "EnvironmentLacks" and "/etc/hosts" in str(error)


LATE = "late"


class Clock(datetime):
    """A time of day that is a minute behind on one of two machines, which are threads here."""

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
        behind = timedelta(minutes=1 if threading.current_thread().name == LATE else 0)
        return datetime.now(tz) - behind


def test_machines_whose_clocks_are_apart_begin_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The one with the late clock comes last: it had begun with both, and the other one alone."""
    monkeypatch.setattr(dynamic_rendezvous, "datetime", Clock)
    waits, sizes = threading.Event(), {}

    def meet(number: int) -> None:
        store = dist.FileStore(str(tmp_path / "rendezvous"), -1)
        parameters = RendezvousParameters(
            "c10d", "here", "one", 2, 2, local_addr=f"{number:05d}", **launcher._CLOCKS
        )
        handler = dynamic_rendezvous.create_handler(store, C10dRendezvousBackend(store, "one"), parameters)
        if number == 1:
            waits.wait()
        else:
            threading.Timer(2.0, waits.set).start()
        found = handler.next_rendezvous()
        sizes[number] = (found.rank, found.world_size)
        handler._stop_heartbeats()

    machines = [threading.Thread(target=meet, args=(n,), name=name) for n, name in enumerate(["right", LATE])]
    for machine in machines:
        machine.start()
    for machine in machines:
        machine.join(300)
    assert sizes == {0: (0, 2), 1: (1, 2)}
