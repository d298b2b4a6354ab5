"""Jobs of several devices in `status`: which workers they have, and what they wait for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from db.gang_standings import GangStanding
from db.states import RUNNING
from settings.gang_address import VARIABLE


def gang_document(found: Sequence[GangStanding]) -> list[dict[str, Any]]:
    """As JSON shows them, each with a `sentence`; `fits`: whether some machine here has as many GPUs, or as many
    machines as it wants have their part."""
    return [
        {
            **asdict(gang),
            "seats": [asdict(seat) for seat in gang.seats],
            "fits": fits(gang),
            "sentence": sentence(gang),
        }
        for gang in found
    ]


def devices_told(count: int) -> str:
    return f"{count} device{'s' * (count != 1)}"


def fits(gang: GangStanding) -> bool:
    if gang.nodes > 1:
        return gang.able >= gang.nodes
    return gang.most is None or gang.most >= gang.devices


def sentence(gang: GangStanding) -> str:
    """`train a on 2 devices: waits for worker-gpu1 (train b)`."""
    about = f"{gang.job} on {devices_told(gang.devices)}"
    if gang.nodes > 1:
        about += f" of {gang.nodes} machines"
    if gang.state == RUNNING:
        few = gang.nodes == 1 and 0 < len(gang.seats) < gang.devices and gang.most is None
        shared = f", whose processor {gang.devices} ranks share" if few else ""
        return f"{about}: runs on {', '.join(seat.worker for seat in gang.seats)}{shared}"
    missing = [seat for seat in gang.seats if not seat.there]
    if missing:
        told = [f"{seat.worker} ({seat.does})" if seat.does else seat.worker for seat in missing]
        return f"{about}: waits for {', '.join(told)}"
    if gang.seats:
        return f"{about}: begins on {', '.join(seat.worker for seat in gang.seats)}"
    if not gang.workers and gang.nodes == 1:
        return f"{about}: waits for workers; none is here"
    if not fits(gang) and gang.nodes > 1:
        each = gang.devices // gang.nodes
        part = f"{gang.nodes} machines with {each} {'device' if each == 1 else 'devices'} each and {VARIABLE} set"
        return f"{about}: waits for {part}; {gang.able or 'none'} {'are' if gang.able > 1 else 'is'} here"
    if not fits(gang):
        return f"{about}: waits for a machine with {gang.devices} GPUs; none here has more than {gang.most}"
    return f"{about}: waits for its turn"
