"""Which of EGL's devices is the GPU that this process was given.

EGL counts anew, with devices of other vendors and software among them, and heeds no list of CUDA's: without a word
from here the simulators of all workers draw on its first, while the others' memory stands empty.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from threading import RLock

from errors import InvalidInput
from settings.faults import need_fact
from settings.gpu_identity import GpuIdentity, identity_of
from settings.gpus import gpus
from settings.tool import ask_tool
from settings.typed_json import from_json

#: What PyBullet's plugin takes the number of its device from, in calvin_env too.
VISIBLE = "EGL_VISIBLE_DEVICES"

#: Held while variables or output of the whole process are others for a moment: what one thread sets is not taken for
#: the user's by another, and several that begin together ask once.
OF_THIS_PROCESS = RLock()

_SCRIPT = Path(__file__).parent / "external" / "egl_devices_script.py"
_LISTING_SECONDS = 60.0
_CARDS = Path("/sys/class/drm")


@dataclass(frozen=True)
class EglDevice:
    """Whatever its driver tells. uuid: 32 digits. drm: its file, `/dev/dri/card1`. cuda: nvidia-smi's number."""

    uuid: str | None
    drm: str | None
    cuda: int | None


def egl_environment() -> dict[str, str]:
    """The variable that has a simulator draw on this process's own GPU; nothing where the user has set it, where this
    process has no GPU, or where none of EGL's devices is known to be it.
    """
    with OF_THIS_PROCESS:
        number = None if VISIBLE in os.environ else own_device()
    return {} if number is None else {VISIBLE: str(number)}


@lru_cache(maxsize=1)
def own_device() -> int | None:
    """EGL's number of the first GPU that this process was given, as its variables say; asked once."""
    given = gpus().gpus
    identity = identity_of(given[0]) if given else None
    return None if identity is None else device_of(identity, listed())


def devices_of_gpus() -> dict[int, int | None]:
    """Of each GPU that this process was given: EGL's number; None where it is not known. Keys are people's numbers."""
    given, devices = gpus().gpus, listed()
    identities = {gpu.number: identity_of(gpu) for gpu in given}
    return {
        number: None if identity is None else device_of(identity, devices)
        for number, identity in identities.items()
    }


def device_of(gpu: GpuIdentity, devices: Sequence[EglDevice]) -> int | None:
    """The place of `gpu` among EGL's devices, by the surest name that one of them has; None where none is it."""
    for fits in (
        lambda device: device.uuid == gpu.uuid,
        lambda device: device.drm is not None and _bus_of(device.drm) == gpu.bus,
        lambda device: device.cuda == gpu.number,
    ):
        found = [number for number, device in enumerate(devices) if fits(device)]
        if found:
            return found[0] if len(found) == 1 else None
    return None


def listed() -> list[EglDevice]:
    """EGL's devices in its order, asked in another process; none where it cannot be asked."""
    try:
        told = ask_tool([sys.executable, "-I", str(_SCRIPT)], _LISTING_SECONDS)
        return [from_json(EglDevice, entry, "EGL's device") for entry in json.loads(told.stdout)]
    except (subprocess.TimeoutExpired, ValueError, InvalidInput):
        return []
    except OSError as error:
        need_fact(error)
        return []


def _bus_of(drm: str) -> str | None:
    """Where the card of a file in /dev/dri sits, as Linux writes it."""
    try:
        return (_CARDS / Path(drm).name / "device").resolve(strict=True).name.lower()
    except OSError as error:
        need_fact(error)
        return None
