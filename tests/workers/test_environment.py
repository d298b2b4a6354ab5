from __future__ import annotations

import pytest

from workers import environment


@pytest.mark.parametrize("build", ["3.2.7", "pybullet-arm64 3.2.8"])
def test_an_attempt_records_which_pybullet_is_imported(build: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment, "pybullet_build", lambda: build)
    assert environment._machine.__wrapped__()["pybullet"] == build
