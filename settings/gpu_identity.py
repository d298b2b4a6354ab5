"""Which card of the machine a GPU is, by names that not only CUDA knows: its UUID, its place on the bus."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass

from settings.gpus import ORDER, VISIBLE, Gpu, ToolFails, ask_nvidia_smi


@dataclass(frozen=True)
class GpuIdentity:
    """number: nvidia-smi's, by the order on the bus. uuid: 32 digits. bus: as Linux writes it, `0000:3b:00.0`."""

    number: int
    uuid: str
    bus: str


def identity_of(gpu: Gpu) -> GpuIdentity | None:
    """None where it cannot be told: for a part of a GPU (MIG), where nvidia-smi does not answer, and where the user's
    list has numbers that CUDA counts from its fastest GPU while the machine's are of several models.
    """
    try:
        lines = ask_nvidia_smi("--query-gpu=index,uuid,pci.bus_id,name", "--format=csv,noheader")
    except ToolFails:
        return None
    told = [[part.strip() for part in line.split(",", 3)] for line in lines]
    if gpu.name.startswith("MIG-") or any(len(parts) != 4 for parts in told):
        return None
    by_speed = VISIBLE in os.environ and os.environ.get(ORDER) != "PCI_BUS_ID" and gpu.name.isdecimal()
    if by_speed and len({model for _, _, _, model in told}) > 1:
        return None
    for index, uuid, bus, _ in told:
        place = re.fullmatch(r"(?:[0-9a-f]{4})?([0-9a-f]{4}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-9a-f])", bus.lower())
        if index == str(gpu.number) and place is not None:
            return GpuIdentity(gpu.number, uuid.removeprefix("GPU-").replace("-", "").lower(), place[1])
    return None
