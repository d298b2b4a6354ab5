"""TensorBoard for tests: the one that is installed, or a stand-in that takes the same options."""

from __future__ import annotations

from importlib.util import find_spec

import pytest

from tests.support import REPOSITORY

_STAND_INS = REPOSITORY / "tests" / "stand_ins"


def tensorboard_variables() -> dict[str, str]:
    """Variables of a process that finds one."""
    return {} if find_spec("tensorboard") else {"PYTHONPATH": f"{REPOSITORY}:{_STAND_INS}"}


@pytest.fixture
def tensorboard(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """This process finds one, and others do with these variables."""
    variables = tensorboard_variables()
    if variables:
        monkeypatch.syspath_prepend(_STAND_INS)
    return variables
