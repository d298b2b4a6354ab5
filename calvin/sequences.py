"""CALVIN's long-horizon evaluation: chains of five tasks, each with the state that the scene starts in.

The rules and the random draws are those of calvin_models/calvin_agent/evaluation/multistep_sequences.py, so
that `get_sequences(1000)` equals the official list entry for entry (and ReconVLA's evaluation/question.json).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice, product

import numpy as np

from benchmark.tasks import TASKS
from calvin.official_sequences import COUNT as OFFICIAL_COUNT
from calvin.official_sequences import Row, read_rows
from calvin.transitions import CATEGORIES, INITIAL_CONDITIONS, State, successor
from errors import InvalidInput
from settings.shown import shown
from settings.suggestions import meant

CHAIN_LENGTH = 5
DRAWS_PER_BATCH = 2048
IMPOSSIBLE = -1


@dataclass(frozen=True)
class Chain:
    """One evaluation sequence.

    `initial_state` has the official keys in the official order (led, lightbulb, slider, drawer, red_block,
    blue_block, pink_block, grasped): its values are hashed in that order to seed the scene.
    """

    initial_state: Mapping[str, int | str]
    tasks: tuple[str, ...]


def get_sequences(
    n: int = 1000, *, tasks: Sequence[str] | None = None, length: int = CHAIN_LENGTH
) -> list[Chain]:
    """`n` chains of `length` tasks; with the defaults for `tasks` and `length`, the official ones.

    The list for a smaller `n` is not a prefix of that for a larger one. With `tasks`, chains are drawn by the
    same rules from these tasks only, leaving out the initial states from which they form no chain. Raises
    InvalidInput when `n` is negative, `length` is not in 1..5, a task is unknown or repeated, or when the
    tasks form no chain at all.
    """
    if n < 0:
        raise InvalidInput(f"The number of sequences must be 0 or more, not {n}.")
    if not 1 <= length <= CHAIN_LENGTH:
        raise InvalidInput(f"The length of a sequence must be 1 to {CHAIN_LENGTH} tasks, not {length}.")
    names = _in_official_order(TASKS if tasks is None else tasks)
    rows = (
        _stored() if (n, names, length) == (OFFICIAL_COUNT, TASKS, CHAIN_LENGTH) else _drawn(n, names, length)
    )
    states = _initial_states()
    return [Chain(states[state].as_dict(), tuple(TASKS[task] for task in chain)) for state, chain in rows]


def check_tasks(tasks: Sequence[str], length: int = CHAIN_LENGTH) -> None:
    """Raises InvalidInput when a task is unknown or repeated, or no sequence of `length` can be made of `tasks`.

    Draws nothing, so it is quick where `get_sequences` would search.
    """
    names = _in_official_order(tasks)
    if not any(_has_chain(state, names, length) for state in _initial_states()):
        raise InvalidInput(_no_chain(names, length))


def draw_rows(n: int) -> list[Row]:
    """The official `n` chains, drawn: what `calvin.official_sequences` keeps."""
    return list(_drawn(n, TASKS, CHAIN_LENGTH))


@lru_cache(maxsize=1)
def _stored() -> tuple[Row, ...]:
    return tuple(read_rows())


@lru_cache(maxsize=4)
def _drawn(n: int, names: tuple[str, ...], length: int) -> tuple[Row, ...]:
    starts = [
        (seed, state) for seed, state in enumerate(_initial_states()) if _has_chain(state, names, length)
    ]
    if not starts:
        raise InvalidInput(_no_chain(names, length))
    chains: list[Row] = []
    for (seed, state), count in zip(starts, _shares(n, len(starts))):
        for chain in islice(_draw_chains(state, names, length, seed), count):
            chains.append((seed, tuple(TASKS.index(task) for task in chain)))
    order = np.arange(len(chains))
    np.random.RandomState(0).shuffle(order)
    return tuple(chains[i] for i in order)


def _no_chain(names: tuple[str, ...], length: int) -> str:
    kinds = len({CATEGORIES[name] for name in names})
    if kinds < length:
        plural = "" if kinds == 1 else "s"
        why = f"they must be of that many kinds, and these are of {kinds} kind{plural}: add {length - kinds} more"
    else:
        why = "each must be possible after those before it, and from no start there is such an order: name more tasks"
    return f"The tasks {', '.join(names) or '(none)'} form no sequence of {length}: {why}."


def _in_official_order(tasks: Sequence[str]) -> tuple[str, ...]:
    for name in tasks:
        if name not in CATEGORIES:
            raise InvalidInput(
                f"Unknown CALVIN task {shown(name)}{meant(name, TASKS)}; the 34 tasks are {', '.join(TASKS)}."
            )
        if list(tasks).count(name) > 1:
            raise InvalidInput(f"The task {shown(name)} is listed more than once.")
    return tuple(name for name in TASKS if name in tasks)


def _initial_states() -> list[State]:
    """The 192 states: one or two blocks on the table, at most one on each side of the slider."""
    states = (State(*values) for values in product(*INITIAL_CONDITIONS.values()))  # type: ignore[arg-type]
    return [
        state
        for state in states
        if state.blocks.count("table") in (1, 2)
        and state.blocks.count("slider_left") < 2
        and state.blocks.count("slider_right") < 2
    ]


def _shares(n: int, parts: int) -> list[int]:
    """`n` split into `parts`, the first ones taking the remainder."""
    return [n // parts + (part < n % parts) for part in range(parts)]


def _draw_chains(state: State, names: tuple[str, ...], length: int, seed: int) -> Iterator[tuple[str, ...]]:
    """Endless valid chains from `state`, in the order in which drawing one at a time would find them."""
    random = np.random.RandomState(seed)
    kinds = sorted({CATEGORIES[name] for name in names})
    kind_bit = np.array([1 << kinds.index(CATEGORIES[name]) for name in names])
    number, after = _transition_table(names)
    while True:
        drawn = _draw_without_replacement(random, len(names), length, DRAWS_PER_BATCH)
        bits = kind_bit[drawn]
        valid = bits.sum(axis=0) == np.bitwise_or.reduce(bits)  # no kind twice
        reached = np.full(DRAWS_PER_BATCH, number[state])
        for task in drawn:
            reached = after[reached, task]
        for indices in drawn.T[valid & (reached != IMPOSSIBLE)].tolist():
            yield tuple(names[i] for i in indices)


@lru_cache(maxsize=4)
def _transition_table(names: tuple[str, ...]) -> tuple[dict[State, int], np.ndarray]:
    """All states within reach of the initial ones, numbered, and which one follows each: (states + 1, names).

    The last row, IMPOSSIBLE, is where a task leads that cannot be done, and never left.
    """
    states = _initial_states()
    number = {state: i for i, state in enumerate(states)}
    rows = []
    for state in states:  # grows while it is walked
        row = []
        for name in names:
            following = successor(state, name)
            if following is not None and following not in number:
                number[following] = len(states)
                states.append(following)
            row.append(IMPOSSIBLE if following is None else number[following])
        rows.append(row)
    return number, np.array([*rows, [IMPOSSIBLE] * len(names)])


def _draw_without_replacement(random: np.random.RandomState, pool: int, size: int, draws: int) -> np.ndarray:
    """What `draws` calls of `random.choice(pool, size, replace=False)` return, as columns: (size, draws).

    `choice` shuffles the whole pool by Fisher-Yates, from the top swapping each place with one drawn below
    or at it, and keeps the first `size`. Here one call draws the partners of all swaps, from the same stream,
    and only the kept places are followed back through the swaps to where their content was before.
    """
    highs = np.tile(np.arange(pool, 1, -1), draws)
    partners = random.randint(0, highs, dtype=np.uint32).reshape(draws, pool - 1).astype(np.int8)
    place = np.repeat(np.arange(size, dtype=np.int8)[:, None], draws, axis=1)
    for top, partner in enumerate(np.ascontiguousarray(partners.T[::-1]), start=1):
        was_top = place == partner
        if top < size:
            np.copyto(place, partner, where=place == top)
        np.putmask(place, was_top, np.int8(top))
    return place


def _has_chain(state: State, names: tuple[str, ...], length: int) -> bool:
    """Whether some order of some of `names` is a valid chain from `state`."""
    if length == 0:
        return True
    for name in names:
        following = successor(state, name)
        others = tuple(other for other in names if CATEGORIES[other] != CATEGORIES[name])
        if following is not None and _has_chain(following, others, length - 1):
            return True
    return False
