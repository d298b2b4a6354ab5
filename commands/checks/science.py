"""Simulators, detectors and what large models need."""

from __future__ import annotations

import os
from importlib.util import find_spec

from commands.checks.finding import MISSING, OK, Finding, version_of

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
    if find_spec("calvin_env") is not None:
        return Finding("simulators", "calvin_env", OK, "importable")
    detail = "not in this interpreter; it may be in another, named by evaluation.calvin_python"
    remedy = "clone github.com/mees/calvin_env with its submodules and pip install -e it there"
    return Finding("simulators", "calvin_env", MISSING, detail, remedy)


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
    except ImportError as error:
        remedy = "pip install 'transformers>=5,<6'"
        return Finding("detectors", "grounding_dino", MISSING, str(error), remedy)
    try:
        folder = snapshot_download(DEFAULT_WEIGHTS, local_files_only=True)
    except (OSError, ValueError):
        remedy = f"hf download {DEFAULT_WEIGHTS}, or set gaze.weights to a folder that holds it"
        detail = f"weights {DEFAULT_WEIGHTS} are not on this machine"
        return Finding("detectors", "grounding_dino", MISSING, detail, remedy)
    return Finding("detectors", "grounding_dino", OK, f"{DEFAULT_WEIGHTS} in {folder}")


def _groundingdino_py() -> Finding:
    """Looks into the environment that is named for it, as the package cannot share Baton's."""
    from detectors.groundingdino_py import HOW_TO_INSTALL, PYTHON_VARIABLE, installed_version

    name, python = "groundingdino-py", os.environ.get(PYTHON_VARIABLE)
    if python is None:
        detail = "it needs an environment of its own, as it does not run with transformers 5; none is named"
        return Finding("detectors", name, MISSING, detail, f"use grounding_dino, or: {HOW_TO_INSTALL}")
    version, reason = installed_version(python)
    if version is None:
        return Finding("detectors", name, MISSING, reason, HOW_TO_INSTALL)
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
