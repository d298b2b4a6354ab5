"""What a simulator from outside is made of, and that a job runs with nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from errors import ConfigError
from tasks.evaluate.chains import SimulatedScene
from tasks.evaluate.kept_simulators import simulators_of
from tasks.evaluate.simulator_identity import assets_identity, official_identity
from tests.simulators.calvin_env_stand_in import make_interpreter
from tests.simulators.clone_stand_in import make_clone


@pytest.fixture
def memory() -> Iterator[dict[str, Any]]:
    """Simulators that a worker keeps from job to job, closed at the end."""
    memory: dict[str, Any] = {}
    yield memory
    for simulators in memory.values():
        for simulator in simulators:
            simulator.close()


def spec(assets: Path | None = None, python: Path | None = None) -> SimulatedScene:
    return SimulatedScene(
        simulator="playtable" if python is None else "calvin",
        scene="D",
        assets=None if assets is None else str(assets),
        python=None if python is None else str(python),
        renderer="tiny",
        parallel=False,
        assets_digest=None if assets is None else assets_identity("D", str(assets)),
        calvin_env=None if python is None else official_identity("D", str(python)),
    )


def append(file: Path) -> None:
    with file.open("a") as stream:
        stream.write("\n")


def test_a_clone_that_was_changed_after_planning_is_refused(tmp_path: Path, memory: dict[str, Any]) -> None:
    clone = make_clone(tmp_path / "clone")
    planned = spec(clone)
    (made,) = simulators_of(planned, 1, memory)
    assert made.description()["assets_digest"] == planned.assets_digest
    append(clone / "data" / "table.urdf")
    with pytest.raises(ConfigError, match=r"^evaluation\.assets: the files in .*clone .* are not those"):
        simulators_of(planned, 1, memory)  # kept by the worker from before the change
    (again,) = simulators_of(spec(clone), 1, memory)
    assert again is not made


def test_an_interpreter_that_was_changed_after_planning_is_refused(
    tmp_path: Path, memory: dict[str, Any]
) -> None:
    python = make_interpreter(tmp_path)
    planned = spec(python=python)
    simulators_of(planned, 1, memory)
    append(tmp_path / "clone" / "calvin_env" / "env.py")
    with pytest.raises(ConfigError, match=r"^evaluation\.calvin_python: the files of calvin_env"):
        simulators_of(planned, 1, memory)
    now = spec(python=python)
    assert now.calvin_env is not None
    other = replace(now, calvin_env=replace(now.calvin_env, pybullet="2.8.4"))
    with pytest.raises(ConfigError, match=r"^evaluation\.calvin_python: the pybullet"):
        simulators_of(other, 1, memory)


def test_a_job_of_an_earlier_version_runs(tmp_path: Path, memory: dict[str, Any]) -> None:
    clone = make_clone(tmp_path / "clone")
    older = replace(spec(clone), assets_digest=None)
    assert len(simulators_of(older, 1, memory)) == 1
