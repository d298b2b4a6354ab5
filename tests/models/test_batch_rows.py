from __future__ import annotations

import numpy as np
import pytest
import torch

from models import batch_rows
from models.batches import Batch
from models.generation import prompt_batch
from models.recipe import recipe_of
from models.reconvla import ReconVLA
from tests.training import model_spec, training_spec


@pytest.fixture(scope="module")
def probe() -> tuple[ReconVLA, Batch]:
    recipe = recipe_of(model_spec(training_spec(steps=1)))
    model = ReconVLA(recipe.config, seed=1).eval()
    random, size = np.random.default_rng(0), recipe.config.vision.image_size
    images = [random.integers(0, 256, (size, size, 3), dtype=np.uint8) for _ in range(4)]
    prompts = [recipe.prompts.prompt(text, np.zeros(15)) for text in ("draw", "draw it", "draw it out", "go")]
    return model, prompt_batch(model, images, prompts, length=200)


def test_rows_do_not_see_each_other(probe: tuple[ReconVLA, Batch]) -> None:
    assert batch_rows.rows_are_independent(*probe)


def test_a_model_that_looks_at_its_neighbours_is_found_out(
    probe: tuple[ReconVLA, Batch], monkeypatch: pytest.MonkeyPatch
) -> None:
    model, batch = probe
    embed = model.embed

    def leaking(input_ids: torch.Tensor, images: torch.Tensor) -> torch.Tensor:
        embedded = embed(input_ids, images)
        embedded[0] *= 1 + 1e-6  # the first place is summed in another way
        return embedded

    monkeypatch.setattr(model, "embed", leaking)
    assert not batch_rows.rows_are_independent(model, batch)
