"""What rows of the table were judged on: their results sequence by sequence, and whether two rows are comparable."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import lru_cache

from errors import InvalidInput
from settings.typed_json import key_json, to_json
from tasks.records import JobRecord, ended, told
from tasks.results import ClosedLoopResult, SequenceResult
from tasks.specs import ClosedLoopSpec, OpenLoopSpec


class Sequences:
    """The sequences of one ablation.

    Each has one place, so that the results of all rows are in the same order: a job that two ablations share may number
    its sequences by the list of the other.
    """

    def __init__(self, jobs: Sequence[JobRecord]) -> None:
        self._places: dict[str, int] = {}
        for _, spec in told(jobs, ClosedLoopSpec):
            for content, number in _numbered(spec):
                self._places[content] = min(number, self._places.get(content, number))

    def results(self, jobs: Sequence[JobRecord]) -> dict[str, SequenceResult] | None:
        """By what each sequence is, in their order; None until every shard has ended."""
        shards = [row for row, _ in told(jobs, ClosedLoopSpec)]
        results = ended(shards, ClosedLoopResult)
        if not shards or len(results) < len(shards):
            return None
        found: dict[str, SequenceResult] = {}
        for row, result in results:
            assert isinstance(row.spec, ClosedLoopSpec)
            for entry in result.results:
                found[_content(row.spec, entry.sequence)] = entry
        places = {content: self._places.get(content, entry.sequence) for content, entry in found.items()}
        return {content: found[content] for content in sorted(found, key=lambda c: (places[c], c))}


def judged_by(jobs: Sequence[JobRecord]) -> str:
    """What decides whether results can be compared: sequences and simulation; equal where they can. Empty where nothing
    is judged in closed loop."""
    specs = [spec for _, spec in told(jobs, ClosedLoopSpec)]
    if not specs:
        return ""
    contents = sorted(content for spec in specs for content, _ in _numbered(spec))
    return f"{_digest(contents)} {simulated_by(jobs)}"


def simulated_by(jobs: Sequence[JobRecord]) -> str:
    """The part of `judged_by` that is not the sequences."""
    first = next((spec for _, spec in told(jobs, ClosedLoopSpec)), None)
    if first is None:
        return ""
    return _digest([
        first.simulator, first.scene, first.scenes, first.renderer, first.assets_digest, first.max_steps,
        to_json(first.calvin_env),
    ])  # fmt: skip


def judged_as(jobs: Sequence[JobRecord]) -> str:
    """How a run is judged, whichever sequences it plays: what decides the figures of given weights on a sequence and on
    held-out frames."""
    first = next((spec for _, spec in told(jobs, ClosedLoopSpec)), None)
    if first is not None:
        first = replace(
            first, tasks=(), drawn=1, order="drawn", instructions=None, listed=None, contents=None, first=0, last=0,
            videos=0, video_attention=False, policy_batch=1, threads=1,
        )  # fmt: skip
    return _digest([key_json(first), [key_json(spec) for _, spec in told(jobs, OpenLoopSpec)]])


def _numbered(spec: ClosedLoopSpec) -> Iterator[tuple[str, int]]:
    """What each sequence of a shard is, and its number."""
    for number in range(spec.first, spec.last):
        yield _content(spec, number), number


def _content(spec: ClosedLoopSpec, number: int) -> str:
    """What a sequence is. Jobs of earlier versions know it by its place in their list only."""
    if spec.contents is None:
        return f"{number:06} of {_list_of(spec.drawn, spec.tasks, json.dumps(to_json(spec.instructions)))}"
    if not spec.first <= number < spec.first + len(spec.contents):
        raise InvalidInput(f"results of sequence {number}, which is none of {spec.first} to {spec.last - 1}")
    return spec.contents[number - spec.first]


@lru_cache(maxsize=64)
def _list_of(*named: object) -> str:
    return _digest(named)


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()[:16]
