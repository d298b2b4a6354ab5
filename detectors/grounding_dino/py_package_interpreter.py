"""The interpreter that has `groundingdino-py`: which one it is, and whether the package works in it."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from errors import EnvironmentLacks
from settings.places import expanded
from settings.shown import shown_path

PYTHON_VARIABLE = "BATON_GROUNDINGDINO_PYTHON"
SERVER = Path(__file__).with_name("py_package_server.py")
IMPORT_TIMEOUT_SECONDS = 120
PACKAGE = "groundingdino-py"
#: The versions that were tried together; later transformers lack what the package calls.
TRIED_VERSION = "0.4.0"
#: From (included) and to (excluded), major and minor.
_TRIED = {"transformers": ((4, 40), (4, 50)), "numpy": ((1, 0), (2, 0))}
HOW_TO_INSTALL = (
    f"python -m venv DIR && DIR/bin/pip install {PACKAGE}=={TRIED_VERSION} 'transformers>=4.40,<4.50' "
    f"'numpy<2', then set {PYTHON_VARIABLE}=DIR/bin/python"
)


@dataclass(frozen=True)
class Installed:
    """What an interpreter has. `fault`: why the package does not work there; None where it does."""

    versions: Mapping[str, str]
    fault: str | None

    @property
    def doubts(self) -> list[str]:
        """Versions that were not tried together."""
        found = []
        package = self.versions.get(PACKAGE)
        if package != TRIED_VERSION:
            found.append(f"{PACKAGE} is {package or 'of no known version'}, {TRIED_VERSION} was tried")
        for name, (low, high) in _TRIED.items():
            version = self.versions.get(name, "")
            numbers = tuple(int(number) for number in re.findall(r"\d+", version)[:2])
            if numbers and not low <= numbers < high:
                found.append(f"{name} is {version}, {_dotted(low)} to below {_dotted(high)} was tried")
        return found

    def __str__(self) -> str:
        return ", ".join(f"{name} {version}" for name, version in self.versions.items())


def look_into(python: str) -> Installed:
    """Tries the package in an interpreter, which takes seconds."""
    try:
        done = subprocess.run(
            [python, "-W", "ignore", str(SERVER), "check"],
            capture_output=True,
            text=True,
            timeout=IMPORT_TIMEOUT_SECONDS,
            check=False,
        )
        told = json.loads(done.stdout)
        return Installed(told["versions"], told["fault"])
    except (OSError, subprocess.TimeoutExpired) as error:
        return Installed({}, f"{python} does not answer: {error}")
    except (ValueError, KeyError, TypeError):
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        return Installed({}, f"{python} is no Python that can be asked: {last}")


def package_version(named: str | None) -> str:
    """The package's version in the interpreter that would be used; the tried one where there is none, as jobs can be
    planned on a machine without it."""
    try:
        python = find_python(named)
        done = subprocess.run(
            [python, "-c", f"import importlib.metadata as m; print(m.version('{PACKAGE}'))"],
            capture_output=True,
            text=True,
            timeout=IMPORT_TIMEOUT_SECONDS,
            check=True,
        )
    except (EnvironmentLacks, OSError, subprocess.SubprocessError):
        return TRIED_VERSION
    said = done.stdout.strip()
    return said if re.fullmatch(r"\d[\w.+!-]*", said) else TRIED_VERSION


def find_python(named: str | None = None) -> str:
    """The interpreter that has the package. Raises EnvironmentLacks saying how to make one."""
    python = named or os.environ.get(PYTHON_VARIABLE)
    if python is not None:
        python = str(expanded(python, PYTHON_VARIABLE if named is None else "gaze.python"))
    if python is None:
        raise EnvironmentLacks(f"no interpreter with groundingdino-py is named: {HOW_TO_INSTALL}")
    if not Path(python).is_file():
        raise EnvironmentLacks(
            f"{shown_path(python)}, named for groundingdino-py, is no file: {HOW_TO_INSTALL}"
        )
    if not os.access(python, os.X_OK):
        raise EnvironmentLacks(
            f"{shown_path(python)}, named for groundingdino-py, may not be run: {HOW_TO_INSTALL}"
        )
    return python


def _dotted(numbers: tuple[int, int]) -> str:
    return f"{numbers[0]}.{numbers[1]}"
