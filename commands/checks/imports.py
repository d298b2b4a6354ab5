"""Whether what jobs import can be imported, and whether each GPU computes: a worker finds out too late."""

from __future__ import annotations

from commands.checks.finding import MISSING, OK, WARNING, Finding
from commands.checks.science import EXTRAS
from commands.checks.trial import Trial, try_machine
from settings.installing import pip_install
from tasks.machine_check import NEEDED

_AREA = "imports"
_PACKAGES = {"numpy": "numpy>=2,<3", "opencv": "opencv-python-headless", "torch": "torch>=2.6,<3"}
_BESIDES = {"opencv": " (opencv-python wants libGL of the system)"}
_TORCHVISION = "uninstall it, as Baton does without; or install the one built for this torch"
_OTHERWISE = "mend or uninstall the package that this names: it was built for another torch, numpy or system"


def findings() -> list[Finding]:
    """Tried in a process of its own, which takes some seconds, once."""
    return told(try_machine(packages=True))


def told(trial: Trial) -> list[Finding]:
    """A line for each fault, but for packages that have lines of their own (`science`); one where there is none."""
    needed = {name for name, *_ in NEEDED}
    shown = {name: fault for name, fault in trial.faults.items() if name not in EXTRAS}
    found = [_fault(name, fault, name in needed) for name, fault in shown.items() if fault is not None]
    found += [
        Finding(_AREA, f"GPU {gpu['index']}", WARNING, f"{gpu['name']}: {gpu['fault']}", gpu["remedy"])
        for gpu in trial.gpus
        if gpu["fault"] is not None
    ]
    if trial.ended is not None and not found:
        found.append(_fault("packages", trial.ended, True))
    return found or [Finding(_AREA, "packages", OK, f"{', '.join(shown)} can be imported")]


def _fault(name: str, fault: str, needed: bool) -> Finding:
    remedy = _TORCHVISION if name == "torchvision" else _OTHERWISE
    if name in _PACKAGES:
        remedy = pip_install(_PACKAGES[name]) + _BESIDES.get(name, "")
    return Finding(_AREA, name, MISSING if needed else WARNING, fault, remedy, needed=needed)
