"""What a step is fed depends on (seed, step) and the micro-batch, and on nothing else."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch

from models.batches import Sample
from models.recipe import Recipe, recipe_of
from tasks.data.index_reader import Index, load_index
from tasks.data.samples import sample_of
from tasks.train import batches
from tasks.train.batches import Part, prepare, prepare_own
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


@pytest.mark.parametrize(("micro_batch", "ranks"), [(1, 2), (2, 2), (1, 3), (2, 4), (5, 2)])
def test_a_rank_composes_its_own_micro_batches_and_no_other(
    micro_batch: int, ranks: int, index: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = recipe_of(model_spec(SPEC))
    composed: list[int] = []

    def noted(recipe: Recipe, index: Index, row: int) -> Sample:
        composed.append(row)
        return sample_of(recipe, index, row)

    monkeypatch.setattr(batches, "sample_of", noted)
    whole = prepare(recipe, index, TOLD, 4, micro_batch)
    rows = composed[:]
    given = []
    for rank in range(ranks):
        composed.clear()
        given.append(prepare_own(recipe, index, TOLD, 4, micro_batch, rank, ranks))
        numbers = range(len(whole))[rank::ranks] or [len(whole) - 1]
        assert composed == [row for n in numbers for row in rows[n * micro_batch :][:micro_batch]]
    assert len({len(own) for own in given}) == 1, "what gathers parameters is called by all ranks"
    labels, targets = (
        sum(getattr(part, name) for own in given for part in own) for name in ("labels", "targets")
    )
    turns = [own.share(labels, targets) for turn in zip(*given, strict=True) for own in turn]
    assert turns[: len(whole)] and all(
        torch.equal(*pair) for pair in zip(tensors(turns[: len(whole)]), tensors(whole), strict=True)
    )
    shares = [(part.label_share, part.target_share) for part in turns]
    left = [(0.0, 0.0)] * (len(turns) - len(whole))
    assert shares == [(part.label_share, part.target_share) for part in whole] + left
