"""Simulators, detectors and what large models need."""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec
from pathlib import Path

from commands.checks.finding import MISSING, OK, WARNING, Finding, version_of
from errors import SimulatorMissing

_EXTRAS = {
    "diffusers": ("the VAE of the released recipe", "pip install diffusers"),
    "peft": ("LoRA training of large models", "pip install peft"),
    "bitsandbytes": ("4-bit weights of large models", "pip install bitsandbytes"),
}


def findings() -> list[Finding]:
    return [_playtable(), _egl(), _calvin_env(), *_detectors(), *_models()]


def _playtable() -> Finding:
    version = version_of("pybullet")
    if version is None:
        remedy = "pip install 'pybullet>=3.2.7' (Python 3.10 or 3.11 has a wheel)"
        return Finding("simulators", "playtable", MISSING, "no pybullet", remedy, needed=True)
    return Finding("simulators", "playtable", OK, f"pybullet {version}")


def _egl() -> Finding:
    """Tried in a process of its own, which takes a second or two."""
    try:
        from simulators.playtable.renderers import egl_fault
    except ImportError:
        remedy = "pip install 'pybullet>=3.2.7'"
        return Finding("simulators", "EGL", MISSING, "no pybullet to draw with", remedy)
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


def _detectors() -> list[Finding]:
    always = [
        Finding("detectors", "colour", OK, "needs neither weights nor GPU"),
        Finding("detectors", "oracle", OK, "the simulator's own segmentation"),
    ]
    return [*always, _grounding_dino(), _groundingdino_py()]


def _grounding_dino() -> Finding:
    """Looks at the disk only: asking the hub would make every diagnosis wait for the network."""
    try:
        from huggingface_hub import snapshot_download

        from detectors.grounding_dino import DEFAULT_WEIGHTS
        from detectors.grounding_dino_files import missing_parts
    except ImportError as error:
        remedy = "pip install 'transformers>=5,<6'"
        return Finding("detectors", "grounding_dino", MISSING, str(error), remedy)
    remedy = f"hf download {DEFAULT_WEIGHTS}, or set gaze.weights to a folder that holds it"
    try:
        folder = Path(snapshot_download(DEFAULT_WEIGHTS, local_files_only=True))
    except (OSError, ValueError):
        detail = f"weights {DEFAULT_WEIGHTS} are not on this machine"
        return Finding("detectors", "grounding_dino", MISSING, detail, remedy)
    lacking = missing_parts(folder)
    if lacking:
        detail = f"weights {DEFAULT_WEIGHTS} are here in part: {folder} lacks {', '.join(lacking)}"
        return Finding("detectors", "grounding_dino", MISSING, detail, remedy)
    return Finding("detectors", "grounding_dino", OK, f"{DEFAULT_WEIGHTS} in {folder}")


def _groundingdino_py() -> Finding:
    """Looks into the environment that is named for it, as the package cannot share Baton's."""
    from detectors.groundingdino_py import HOW_TO_INSTALL, PYTHON_VARIABLE, TRIED_VERSION, installed_version

    name, python = "groundingdino-py", os.environ.get(PYTHON_VARIABLE)
    if python is None:
        detail = "it needs an environment of its own, as it does not run with transformers 5; none is named"
        return Finding("detectors", name, MISSING, detail, f"use grounding_dino, or: {HOW_TO_INSTALL}")
    version, reason = installed_version(python)
    if version is None:
        return Finding("detectors", name, MISSING, reason, HOW_TO_INSTALL)
    if version != TRIED_VERSION:
        detail = f"{version} in {python} is not {TRIED_VERSION}, the version that was tried"
        return Finding("detectors", name, WARNING, detail, HOW_TO_INSTALL)
    return Finding("detectors", name, OK, f"{version} in {python}")


def _models() -> list[Finding]:
    found = []
    for name, (purpose, remedy) in _EXTRAS.items():
        version = version_of(name)
        if version is None:
            found.append(Finding("models", name, MISSING, f"not installed: {purpose}", remedy))
        else:
            found.append(Finding("models", name, OK, version))
    return found
