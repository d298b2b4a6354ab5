"""How a package that is missing is installed, as people type it: into the environment of this process."""

from __future__ import annotations

import re
import shlex

from settings.typed import interpreter

_DISTRIBUTION = "baton-queue"


def pip_install(*requirements: str) -> str:
    """`python -m pip install 'diffusers>=0.30'`: a bare `pip` may be another environment's."""
    return f"{interpreter()} -m pip install {' '.join(map(shlex.quote, requirements))}"


def pip_install_extra(extra: str) -> str:
    """The same for what one of our extras takes: no index has them under our name."""
    from importlib.metadata import PackageNotFoundError, requires

    try:
        found = requires(_DISTRIBUTION) or []
    except PackageNotFoundError:  # the files alone, on a path
        found = []
    of_extra = [
        one.partition(";")[0].strip() for one in found if re.search(f"extra == ['\"]{extra}['\"]", one)
    ]
    return pip_install(*of_extra or [f".[{extra}]"])
