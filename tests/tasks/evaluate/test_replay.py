"""Demonstrations played again, also where a real simulator's process dies on the way."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from calvin.episode import Episode
from errors import DatasetError, SimulatorError
from simulators.base import MAX_REPLAYS
from simulators.own_process import OwnProcess
from simulators.playtable.env import PlayTable
from tasks.data.generate import generate
from tasks.evaluate.replay import replay
from tasks.specs import Demonstration


class Killed(OwnProcess):
    """Its process is killed in the given steps of its life."""

    def __init__(self, at: range) -> None:
        super().__init__("playtable", "D")
        self._at, self._life = at, 0

    def step(self, action: np.ndarray) -> None:
        self._life += 1
        if self._life in self._at:
            assert self._process is not None
            os.kill(self._process.pid, signal.SIGKILL)
        super().step(action)


class Refusing(PlayTable):
    """Makes no world; refuses what every simulator does."""

    def __init__(self) -> None:
        pass

    def reset(self, *_: object) -> None:
        raise SimulatorError("scene_obs[4:6] (bulb, LED) must be 0 or 1, got 0.5, 0.5")


def test_a_first_frame_that_no_simulator_takes_is_a_fault_of_the_dataset(episode: Episode) -> None:
    with pytest.raises(DatasetError) as refused:
        list(replay([episode], lambda _: Refusing()))
    assert str(refused.value) == (
        f"frame {episode.start} of the {episode.split} split: scene_obs[4:6] (bulb, LED) must be 0 or 1, got 0.5, 0.5"
    )


@pytest.fixture(scope="module")
def episode() -> Episode:
    entry = Demonstration(number=0, scene="D", task="open_drawer", seed=3, starts="rest")
    (episode,) = generate([entry], "validation")
    return episode


@pytest.fixture
def killed() -> Iterator[Killed]:
    simulator = Killed(range(20, 22))
    yield simulator
    simulator.close()


def test_a_lost_simulator_plays_its_demonstration_again_and_is_counted(
    episode: Episode, killed: Killed
) -> None:
    hit, spared = replay([episode, episode], lambda scene: killed)
    assert (hit.replays, spared.replays) == (2, 0)
    assert spared.accepted_at is not None
    assert replace(hit, replays=0) == spared


def test_a_demonstration_that_loses_every_simulator_ends_it(episode: Episode, killed: Killed) -> None:
    killed._at = range(1, 100)
    with pytest.raises(
        SimulatorError, match=rf"lost its simulator {MAX_REPLAYS + 1} times.*died during step"
    ):
        list(replay([episode], lambda scene: killed))
