"""Simulators and what large models need; detectors are `detectors.py`."""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec
from typing import TYPE_CHECKING

from commands.checks import bullet
from commands.checks.finding import MISSING, OK, WARNING, Finding, version_of
from commands.checks.trial import try_machine
from errors import EnvironmentLacks, SimulatorMissing
from settings import given
from settings.installing import pip_install_extra

if TYPE_CHECKING:
    from models.config import ReconVLAConfig
    from models.costs import Method

_GIB = 2**30
_CARDS = (2, 4, 8, 16)

#: Packages that only some settings need: what for, and the extra that brings them.
EXTRAS = {
    "diffusers": ("the VAE of the released recipe", "vae"),
    "peft": ("LoRA training of large models", "lora"),
    "bitsandbytes": ("4-bit weights of large models", "qlora"),
}


def findings() -> list[Finding]:
    return [_playtable(), _egl(), _calvin_env(), *_models(), _room_for_training()]


def _playtable() -> Finding:
    build = bullet.found()
    if build is None:
        return Finding("simulators", "playtable", MISSING, "no pybullet", bullet.remedy(), needed=True)
    return Finding("simulators", "playtable", OK, build)


def _egl() -> Finding:
    """Tried in a process of its own, which takes a second or two."""
    try:
        from simulators.egl_devices import devices_of_gpus
        from simulators.playtable.renderers import egl_fault
    except ImportError:
        return Finding("simulators", "EGL", MISSING, "no pybullet to draw with", bullet.remedy())
    fault = egl_fault()
    if fault is not None:
        detail, remedy = fault.split(". ", 1)
        return Finding("simulators", "EGL", MISSING, f"{detail}; renderer auto draws with tiny", remedy)
    detail = "draws; renderer auto uses it for CALVIN's scenes, and tiny where frames were drawn with tiny"
    devices = devices_of_gpus()
    known = [f"GPU {gpu} is its device {device}" for gpu, device in devices.items() if device is not None]
    unknown = [str(gpu) for gpu, device in devices.items() if device is None]
    if len(devices) > 1 and unknown:
        detail = f"{detail}; which of its devices is GPU {', '.join(unknown)} is not known, so it draws on its first"
        remedy = "set EGL_VISIBLE_DEVICES for a worker that is started alone for this GPU"
        return Finding("simulators", "EGL", WARNING, "; ".join([detail, *known]), remedy)
    return Finding("simulators", "EGL", OK, "; ".join([detail, *known]))


def _calvin_env() -> Finding:
    """A named interpreter is tried: it makes scene D, which takes seconds."""
    from simulators.calvin_env import HOW_TO_INSTALL, HOW_TO_NAME, PYTHON_VARIABLE, CalvinEnv

    name, python = "calvin_env", os.environ.get(PYTHON_VARIABLE)
    if python is None and find_spec(name) is None:
        detail = f"not in this interpreter; another is named with {HOW_TO_NAME}"
        return Finding("simulators", name, MISSING, detail, HOW_TO_INSTALL)
    try:
        simulator = CalvinEnv("D", python or sys.executable)
    except SimulatorMissing as error:
        remedy = f"correct {PYTHON_VARIABLE}, or {HOW_TO_INSTALL}" if python else HOW_TO_INSTALL
        return Finding("simulators", name, MISSING, str(error), remedy)
    told = simulator.description()
    simulator.close()
    detail = f"makes scene D in {python or sys.executable} (Python {told['python']}, numpy {told['numpy']})"
    return Finding("simulators", name, OK, detail)


def _models() -> list[Finding]:
    found = []
    faults = try_machine(packages=True).faults
    for name, (purpose, extra) in EXTRAS.items():
        remedy = pip_install_extra(extra)
        version, fault = version_of(name), faults.get(name)
        if version is None:
            found.append(Finding("models", name, MISSING, f"not installed: {purpose}", remedy))
        elif fault is not None:
            remedy = f"mend what this names, or {remedy} again"
            found.append(Finding("models", name, WARNING, f"{version} cannot be imported: {fault}", remedy))
        else:
            found.append(Finding("models", name, OK, version))
    return found


def _room_for_training() -> Finding:
    """What can be trained in the memory of the smallest GPU here, or of this machine, computed from shapes, and over
    how many such GPUs what does not fit one."""
    name = "training"
    told = [gpu.get("memory_bytes") for gpu in try_machine(packages=True).gpus if gpu["fault"] is None]
    sizes = [size for size in told if size is not None]
    place, memory = ("a GPU", min(sizes)) if sizes else ("this machine", given.memory().total)
    room = memory / _GIB
    fitting, others = list[str](), list[str]()
    try:
        from models.costs import METHODS, training_costs
        from models.sizes import SIZES

        for size in ("small", "7b"):
            for method in METHODS:
                what, costs = f"{size} {method.name.partition(',')[0]}", training_costs(SIZES[size], method)
                need = costs.total if sizes else costs.total + costs.copied
                if need <= room:
                    fitting.append(f"{what} ({need:.1f})")
                    continue
                over = _over_several(SIZES[size], method, room) if sizes and method.full else None
                if over is not None and over[0] <= len(sizes):
                    fitting.append(f"{what} over {over[0]} GPUs ({over[1]:.1f} each)")
                else:
                    more = "" if over is None else f"; over {over[0]} such GPUs {over[1]:.1f} each"
                    others.append(f"{what} ({need:.1f}{more})")
    except (ImportError, OSError, EnvironmentLacks) as error:
        return Finding(
            "models",
            name,
            MISSING,
            f"what it takes cannot be computed: {error}",
            pip_install_extra(EXTRAS["diffusers"][1]),
        )
    fits = ", ".join(fitting) or "nothing"
    detail = f"{place} has {room:.1f} GiB; with one sample a micro-batch fits, computed: {fits}"
    if not others:
        return Finding("models", name, OK, detail)
    return Finding("models", name, OK, f"{detail}; does not: {', '.join(others)}")


def _over_several(config: ReconVLAConfig, method: Method, room: float) -> tuple[int, float] | None:
    """The least number of cards with `room` GiB that it fits, and what each takes."""
    from models.rank_costs import rank_costs

    needs = ((cards, rank_costs(config, method, cards).total) for cards in _CARDS)
    return next(((cards, need) for cards, need in needs if need <= room), None)
