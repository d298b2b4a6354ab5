"""Policies: from observations and instructions to chunks of actions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from models.generation import generate_actions
from models.images import compose, to_model_size
from models.reconvla import ReconVLA
from tasks.modelling import Recipe
from tasks.randomness import policy_generator

CHUNK_STEPS, ACTION_DIMS = 5, 7


@dataclass(frozen=True)
class Query:
    """What a policy is asked: the observation (CALVIN's keys), the instruction, and which query it is."""

    observation: Mapping[str, Any]
    instruction: str
    sequence: int
    number: int


class Policy(Protocol):
    """`needs_images`: whether observations must be rendered for it."""

    needs_images: bool

    def act(self, queries: Sequence[Query]) -> np.ndarray:
        """Relative actions (len(queries), 5, 7) in CALVIN's units, gripper exactly -1 or 1."""


class ReconVLAPolicy:
    """A checkpoint of ours, greedy, all five actions executed open loop (facts A10)."""

    needs_images = True

    def __init__(self, model: ReconVLA, recipe: Recipe, constrained: bool = False) -> None:
        self._model = model.eval()
        self._recipe = recipe
        self._constrained = constrained
        #: Tokens so far that were no action tokens.
        self.outside_tokens = 0

    def act(self, queries: Sequence[Query]) -> np.ndarray:
        size = self._recipe.config.vision.image_size
        images = [
            to_model_size(compose(q.observation["rgb_static"], q.observation["rgb_gripper"]), size)
            for q in queries
        ]
        prompts = [self._recipe.prompts.prompt(q.instruction, q.observation["robot_obs"]) for q in queries]
        chunks = generate_actions(self._model, images, prompts, constrained=self._constrained)
        self.outside_tokens += int(chunks.outside.sum())
        return with_binary_gripper(chunks.actions)


class RandomPolicy:
    """Uniform actions in -1..1: the chance level of a benchmark. Depends on (seed, sequence, query) only."""

    needs_images = False

    def __init__(self, seed: int) -> None:
        self._seed = seed

    def act(self, queries: Sequence[Query]) -> np.ndarray:
        chunks = np.stack(
            [
                policy_generator(self._seed, q.sequence, q.number).uniform(-1, 1, (CHUNK_STEPS, ACTION_DIMS))
                for q in queries
            ]
        )
        return with_binary_gripper(chunks)


def with_binary_gripper(chunks: np.ndarray) -> np.ndarray:
    """Gripper open (1) where its number is above 0, else closed (-1), as the official client decides."""
    chunks = np.array(chunks, dtype=np.float64)
    chunks[..., 6] = np.where(chunks[..., 6] > 0, 1.0, -1.0)
    return chunks
