"""Every kind has a body, and bodies can be imported ahead of need."""

from __future__ import annotations

import subprocess
import sys

import pytest

from errors import BatonError
from tasks.registry import KINDS, kind_named
from tests.support import REPOSITORY


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_names_a_function(kind: str) -> None:
    assert callable(KINDS[kind].load_body())


def test_an_unknown_kind_is_named_with_the_known_ones() -> None:
    with pytest.raises(BatonError, match=r"unknown kind of job 'paint'; known: fetch, plan, ingest, gaze"):
        kind_named("paint")


def test_bodies_of_a_resource_are_imported_ahead() -> None:
    code = (
        "import sys; from tasks.registry import import_bodies; assert 'torch' not in sys.modules;"
        "import_bodies('accelerator'); print('tasks.train.run' in sys.modules, 'tasks.report' in sys.modules)"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    assert ended.stdout.split() == ["True", "False"]
