"""Figures of a model on held-out frames."""

from __future__ import annotations

from pathlib import Path
from statistics import fmean

import pytest
import torch

from errors import NotFinite
from models.batches import collate
from models.checkpoint import weights_of
from models.recipe import recipe_of
from models.reconvla import ReconVLA
from models.weights import write_weights
from tasks.context import Finished
from tasks.data.index_reader import load_index
from tasks.data.samples import sample_of
from tasks.evaluate.open_loop import action_losses, open_loop_error, run_open_loop
from tests.tasks.fake_context import FakeContext, input_file
from tests.training import model_spec, training_spec, write_training_index

SPEC = training_spec(1, arm="baseline")
RECIPE = recipe_of(model_spec(SPEC))


def test_the_held_out_loss_is_what_training_minimizes(tmp_path: Path) -> None:
    files = write_training_index(tmp_path, frames=5)
    index_files = [input_file("index", "index", name, path) for name, path in files.items()]
    model = ReconVLA(RECIPE.config, 3).eval()
    index = load_index(index_files, RECIPE.config.vision.image_size)
    rows = range(len(index))
    batch = collate([sample_of(RECIPE, index, row) for row in rows], RECIPE.config, RECIPE.pad_id)
    with torch.no_grad():
        expected = model(batch, None).action.item()
    losses = action_losses(model, RECIPE, index, rows)
    assert len(losses) == len(index) and len(set(losses)) > 1
    assert fmean(losses) == pytest.approx(expected, rel=1e-5)

    write_weights(weights_of(model), tmp_path / "weights.safetensors")
    checkpoint = input_file("checkpoint", "checkpoint", "weights", tmp_path / "weights.safetensors")
    spec = {"model": SPEC["model"], "mode": "open_loop", "threads": 1}
    done = run_open_loop(FakeContext(tmp_path / "job", spec, [*index_files, checkpoint]))
    assert isinstance(done, Finished)
    assert done.result.row()["action_loss"] == pytest.approx(expected, rel=1e-5)
    assert done.result.row()["frames"] == len(index)
    assert done.result.row()["answer_tokens"] == len(index) * 35 >= done.result.row()["outside_tokens"]


def test_no_picture_is_made_that_only_training_needs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The reconstructed one: half of what an open loop's pictures would take."""
    recipe = recipe_of(model_spec(training_spec(1, arm="recon")))
    files = write_training_index(tmp_path, frames=2)
    index_files = [input_file("index", "index", name, path) for name, path in files.items()]
    index = load_index(index_files, recipe.config.vision.image_size)
    model = ReconVLA(recipe.config, 3).eval()
    assert sample_of(recipe, index, 0).target is not None
    monkeypatch.setattr(index, "targets", None)
    assert len(action_losses(model, recipe, index, range(len(index)))) == 2


def test_without_the_losses_of_jpeg_the_error_is_that_of_other_pictures(tmp_path: Path) -> None:
    """A model of the official conventions is trained, and measured on the way, on pictures that have them."""
    files = write_training_index(tmp_path, frames=5)
    index_files = [input_file("index", "index", name, path) for name, path in files.items()]
    model = ReconVLA(RECIPE.config, 3).eval()
    trained_on = load_index(index_files, RECIPE.config.vision.image_size, jpeg=True)
    expected = fmean(action_losses(model, RECIPE, trained_on, range(len(trained_on))))
    write_weights(weights_of(model), tmp_path / "weights.safetensors")
    checkpoint = input_file("checkpoint", "checkpoint", "weights", tmp_path / "weights.safetensors")
    losses = {}
    for name, told in (("now", {"jpeg": True}), ("before", {})):
        spec = {"model": SPEC["model"], "mode": "open_loop", "threads": 1, **told}
        done = run_open_loop(FakeContext(tmp_path / name, spec, [*index_files, checkpoint]))
        assert isinstance(done, Finished)
        losses[name] = done.result.row()["action_loss"]
    assert losses["now"] == pytest.approx(expected, rel=1e-6)
    assert losses["before"] != pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("part", ["lm_head", "final norm", "projector"])
def test_a_model_whose_numbers_are_not_finite_has_no_figures(tmp_path: Path, part: str) -> None:
    files = write_training_index(tmp_path, frames=3)
    index_files = [input_file("index", "index", name, path) for name, path in files.items()]
    model = ReconVLA(RECIPE.config, 3).eval()
    weight = {
        "lm_head": model.language_model.lm_head.weight,
        "final norm": model.language_model.model.norm.weight,
        "projector": model.projector[0].weight,
    }[part]
    with torch.no_grad():
        weight[3] = float("inf")
    index = load_index(index_files, RECIPE.config.vision.image_size)
    with pytest.raises(NotFinite, match=r"in fp32 \(logits of row 1"):
        open_loop_error(model, RECIPE, index, range(len(index)))
    with pytest.raises(NotFinite, match=r"in fp32 \(action loss of held-out row 0\)"):
        action_losses(model, RECIPE, index, range(len(index)))
