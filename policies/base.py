"""Policies: from observations and instructions to chunks of actions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from simulators.base import Observation, Simulator

#: In counts: tokens that are no actions, and all tokens that were answered.
OUTSIDE, ANSWERED = "outside_tokens", "answer_tokens"
#: In counts: actions carried out that ask for more than the benchmark's largest step.
BEYOND_LIMITS = "actions_beyond_limits"
#: In counts, with the reason behind it: answers of a model that is shown the gaze region for which there was none.
WITHOUT_REGION = "without_region"


@dataclass(frozen=True)
class Query:
    """What a policy is asked.

    observation: CALVIN's keys. number: how many queries of this sequence came before. begins:
    whether the instruction is new. task is for the scripted expert alone; simulator for it, and for absolute poses.
    """

    observation: Observation
    instruction: str
    sequence: int
    number: int
    task: str = ""
    begins: bool = False
    simulator: Simulator | None = None


class Policy(Protocol):
    """`needs_images`: whether observations must be rendered for it. `counts`: what happened on the way."""

    needs_images: bool
    counts: Counter[str]

    def act(self, queries: Sequence[Query]) -> Sequence[np.ndarray]:
        """Relative actions (steps, 7) for each query in CALVIN's units, gripper exactly -1 or 1.

        What a query gets depends on that query alone, not on those beside it. A model whose numbers are not
        finite raises NotFinite.
        """


class ModelPolicy(Policy, Protocol):
    """A policy that a model computes."""

    def predict(self, queries: Sequence[Query]) -> Sequence[np.ndarray]:
        """Chunks as `act` gives them, the gripper's number as decoded: not yet -1 or 1."""


def told_counts(counts: Mapping[str, int]) -> dict[str, Any]:
    """A policy's counts for results: those of one thing by reason (`thing.reason`) are a mapping of their own."""
    told: dict[str, Any] = {}
    for name, count in sorted(counts.items()):
        thing, _, reason = name.partition(".")
        if reason or thing == WITHOUT_REGION:  # checkpoints of earlier versions know no reasons
            told.setdefault(thing, {})[reason or "not_told"] = count
        else:
            told[thing] = count
    return told


def with_binary_gripper(chunks: np.ndarray) -> np.ndarray:
    """Gripper open (1) where its number is above 0, else closed (-1), as the official client decides."""
    chunks = np.array(chunks, dtype=np.float64)
    chunks[..., 6] = np.where(chunks[..., 6] > 0, 1.0, -1.0)
    return chunks
