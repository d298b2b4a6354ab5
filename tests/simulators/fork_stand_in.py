"""Forks something that is opened as quickly as can be: run as a module, with the number of a socket."""

from __future__ import annotations

import os
import sys
from typing import Any

from simulators.forks import serve_forks


class Opened:
    """Tells which process it is, which opened it, and what with."""

    def __init__(self, opening: dict[str, Any]) -> None:
        self._told = {"opened_in": os.getpid(), "opening": opening}

    def do_state(self) -> dict[str, Any]:
        print("asked", file=sys.stderr, flush=True)
        return {**self._told, "here": os.getpid()}

    def do_description(self) -> dict[str, Any]:
        return {"description": {}}


def make(**opening: Any) -> Opened:
    if opening.get("scene") == "missing":
        raise FileNotFoundError
    return Opened(opening)


if __name__ == "__main__":
    serve_forks(make, int(sys.argv[1]))
