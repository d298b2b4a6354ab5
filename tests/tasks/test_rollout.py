"""CALVIN's counting, with a policy and a simulator whose every move is known."""

from __future__ import annotations

import numpy as np

from calvin.sequences import get_sequences
from tasks.policies import RandomPolicy, with_binary_gripper
from tasks.rollout import ChainResult, run_chains

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


def run(monkeypatch, script: Script, max_steps: int, policy=None):
    monkeypatch.setattr("tasks.rollout.TaskOracle", lambda: Oracle(script))
    chain = get_sequences(8, tasks=TASKS)[0]
    return run_chains([(7, chain)], [script], "D", policy or RandomPolicy(0), lambda task: task, max_steps)


def test_counts_subtasks_in_a_row_and_stops_at_the_first_failure(monkeypatch):
    script = Script(solves=2, after=7)
    assert run(monkeypatch, script, max_steps=20) == [ChainResult(sequence=7, done=2, steps=7 + 7 + 20)]
    assert script.resets == 1  # only between chains


def test_a_whole_chain_ends_at_five(monkeypatch):
    assert run(monkeypatch, Script(solves=9, after=1), max_steps=20) == [ChainResult(7, 5, 5)]


def test_a_task_solved_in_the_last_step_counts(monkeypatch):
    assert run(monkeypatch, Script(solves=1, after=20), max_steps=20)[0].done == 1
    assert run(monkeypatch, Script(solves=1, after=21), max_steps=20)[0].done == 0


def test_renders_once_per_chunk_and_only_for_policies_that_look(monkeypatch):
    class Looking(RandomPolicy):
        needs_images = True

    script = Script(solves=0, after=1)
    run(monkeypatch, script, max_steps=20, policy=Looking(0))
    assert script.rendered == 4
    script = Script(solves=0, after=1)
    run(monkeypatch, script, max_steps=20)
    assert script.rendered == 0


def test_stopping_gives_no_result(monkeypatch):
    chain = get_sequences(8, tasks=TASKS)[0]
    stopped = run_chains(
        [(0, chain)], [Script(0, 1)], "D", RandomPolicy(0), str, 20, should_stop=lambda: "preempted"
    )
    assert stopped is None


def test_random_actions_follow_from_seed_sequence_and_query():
    from tasks.policies import Query

    query = Query({}, "x", sequence=3, number=4)
    one, two = (RandomPolicy(5).act([query])[0] for _ in range(2))
    np.testing.assert_array_equal(one, two)
    assert (RandomPolicy(5).act([Query({}, "x", 3, 5)])[0] != one).any()
    assert np.abs(one).max() <= 1


def test_gripper_is_open_above_zero_and_closed_otherwise():
    chunk = np.zeros((1, 3, 7))
    chunk[0, :, 6] = (0.2, 0.0, -0.2)
    assert with_binary_gripper(chunk)[0, :, 6].tolist() == [1.0, -1.0, -1.0]
