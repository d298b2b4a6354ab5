"""What a checkpoint answers to a query depends on neither its neighbours nor how many they are."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from models.recipe import recipe_of
from models.reconvla import ReconVLA
from policies.base import Query
from policies.reconvla import ReconVLAPolicy
from tests.training import model_spec, training_spec

#: The long one is padded to another length than the others.
INSTRUCTIONS = ("draw the drawer out", "a phrase " + "and more of it " * 12, "go")


def query(number: int) -> Query:
    random = np.random.default_rng(number)
    observation = {
        "rgb_static": random.integers(0, 256, (200, 200, 3), dtype=np.uint8),
        "rgb_gripper": random.integers(0, 256, (84, 84, 3), dtype=np.uint8),
        "robot_obs": random.normal(size=15),
    }
    return Query(observation, INSTRUCTIONS[number % len(INSTRUCTIONS)], sequence=number, number=0)


@pytest.fixture(scope="module")
def policy() -> ReconVLAPolicy:
    torch.set_num_threads(1)
    recipe = recipe_of(model_spec(training_spec(steps=1)))
    model = ReconVLA(recipe.config, seed=3)
    random = torch.Generator().manual_seed(3)
    with torch.no_grad():  # a fresh model gives every picture the same answer, these weights do not
        for parameter in model.parameters():
            parameter.normal_(0.0, 0.3, generator=random)
    return ReconVLAPolicy(model, recipe, batch=4, constrained=True)


def test_answers_do_not_depend_on_the_batch(policy: ReconVLAPolicy) -> None:
    queries = [query(number) for number in range(10)]
    together = policy.predict(queries)
    alone = [policy.predict([one])[0] for one in queries]
    backwards = policy.predict(queries[::-1])[::-1]
    for first, second, third in zip(together, alone, backwards):
        np.testing.assert_array_equal(first, second)
        np.testing.assert_array_equal(first, third)
    assert len({chunk.tobytes() for chunk in together}) > 1  # they are not all one answer


def test_the_gripper_is_binary_only_when_acting(policy: ReconVLAPolicy) -> None:
    assert set(policy.act([query(0)])[0][:, 6]) <= {-1.0, 1.0}
    assert policy.act([query(0)])[0].shape == (5, 7)


def test_rows_that_depend_on_their_place_are_answered_one_by_one(
    policy: ReconVLAPolicy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("policies.reconvla.rows_are_independent", lambda model, batch: False)
    cautious = ReconVLAPolicy(policy._model, policy._recipe, batch=4, constrained=True)
    sizes = []
    generate = cautious._generate
    monkeypatch.setattr(cautious, "_generate", lambda *a: sizes.append((len(a[0]), a[2])) or generate(*a))
    cautious.predict([query(0), query(3)])
    assert sizes == [(1, 1), (1, 1)]
    assert cautious.counts["one_by_one_shapes"] == 1
