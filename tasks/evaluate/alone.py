"""An evaluation without the queue, to one document; results as they come in a file, if there is one to keep them in."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict
from pathlib import Path
from typing import Protocol

from errors import InvalidInput, Stopped
from policies.base import Policy, told_counts
from settings.faults import need_mistake
from settings.json_values import JsonObject
from simulators.base import Simulator
from tasks.evaluate.chains import FILM, ChainsSpec
from tasks.evaluate.closed_loop import Entry, add_simulators
from tasks.evaluate.loop import Evaluation
from tasks.evaluate.rollout import ChainResult


class Show(Protocol):
    def __call__(self, results: Sequence[int], steps: int = 0) -> None:
        """results: of each sequence that has ended, how many subtasks in a row were done. steps: of all so far, told
        until the first has ended."""


#: Given the number of sequences.
Progress = Callable[[int], AbstractContextManager[Show]]

#: How the work is cut, and what only jobs are told.
OF_THE_WAY = frozenset({"simulators", "parallel", "assets_digest", "calvin_env"})


def deciding(spec: ChainsSpec) -> dict[str, object]:
    """What of the list and the scene decides the results, as plain JSON."""
    found = {name: value for name, value in vars(spec).items() if name not in OF_THE_WAY}
    if spec.listed is None:  # which results of earlier versions do not name
        del found["listed"]
    return {name: list(value) if isinstance(value, tuple) else value for name, value in found.items()}


def evaluate_alone(
    policy: Policy,
    spec: ChainsSpec,
    sequences: int,
    about: JsonObject,
    told: JsonObject,
    progress: Progress,
    *,
    official_compat: bool = False,
    out: Path | None = None,
    films: Path | None = None,
    show_attention: bool = False,
) -> dict[str, object]:
    """Runs the first `sequences` of the list to the end, but those that `out` has.

    about: what else decides the results. told: what else the
    document says. films: the folder of those of failures.

    Raises InvalidInput for places that cannot be written to, or hold another evaluation's results; Stopped on Ctrl-C.
    """
    if films is not None:
        _make_folder(films)
    simulators: list[Simulator] = []
    add_simulators(simulators, spec, 1)
    about = {
        **about,
        **deciding(spec),
        "sequences": sequences,
        "simulator_description": simulators[0].description(),
    }
    kept = None
    if out is not None:
        from tasks.evaluate.results_file import ResultsFile

        kept = ResultsFile(out, about)
    evaluation = Evaluation(
        spec,
        policy,
        range(sequences),
        () if kept is None else kept.entries,
        film_for=None if films is None else lambda sequence: films / f"{FILM}{sequence}.mp4",
        show_attention=show_attention,
    )
    entries, asked = evaluation.entries, len(evaluation.todo)
    add_simulators(simulators, spec, min(spec.simulators, asked))
    counts: Counter[str] = Counter()

    def keep(entry: Entry, result: ChainResult) -> None:
        if kept is not None:
            kept.add(entry)
        counts["replays"] += result.replays

    try:
        with progress(sequences) as show:

            def stepped(steps: int) -> None:
                if not entries:
                    show((), steps)

            for _ in evaluation.run(simulators, keep, stepped=stepped):
                show([entry["done"] for entry in entries])
    except KeyboardInterrupt:
        where = f"; {len(entries)} results are in {out}, the same command goes on" if kept else ""
        raise Stopped(f"stopped after {len(entries)} of {sequences} sequences{where}") from None
    for simulator in simulators:
        simulator.close()
    from tasks.evaluate.estimate import running_estimate
    from tasks.evaluate.summary import summary

    results = evaluation.by_sequence()
    return {
        **about,
        **told,
        "counts": told_counts(policy.counts) | {"replays": counts["replays"]},
        "counted_sequences": asked,
        **summary(results, official_compat),
        "estimate": asdict(running_estimate([entry["done"] for entry in results])),
        "results": results,
    }


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        need_mistake(error)
        raise InvalidInput(f"--videos: the folder {folder} cannot be made: {error.strerror}") from None
