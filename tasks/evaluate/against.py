"""Two policies on the same sequences, which end as soon as they tell the two apart.

What is counted are sequences that one of them brought as far as asked and the other did not. Where both are alike, each
such sequence is a fair coin, and the beta-binomial e-process, a mixture of bets with a Beta(1/2, 1/2) over the coin
(Robbins 1970), is at least 20 at any time in at most 5 % of cases (Ville's inequality). So it may be looked at after
every block of sequences, and stopped at will. It speaks of these two policies: another seed of the same method is
another policy.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from scipy import special

from errors import Stopped
from policies.base import Policy, told_counts
from settings.json_values import JsonObject
from simulators.base import Simulator
from tasks.evaluate.alone import deciding
from tasks.evaluate.chains import ChainsSpec
from tasks.evaluate.closed_loop import Entry, add_simulators
from tasks.evaluate.loop import Evaluation
from tasks.evaluate.results_file import ResultsFile
from tasks.evaluate.rollout import ChainResult

#: At which two policies are told apart: wrongly in at most one of so many comparisons.
ENOUGH = 20.0
#: Sequences of a block for each simulator: with one, all would wait for the longest.
_EACH = 2


@dataclass(frozen=True)
class Contender:
    """about: what decides the policy's results beside the sequences, plain JSON."""

    name: str
    policy: Policy
    about: JsonObject


@dataclass(frozen=True)
class Pairs:
    """Sequences that both played. won: only the first came as far as asked; lost: only the second. most_e: the largest
    e-value after any block so far."""

    sequences: int
    won: int
    lost: int
    most_e: float

    @property
    def decided(self) -> bool:
        return self.most_e >= ENOUGH


def e_value(won: int, lost: int) -> float:
    """Of the hypothesis that a sequence on which two policies differ is won by either alike; 1 before the first."""
    log = special.betaln(0.5 + won, 0.5 + lost) - special.betaln(0.5, 0.5) + (won + lost) * math.log(2)
    return float(math.exp(min(log, 700.0)))


def evaluate_against(
    first: Contender,
    second: Contender,
    spec: ChainsSpec,
    sequences: int,
    level: int,
    tell: Callable[[Pairs], None],
    out: Path | None = None,
    stepped: Callable[[int], None] = lambda steps: None,
) -> dict[str, object]:
    """Plays the first `sequences` of the list with both, block by block, until they are told apart by how often at
    least `level` subtasks in a row are done. tell: after every block. stepped: after every round of answers, how many
    steps one of them has done in the block.

    out: where results of the first are kept as they come; those of the second are beside it, with `.against` behind the
    name. The same call goes on. Raises InvalidInput for a file of another evaluation, Stopped on Ctrl-C.
    """
    simulators: list[Simulator] = []
    add_simulators(simulators, spec, max(1, min(spec.simulators, sequences)))
    description = simulators[0].description()
    block = max(1, _EACH * len(simulators))
    of_both = {**deciding(spec), "simulator_description": description}
    places = (out, None if out is None else Path(f"{out}.against"))
    kept = [
        None if place is None else ResultsFile(place, {"policy": one.name, **one.about, **of_both})
        for one, place in zip((first, second), places)
    ]
    done: list[dict[int, Entry]] = [
        {} if file is None else {entry["sequence"]: entry for entry in file.entries} for file in kept
    ]
    pairs, looked = Pairs(0, 0, 0, 1.0), 0
    try:
        while looked < sequences and not pairs.decided:
            numbers = range(looked, min(sequences, looked + block))
            for one, file, entries in zip((first, second), kept, done):
                _play(one.policy, spec, numbers, simulators, file, entries, stepped)
            looked = numbers.stop
            pairs = _counted(done, looked, level, pairs.most_e)
            tell(pairs)
    except KeyboardInterrupt:
        where = f"; results are in {out}, the same command goes on" if out is not None else ""
        raise Stopped(f"stopped after {looked} of {sequences} sequences{where}") from None
    finally:
        for simulator in simulators:
            simulator.close()
    return _document(
        (first, second), done, pairs, sequences, level, {**of_both, "simulator_description": description}
    )


def _play(
    policy: Policy,
    spec: ChainsSpec,
    numbers: range,
    simulators: list[Simulator],
    file: ResultsFile | None,
    entries: dict[int, Entry],
    stepped: Callable[[int], None],
) -> None:
    evaluation = Evaluation(
        spec, policy, numbers, [entries[number] for number in numbers if number in entries]
    )

    def keep(entry: Entry, _result: ChainResult) -> None:
        if file is not None:
            file.add(entry)

    for _ in evaluation.run(simulators, keep, stepped=stepped):
        pass
    entries.update({entry["sequence"]: entry for entry in evaluation.entries})


def _counted(done: list[dict[int, Entry]], count: int, level: int, most_e: float) -> Pairs:
    reached = [[entries[number]["done"] >= level for number in range(count)] for entries in done]
    won = _count(a and not b for a, b in zip(*reached))
    lost = _count(b and not a for a, b in zip(*reached))
    return Pairs(count, won, lost, max(most_e, e_value(won, lost)))


def _count(truths: Iterable[bool]) -> int:
    return sum(truths)


def _document(
    both: tuple[Contender, Contender],
    done: list[dict[int, Entry]],
    pairs: Pairs,
    most: int,
    level: int,
    of_both: JsonObject,
) -> dict[str, object]:
    """better: the name of the one that did more, None where they were not told apart. p_value: holds whenever it was
    stopped."""
    numbers = range(pairs.sequences)
    rates = [sum(entries[n]["done"] >= level for n in numbers) / pairs.sequences for entries in done]
    first, second = both
    return {
        "policy": first.name,
        "against": second.name,
        **of_both,
        "about": [dict(one.about) for one in both],
        "counts": [told_counts(one.policy.counts) for one in both],
        "level": level,
        "sequences": pairs.sequences,
        "most_sequences": most,
        "success": rates,
        "difference": rates[0] - rates[1],
        "won": pairs.won,
        "lost": pairs.lost,
        "e_value": pairs.most_e,
        "p_value_these_weights": min(1.0, 1 / pairs.most_e),
        "decided": pairs.decided,
        "better": (first.name if pairs.won > pairs.lost else second.name) if pairs.decided else None,
        "results": [{"sequence": n, "done": [entries[n]["done"] for entries in done]} for n in numbers],
    }
