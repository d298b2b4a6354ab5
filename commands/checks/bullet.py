"""The physics and pictures of the built-in table: which PyBullet is here, and how to get one without a compiler."""

from __future__ import annotations

import sys

from settings.installing import pip_install
from settings.machine import ABSENT, pybullet_build

#: pybullet has wheels up to Python 3.11, the fork of it has one for 3.12.
REQUIREMENT = "pybullet-arm64>=3.2.8" if sys.version_info >= (3, 12) else "pybullet>=3.2.7"


def remedy() -> str:
    return pip_install(REQUIREMENT)


def found() -> str | None:
    """Its name and version; None where there is none."""
    build = pybullet_build()
    if build == ABSENT:
        return None
    return build if build.startswith("pybullet") else f"pybullet {build}"
