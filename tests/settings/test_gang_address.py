"""Ranks listen for other machines where the user said so, and nowhere else."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from types import SimpleNamespace

import psutil
import pytest

from errors import ConfigError, EnvironmentLacks
from settings.gang_address import VARIABLE, gang_address, interface_of, need_loopback


def test_nothing_listens_unless_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    assert gang_address() is None
    monkeypatch.setenv(VARIABLE, "127.0.0.1")
    assert gang_address() == "127.0.0.1" and interface_of("127.0.0.1") == "lo"


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ("0.0.0.0", "name one address"),
        ("here", "IPv4 address"),
        ("::1", "IPv4"),
        ("192.0.2.1", "no network interface"),
    ],
)
def test_what_is_no_address_of_this_machine_is_refused(
    said: str, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, said)
    with pytest.raises(ConfigError, match=why):
        gang_address()


def of_family(family: int) -> list[SimpleNamespace]:
    return [SimpleNamespace(family=family, address="an address")]


@pytest.mark.parametrize(
    "interfaces",
    [{}, {"lo": of_family(psutil.AF_LINK)}, {"eth0": of_family(socket.AF_INET)}],
    ids=["none", "one that is down", "another"],
)
def test_where_ranks_of_one_machine_cannot_meet_it_is_said_how_they_can(
    interfaces: Mapping[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in a container without a network."""
    need_loopback()
    monkeypatch.setattr(psutil, "net_if_addrs", lambda: interfaces)
    with pytest.raises(EnvironmentLacks, match=r"lo, has no address: .*ip link set lo up"):
        need_loopback()
