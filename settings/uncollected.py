"""The cyclic garbage collector, held while a great number of objects is made that all stay."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def uncollected() -> Iterator[None]:
    """No collection meanwhile, in any thread of this process: each would look at all that is there, in vain. For what
    takes seconds at most."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


@contextmanager
def imported() -> Iterator[None]:
    """The same for modules that stay as long as the process: no later collection looks at them either, nor at anything
    else that is there at the end. For where nothing is held yet that shall be given up one day: of that, what is in a
    cycle would stay too."""
    with uncollected():
        yield
        gc.freeze()
