"""One evaluation by CALVIN's protocol, sequence by sequence: the loop that jobs and commands share."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from policies.base import Policy
from simulators.base import Simulator
from tasks.evaluate.chains import ChainsSpec
from tasks.evaluate.closed_loop import Entry, entry_of, evaluated_chains, instructions_of, told_contents
from tasks.evaluate.rollout import ChainResult, Failure, Rollout

#: Where the film of a sequence that failed shall lie; None: it is not filmed.
FilmFor = Callable[[int], Path | None]
#: Told of a sequence that has ended, before it is filmed.
Keep = Callable[[Entry, ChainResult], None]


def _nothing(entry: Entry, result: ChainResult) -> None:
    """For whoever reads the entries in the end."""


class Evaluation:
    """One policy on some sequences of the list that `spec` draws.

    entries: of the sequences that have ended, as they ended; those that are there already are not done again. todo:
    the others, by their numbers.
    """

    def __init__(
        self,
        spec: ChainsSpec,
        policy: Policy,
        numbers: range,
        entries: Iterable[Entry] = (),
        film_for: FilmFor | None = None,
        show_attention: bool = False,
    ) -> None:
        """film_for: asked for each failure. show_attention: in films, where the policy looked, if it tells."""
        self._spec = spec
        self._policy = policy
        self._rollout = Rollout(
            spec.scene, policy, instructions_of(spec.instructions), spec.max_steps, film=film_for is not None
        )
        self._film_for = film_for
        self._show_attention = show_attention
        self._counted = evaluated_chains(spec, numbers)
        self._chains = {number: chain for number, (chain, _) in self._counted.items()}
        self.entries = list(entries)
        done = {entry["sequence"] for entry in self.entries}
        self.todo = [(number, self._chains[number]) for number in numbers if number not in done]

    def contents(self, numbers: range) -> tuple[str, ...]:
        """See `tasks.evaluate.closed_loop.contents_of`; of some of the sequences that are evaluated."""
        return told_contents(map(self._counted.__getitem__, numbers), self._spec.instructions)

    def by_sequence(self) -> list[Entry]:
        """The entries in the order of the list, which does not tell how the work was cut."""
        return sorted(self.entries, key=lambda entry: entry["sequence"])

    def run(
        self,
        simulators: Sequence[Simulator],
        keep: Keep = _nothing,
        should_stop: Callable[[], str | None] = lambda: None,
        abandoned: Callable[[int], None] = lambda steps: None,
        stepped: Callable[[int], None] = lambda steps: None,
    ) -> Iterator[ChainResult]:
        """The result of each sequence when it has ended; ends early on a stop request. See `Rollout.run`."""
        for result in self._rollout.run(self.todo, simulators, should_stop, abandoned, stepped):
            entry = entry_of(result, self._chains[result.sequence])
            keep(entry, result)
            self.entries.append(entry)
            if result.failure is not None:
                self._film(result.sequence, result.failure)
            yield result

    def _film(self, sequence: int, failure: Failure) -> None:
        file = None if self._film_for is None else self._film_for(sequence)
        if file is not None:
            from tasks.evaluate.videos import looks_of, write_failure  # which import opencv and the models

            write_failure(failure, file, looks_of(failure, self._policy) if self._show_attention else ())
