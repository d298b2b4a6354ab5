"""CALVIN's counting, with a policy and a simulator whose every move is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from calvin.sequences import get_sequences
from errors import NotFinite, SimulatorError, SimulatorLost
from policies.base import Query, with_binary_gripper
from policies.random_actions import RandomPolicy
from simulators.base import MAX_REPLAYS
from tasks.evaluate.rollout import Rollout

TASKS = ("move_slider_left", "move_slider_right", "open_drawer", "close_drawer", "turn_on_led", "turn_off_led",
         "push_red_block_left", "lift_red_block_table")  # fmt: skip


class Script:
    """A simulator in which the task under way is solved after a number of steps, for `solves` tasks."""

    def __init__(self, solves: int, after: int) -> None:
        self.solves, self.after = solves, after
        self.steps, self.rendered, self.resets = 0, 0, 0

    def reset(self, robot_obs=None, scene_obs=None, seed=0):
        self.resets += 1

    def step(self, action):
        assert action.shape == (7,) and action[6] in (-1.0, 1.0)
        self.steps += 1

    def observe(self, cameras=(), boxes=False):
        self.rendered += 1
        return {"robot_obs": np.zeros(15)}

    def state(self):
        return np.zeros(15), np.zeros(24)

    def info(self):
        return self.steps


class Oracle:
    def __init__(self, script: Script) -> None:
        self.script, self.done = script, 0

    def solved(self, start, now, tasks):
        if self.done < self.script.solves and now - start >= self.script.after:
            self.done += 1
            return frozenset(tasks)
        return frozenset()


class Looking(RandomPolicy):
    needs_images = True


@pytest.fixture
def unsolvable(monkeypatch):
    monkeypatch.setattr("tasks.evaluate.rollout.TaskOracle", lambda: Oracle(Script(0, 1)))


CHAINS = list(enumerate(get_sequences(8, tasks=TASKS)))


def run(monkeypatch, script: Script, max_steps: int, policy=None, film=False):
    monkeypatch.setattr("tasks.evaluate.rollout.TaskOracle", lambda: Oracle(script))
    rollout = Rollout("D", policy or RandomPolicy(0), lambda task: task, max_steps, film)
    return list(rollout.run([(7, CHAINS[0][1])], [script]))


def test_counts_subtasks_in_a_row_and_stops_at_the_first_failure(monkeypatch):
    script = Script(solves=2, after=7)
    (result,) = run(monkeypatch, script, max_steps=20)
    assert (result.sequence, result.done, result.steps, result.replays) == (7, 2, 7 + 7 + 20, 0)
    assert script.resets == 1  # only between chains


def test_a_whole_chain_ends_at_five(monkeypatch):
    (result,) = run(monkeypatch, Script(solves=9, after=1), max_steps=20)
    assert (result.done, result.steps) == (5, 5)


def test_a_task_solved_in_the_last_step_counts(monkeypatch):
    assert run(monkeypatch, Script(solves=1, after=20), max_steps=20)[0].done == 1
    assert run(monkeypatch, Script(solves=1, after=21), max_steps=20)[0].done == 0


def test_renders_once_per_chunk_and_only_for_policies_that_look(monkeypatch):
    script = Script(solves=0, after=1)
    run(monkeypatch, script, max_steps=20, policy=Looking(0))
    assert script.rendered == 4
    script = Script(solves=0, after=1)
    run(monkeypatch, script, max_steps=20)
    assert script.rendered == 0


def test_films_the_subtask_that_failed(monkeypatch):
    (result,) = run(monkeypatch, Script(solves=1, after=7), max_steps=20, film=True)
    assert result.failure.task == result.failure.instruction == CHAINS[0][1].tasks[1]
    assert len(result.failure.observations) == 4  # one look a chunk
    (solved,) = run(monkeypatch, Script(solves=9, after=1), max_steps=20, film=True)
    assert solved.failure is None


def test_stopping_tells_what_was_done_in_vain(unsolvable):
    asked, abandoned = [], []

    def stop():
        asked.append(1)
        return "preempted" if len(asked) > 3 else None

    rollout = Rollout("D", RandomPolicy(0), str, 20)
    assert list(rollout.run(CHAINS[:2], [Script(0, 1), Script(0, 1)], stop, abandoned.append)) == []
    assert abandoned == [15, 15]


def test_steps_are_told_after_every_round_of_answers(unsolvable):
    told = []
    rollout = Rollout("D", RandomPolicy(0), str, 10)
    list(rollout.run(CHAINS[:3], [Script(0, 1), Script(0, 1)], stepped=told.append))
    assert told == [10, 20, 25, 30]


def test_a_simulator_whose_chain_ended_takes_the_next_one(unsolvable):
    scripts = [Script(0, 1), Script(0, 1), Script(0, 1)]
    results = list(Rollout("D", RandomPolicy(0), str, 10).run(CHAINS, scripts))
    assert sorted(r.sequence for r in results) == list(range(8))
    assert [script.resets for script in scripts] == [3, 3, 2]


class Dying(Script):
    """Is lost at the given steps of its life."""

    def __init__(self, dies_at: set[int]) -> None:
        super().__init__(0, 1)
        self.dies_at, self.life = dies_at, 0

    def step(self, action):
        self.life += 1
        if self.life in self.dies_at:
            raise SimulatorLost("killed by signal 9")
        super().step(action)


def test_a_lost_simulator_replays_its_sequence_and_is_counted(unsolvable):
    dying, sound = Dying({3, 9}), Script(0, 1)
    rollout = Rollout("D", RandomPolicy(0), str, 10)
    hit, spared = sorted(rollout.run(CHAINS[:2], [dying, sound]), key=lambda result: result.sequence)
    assert (hit.replays, spared.replays) == (2, 0)
    undisturbed = list(rollout.run(CHAINS[:2], [Script(0, 1)]))
    assert [replace(hit, replays=0), spared] == undisturbed


def test_a_sequence_that_loses_every_simulator_ends_the_evaluation(unsolvable):
    dying = Dying(set(range(1, 100)))
    with pytest.raises(SimulatorError, match=r"sequence 0 lost its simulator 4 times.*signal 9"):
        list(Rollout("D", RandomPolicy(0), str, 10).run(CHAINS, [dying]))
    assert dying.resets == MAX_REPLAYS + 1


def test_random_actions_follow_from_seed_sequence_and_query():
    query = Query({}, "x", sequence=3, number=4)
    one, two = (RandomPolicy(5).act([query])[0] for _ in range(2))
    np.testing.assert_array_equal(one, two)
    assert (RandomPolicy(5).act([Query({}, "x", 3, 5)])[0] != one).any()
    assert np.abs(one).max() <= 1


def test_gripper_is_open_above_zero_and_closed_otherwise():
    chunk = np.zeros((1, 3, 7))
    chunk[0, :, 6] = (0.2, 0.0, -0.2)
    assert with_binary_gripper(chunk)[0, :, 6].tolist() == [1.0, -1.0, -1.0]


@pytest.mark.parametrize("place", [(0, 6), (4, 0)], ids=["the gripper", "the last step"])
def test_an_action_that_is_no_number_is_not_carried_out(monkeypatch, place):
    """Whatever policy it is of: in the gripper's place a NaN would pass for closing."""

    class Broken(RandomPolicy):
        def act(self, queries):
            chunks = super().act(queries)
            chunks[0][place] = np.nan
            return chunks

    script = Script(solves=0, after=1)
    with pytest.raises(
        NotFinite, match=r"answer to query 0 of sequence 7 \('.*'\) holds numbers that are not"
    ):
        run(monkeypatch, script, 20, Broken(0))
    assert script.steps == 0


class Hasty(RandomPolicy):
    """Asks for more than the largest step in two of five actions, one of them by a turn."""

    def act(self, queries):
        chunks = [np.zeros((5, 7)) for _ in queries]
        for chunk in chunks:
            chunk[:, 6] = 1.0
            chunk[0, 0], chunk[4, 5], chunk[1, 2] = -1.5, 2.0, 1.0
        return chunks


def test_actions_beyond_the_limits_are_carried_out_and_counted(monkeypatch):
    policy = Hasty(0)
    run(monkeypatch, Script(solves=0, after=1), max_steps=9, policy=policy)
    assert policy.counts == {"actions_beyond_limits": 3}  # the tenth action was not carried out
    policy = RandomPolicy(0)
    run(monkeypatch, Script(solves=0, after=1), max_steps=9, policy=policy)
    assert policy.counts == {}
