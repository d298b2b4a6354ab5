"""Simulators and what large models need; detectors are `detectors.py`."""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec

from commands.checks import bullet
from commands.checks.finding import MISSING, OK, WARNING, Finding, version_of
from commands.checks.trial import try_machine
from errors import EnvironmentLacks, SimulatorMissing
from settings import given

_GIB = 2**30

EXTRAS = {
    "diffusers": ("the VAE of the released recipe", "pip install diffusers"),
    "peft": ("LoRA training of large models", "pip install peft"),
    "bitsandbytes": ("4-bit weights of large models", "pip install bitsandbytes"),
}


def findings() -> list[Finding]:
    return [_playtable(), _egl(), _calvin_env(), *_models(), _room_for_training()]


def _playtable() -> Finding:
    build = bullet.found()
    if build is None:
        return Finding("simulators", "playtable", MISSING, "no pybullet", bullet.REMEDY, needed=True)
    return Finding("simulators", "playtable", OK, build)


def _egl() -> Finding:
    """Tried in a process of its own, which takes a second or two."""
    try:
        from simulators.playtable.renderers import egl_fault
    except ImportError:
        return Finding("simulators", "EGL", MISSING, "no pybullet to draw with", bullet.REMEDY)
    fault = egl_fault()
    if fault is not None:
        detail, remedy = fault.split(". ", 1)
        return Finding("simulators", "EGL", MISSING, f"{detail}; renderer auto draws with tiny", remedy)
    detail = "draws; renderer auto uses it for CALVIN's scenes, and tiny where frames were drawn with tiny"
    return Finding("simulators", "EGL", OK, detail)


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
    for name, (purpose, remedy) in EXTRAS.items():
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
    """What can be trained in the memory of the smallest GPU here, or of this machine, computed from shapes."""
    name = "training"
    told = [gpu.get("memory_bytes") for gpu in try_machine(packages=True).gpus if gpu["fault"] is None]
    sizes = [size for size in told if size is not None]
    place, memory = ("a GPU", min(sizes)) if sizes else ("this machine", given.memory().total)
    room = memory / _GIB
    try:
        from models.costs import METHODS, training_costs
        from models.sizes import SIZES

        needs = {
            f"{size} {method.name.partition(',')[0]}": training_costs(SIZES[size], method).total
            for size in ("small", "7b")
            for method in METHODS
        }
    except (ImportError, OSError, EnvironmentLacks) as error:
        return Finding(
            "models", name, MISSING, f"what it takes cannot be computed: {error}", EXTRAS["diffusers"][1]
        )
    words = {
        fits: ", ".join(f"{what} ({need:.1f})" for what, need in needs.items() if (need <= room) is fits)
        for fits in (True, False)
    }
    detail = f"{place} has {room:.1f} GiB; with one sample a micro-batch fits, computed: {words[True] or 'nothing'}"
    if not words[False]:
        return Finding("models", name, OK, detail)
    return Finding("models", name, OK, f"{detail}; does not: {words[False]}")
