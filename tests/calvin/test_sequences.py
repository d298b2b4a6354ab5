from __future__ import annotations

from itertools import islice

import numpy as np
import pytest

from benchmark.tasks import TASKS
from calvin.official_sequences import COUNT, read_rows
from calvin.sequences import (
    Chain,
    _draw_chains,
    _draw_without_replacement,
    _initial_states,
    get_sequences,
)
from calvin.transitions import CATEGORIES, State, successor
from errors import InvalidInput

TOY_TASKS = (
    "open_drawer",
    "close_drawer",
    "turn_on_led",
    "turn_off_led",
    "move_slider_left",
    "move_slider_right",
)
KEYS = ("led", "lightbulb", "slider", "drawer", "red_block", "blue_block", "pink_block", "grasped")


@pytest.mark.parametrize(("pool", "size"), [(34, 5), (6, 3), (5, 5), (2, 1), (1, 1)])
def test_draws_what_choice_without_replacement_draws(pool: int, size: int) -> None:
    batched, single = np.random.RandomState(3), np.random.RandomState(3)
    columns = _draw_without_replacement(batched, pool, size, 50)
    rows = [single.choice(pool, size, replace=False) for _ in range(50)]
    np.testing.assert_array_equal(columns.T, rows)
    assert batched.randint(2**31) == single.randint(2**31)  # the streams are at the same place


def assert_valid(chain: Chain) -> None:
    state: State | None = State(**chain.initial_state)  # type: ignore[arg-type]
    for task in chain.tasks:
        assert state is not None
        state = successor(state, task)
    assert state is not None
    assert len({CATEGORIES[task] for task in chain.tasks}) == len(chain.tasks)


def test_few_chains_are_valid_and_repeatable() -> None:
    chains = get_sequences(3)
    assert [len(chain.tasks) for chain in chains] == [5, 5, 5]
    for chain in chains:
        assert tuple(chain.initial_state) == KEYS
        assert_valid(chain)
    assert get_sequences(3) == chains


def test_chains_of_a_subset() -> None:
    chains = get_sequences(400, tasks=TOY_TASKS, length=3)
    assert len(chains) == 400
    assert {task for chain in chains for task in chain.tasks} == set(TOY_TASKS)
    for chain in chains:
        assert_valid(chain)


def test_the_order_of_a_subset_does_not_matter() -> None:
    assert get_sequences(20, tasks=TOY_TASKS, length=2) == get_sequences(20, tasks=TOY_TASKS[::-1], length=2)


def test_states_without_a_chain_are_left_out() -> None:
    chains = get_sequences(100, tasks=("open_drawer", "turn_on_led"), length=2)
    assert {(chain.initial_state["drawer"], chain.initial_state["led"]) for chain in chains} == {
        ("closed", 0)
    }


def test_one_task() -> None:
    chains = get_sequences(5, tasks=("turn_off_led",), length=1)
    assert [chain.tasks for chain in chains] == [("turn_off_led",)] * 5


def test_changing_a_chain_does_not_change_the_next_call() -> None:
    get_sequences(2)[0].initial_state["led"] = 7  # type: ignore[index]
    assert all(chain.initial_state["led"] in (0, 1) for chain in get_sequences(2))


def test_none() -> None:
    assert get_sequences(0) == []


def test_leaves_the_global_random_state_alone() -> None:
    np.random.seed(1)
    before = np.random.get_state()[1].copy()  # type: ignore[index,union-attr]
    get_sequences(4, tasks=TOY_TASKS, length=1)
    np.testing.assert_array_equal(np.random.get_state()[1], before)  # type: ignore[index]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n": -1}, "number of sequences must be 0 or more, not -1"),
        ({"length": 0}, "length of a sequence must be 1 to 5 tasks, not 0"),
        ({"length": 6}, "length of a sequence must be 1 to 5 tasks, not 6"),
        ({"tasks": ["fly"]}, "Unknown CALVIN task 'fly'; "),
        ({"tasks": ["opn_drawer"]}, r"Unknown CALVIN task 'opn_drawer' \(did you mean 'open_drawer'\?\); "),
        ({"tasks": ["open_drawer", "open_drawer"]}, "'open_drawer' is listed more than once"),
        ({"tasks": []}, r"The tasks \(none\) form no sequence of 5"),
        ({"tasks": TOY_TASKS}, "form no sequence of 5: .* these are of 3 kinds"),
        ({"tasks": ["place_in_drawer"], "length": 1}, "form no sequence of 1"),
        ({"tasks": ["stack_block", *TASKS[:2]], "length": 2}, "form no sequence of 2"),
    ],
)
def test_refuses(arguments: dict, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        get_sequences(**({"n": 10} | arguments))


def test_the_stored_list_is_what_the_draws_give() -> None:
    """For every twelfth initial state: all 192 take ten seconds, and the recorded official list tells the rest."""
    rows = read_rows()
    order = np.arange(COUNT)
    np.random.RandomState(0).shuffle(order)
    unshuffled = [rows[place] for place in np.argsort(order)]
    for number, state in list(enumerate(_initial_states()))[::12]:
        stored = [tuple(TASKS[task] for task in tasks) for seed, tasks in unshuffled if seed == number]
        assert len(stored) == (6 if number < COUNT % 192 else 5)
        assert stored == list(islice(_draw_chains(state, TASKS, 5, number), len(stored)))
