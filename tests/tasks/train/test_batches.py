"""What a step is fed depends on (seed, step) and the micro-batch, and on nothing else."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch

from models.recipe import recipe_of
from tasks.data.index_reader import Index, load_index
from tasks.train.batches import Part, prepare
from tests.tasks.fake_context import input_file, spec_of
from tests.training import model_spec, training_spec, write_training_index

SPEC = training_spec(10, batch_size=5)
TOLD = spec_of(SPEC)


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Index:
    files = write_training_index(tmp_path_factory.mktemp("index"))
    return load_index([input_file("index", "index", name, path) for name, path in files.items()], 96)


def tensors(parts: list[Part]) -> list[torch.Tensor]:
    return [
        t
        for part in parts
        for value in (part.batch, part.draws)
        for t in vars(value).values()
        if t is not None
    ]


def test_threads_change_nothing(index: Index, tmp_path: Path) -> None:
    recipe = recipe_of(model_spec(SPEC))
    alone = prepare(recipe, index, TOLD, 4, 2)
    with ThreadPoolExecutor(4) as pool:
        together = prepare(recipe, index, TOLD, 4, 2, pool=pool)
    assert all(torch.equal(*pair) for pair in zip(tensors(alone), tensors(together), strict=True))
    other = prepare(recipe, index, TOLD, 5, 2)
    assert not torch.equal(alone[0].batch.images, other[0].batch.images)


def test_micro_batches_share_one_global_batch(index: Index) -> None:
    recipe = recipe_of(model_spec(SPEC))
    (whole,) = prepare(recipe, index, TOLD, 4, 5)
    parts = prepare(recipe, index, TOLD, 4, 2)
    assert [len(part.batch) for part in parts] == [2, 2, 1]
    assert torch.equal(torch.cat([part.batch.images for part in parts]), whole.batch.images)
    assert sum(part.label_share for part in parts) == pytest.approx(1)
    assert sum(part.target_share for part in parts) == pytest.approx(1)
    repeats = recipe.config.denoiser.repeats
    noise = whole.draws.noise.unflatten(0, (repeats, 5))
    for first, part in zip((0, 2, 4), parts):
        own = part.draws.noise.unflatten(0, (repeats, len(part.batch)))
        assert torch.equal(own, noise[:, first : first + len(part.batch)])
