"""What libraries written in Rust raise where they give up, as an error that is told like any other."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

#: Where such an error says that its class is from; there is none to import.
_MODULE = "pyo3_runtime"


@contextmanager
def panics_told() -> Iterator[None]:
    """Raises RuntimeError in place of a library's panic, which is no Exception: it would end a thread unseen, and
    leave those waiting that wait for its answer.
    """
    try:
        yield
    except BaseException as error:
        if type(error).__module__ != _MODULE:
            raise
        raise RuntimeError(str(error)) from None
