"""What is imported is never looked through for garbage again, and what may be given up is."""

from __future__ import annotations

import gc
import subprocess
import sys

import pytest

from settings.uncollected import imported, uncollected
from tests.support import REPOSITORY

_LOAD = """
import gc, sys, types
from tasks.registry import INGEST
if {there}:
    sys.modules["torch"] = types.ModuleType("torch")
before = gc.get_freeze_count()
INGEST.load_body()
first = gc.get_freeze_count()
made = [[] for _ in range(100)]
INGEST.load_body()
print(first > before, gc.get_freeze_count() == first, gc.isenabled())
"""


def is_looked_through(value: object) -> bool:
    return any(one is value for one in gc.get_objects())


def test_what_stays_is_not_looked_through_again() -> None:
    try:
        with uncollected():
            given_up = [object()]
            assert not gc.isenabled()
        assert gc.isenabled() and is_looked_through(given_up)
        with imported():
            stays = [object()]
            assert not gc.isenabled()
        assert gc.isenabled() and not is_looked_through(stays)
        later = [object()]
        assert is_looked_through(later)
    finally:
        gc.unfreeze()


@pytest.mark.parametrize(("torch_is_there", "frozen"), [(False, True), (True, False)])
def test_a_body_is_set_aside_once_and_only_before_a_model_can_be_held(
    torch_is_there: bool, frozen: bool
) -> None:
    words = [sys.executable, "-c", _LOAD.format(there=torch_is_there)]
    done = subprocess.run(words, cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert done.stdout.split() == [str(frozen), "True", "True"]
