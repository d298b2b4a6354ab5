"""Where ranks of other machines reach those of this one: an address that its owner names, as whoever reaches it could
make these ranks do anything. torch's store and gloo take whoever asks, unencrypted, and read what they get with pickle.
"""

from __future__ import annotations

import ipaddress
import os
import socket

import psutil

from errors import ConfigError, EnvironmentLacks
from settings.shown import shown

VARIABLE = "BATON_GANG_ADDRESS"

#: By which ranks of one machine talk.
LOOPBACK = "lo"


def gang_address() -> str | None:
    """The user's word that ranks may listen there; None where he gave none. Raises ConfigError for what is no IPv4
    address of this machine."""
    said = os.environ.get(VARIABLE)
    if not said:
        return None
    try:
        address = str(ipaddress.IPv4Address(said))
    except ValueError:
        raise ConfigError(
            f"{VARIABLE} is {shown(said)}: it is the IPv4 address that other machines reach this one by"
        ) from None
    if address == "0.0.0.0":
        raise ConfigError(
            f"{VARIABLE} is 0.0.0.0: name one address, in a network that only your machines are in"
        )
    interface_of(address)
    return address


def interface_of(address: str) -> str:
    """The network interface that has this address: gloo and NCCL are told that name. Raises ConfigError."""
    for name, entries in psutil.net_if_addrs().items():
        if any(entry.family == socket.AF_INET and entry.address == address for entry in entries):
            return name
    raise ConfigError(f"{VARIABLE} is {address}, and no network interface of this machine has it")


def need_loopback() -> None:
    """Raises EnvironmentLacks where ranks of this machine cannot talk to each other."""
    entries = psutil.net_if_addrs().get(LOOPBACK, ())
    if not any(entry.family in (socket.AF_INET, socket.AF_INET6) for entry in entries):
        raise EnvironmentLacks(
            f"this machine's loopback device, {LOOPBACK}, has no address: ranks of one machine talk by it"
            f" (`ip link set {LOOPBACK} up`, or a container with a network)"
        )
