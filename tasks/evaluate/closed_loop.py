"""Closed-loop evaluation by CALVIN's protocol: what jobs and commands need for it, and what they keep of it."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Literal, TypedDict

from benchmark.cameras import EGL
from calvin.instructions import evaluation_instruction
from calvin.sequences import Chain, get_sequences
from errors import InvalidInput
from settings.code_source import reference_of
from simulators.base import Simulator
from simulators.registry import create, create_apart
from tasks.evaluate.chains import ChainsSpec, SimulatedScene

if TYPE_CHECKING:
    from tasks.evaluate.rollout import ChainResult


Order = Literal["drawn", "distinct"]


class Entry(TypedDict):
    """What is kept of a sequence: `done` of its five `tasks` in a row, in `steps` of the simulator. actions: the first
    digits of the digest of all of them."""

    sequence: int
    done: int
    steps: int
    tasks: list[str]
    actions: str


def chains_of(drawn: int, tasks: Sequence[str], order: Order = "drawn") -> list[Chain]:
    """The whole list that shards and sequence numbers refer to; `tasks` empty for all of CALVIN's.

    order: few tasks form few chains, of which a long list has copies; `distinct` puts these behind all others, so that
    the beginning of the list has as many chains as there are.
    """
    chains = get_sequences(drawn, tasks=list(tasks) or None)
    if order == "drawn":
        return chains
    copies = [copy for _, copy in _counted(chains)]
    return [chains[place] for place in sorted(range(len(chains)), key=copies.__getitem__)]


def contents_of(
    chains: Sequence[Chain], instructions: Mapping[str, str] | None, numbers: range
) -> tuple[str, ...]:
    """What each of some sequences is: digests of its initial state, tasks and phrases, and which copy it is.

    Two sequences are the same where these are equal, whatever lists they are in.
    """
    return told_contents(_counted(chains[: numbers.stop])[numbers.start :], instructions)


def evaluated_chains(spec: ChainsSpec, numbers: range) -> dict[int, tuple[Chain, int]]:
    """Each of the sequences `numbers` of the list of `spec`, with how many equal ones are before it in the list.

    Raises InvalidInput where they are from a file and are not so many, or none.
    """
    if spec.listed is None:
        chains = chains_of(spec.drawn, spec.tasks, spec.order)
        return dict(zip(numbers, _counted(chains[: numbers.stop])[numbers.start :]))
    from calvin.listed_sequences import of_line  # which few evaluations need

    first = spec.first_listed
    if not (first <= numbers.start and numbers.stop <= first + len(spec.listed)):
        raise InvalidInput(
            f"listed: sequences {first} to {first + len(spec.listed) - 1}, of which {numbers.start} to "
            f"{numbers.stop - 1} are evaluated"
        )
    return {number: of_line(spec.listed[number - first]) for number in numbers}


def told_contents(
    chains: Iterable[tuple[Chain, int]], instructions: Mapping[str, str] | None
) -> tuple[str, ...]:
    """See `contents_of`, of sequences with how many equal ones are before each."""
    phrase = instructions_of(instructions)
    return tuple(_content(chain, copy, phrase) for chain, copy in chains)


def _counted(chains: Sequence[Chain]) -> list[tuple[Chain, int]]:
    """Each chain with the number of its copies before it."""
    seen: Counter[tuple[object, ...]] = Counter()
    counted = []
    for chain in chains:
        what = (*chain.initial_state.values(), *chain.tasks)
        counted.append((chain, seen[what]))
        seen[what] += 1
    return counted


def _content(chain: Chain, copy: int, phrase: Callable[[str], str]) -> str:
    what = [dict(chain.initial_state), [[task, phrase(task)] for task in chain.tasks], copy]
    return hashlib.sha256(json.dumps(what).encode()).hexdigest()[:16]


def instructions_of(phrases: Mapping[str, str] | None) -> Callable[[str], str]:
    """Task to the phrase that asks for it; None for Baton's own."""
    return evaluation_instruction if phrases is None else phrases.__getitem__


def add_simulators(simulators: list[Simulator], scene: SimulatedScene, count: int) -> None:
    """Until there are `count`."""
    apart, options = how_made(scene)
    make = create_apart if apart else create
    while len(simulators) < count:
        simulators.append(make(scene.simulator, scene.scene, **options))


def how_made(scene: SimulatedScene) -> tuple[bool, dict[str, str]]:
    """Whether each in a process of its own, and with which options."""
    places = {"assets": scene.assets, "python": scene.python}
    options = {name: place for name, place in places.items() if place is not None}
    is_own = reference_of(scene.simulator) is not None
    if not is_own:
        options["renderer"] = scene.renderer
    # Jobs come in any thread, and EGL draws in one only. The official simulator has its own process anyway.
    apart = (scene.parallel or (scene.renderer == EGL and not is_own)) and scene.simulator != "calvin"
    return apart, options


def entry_of(result: ChainResult, chain: Chain) -> Entry:
    """What is kept of a result: nothing that depends on how the work was cut."""
    return {
        "sequence": result.sequence,
        "done": result.done,
        "steps": result.steps,
        "tasks": list(chain.tasks),
        "actions": result.actions[:16],
    }
