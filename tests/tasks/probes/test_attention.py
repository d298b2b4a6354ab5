"""Attention of a real toy model on made-up frames, through the job's body."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from safetensors import safe_open

from errors import InvalidInput, NotFinite
from models.checkpoint import weights_of
from models.recipe import recipe_of
from models.reconvla import ReconVLA
from models.weights import write_weights
from tasks.context import Finished, InputFile, Yielded
from tasks.data.index_reader import ITEMS, Index, load_index
from tasks.probes import attention
from tasks.probes.attention import chosen_rows
from tasks.probes.attention_scores import (
    PANELS,
    AttentionScores,
    Region,
    figures_of,
    grouped_interval,
    region_of,
)
from tests.tasks.fake_context import FakeContext, input_file
from tests.training import model_spec, training_spec, write_training_index

SETTINGS = {"frames": 0, "layer": -1, "heads": []}


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> list[InputFile]:
    """An index of 8 frames, of which every third has no region, and fresh weights."""
    folder = tmp_path_factory.mktemp("inputs")
    files = write_training_index(folder)
    recipe = recipe_of(model_spec(training_spec(1)))
    write_weights(weights_of(ReconVLA(recipe.config, 0)), folder / "weights.safetensors")
    return [
        *(input_file("index", "index", name, path) for name, path in files.items()),
        input_file("checkpoint", "checkpoint", "weights", folder / "weights.safetensors"),
    ]


def look(tmp_path, inputs, **settings):
    spec = {"model": training_spec(1)["model"], "threads": 1, "attention": {**SETTINGS, **settings}}
    context = FakeContext(tmp_path, spec, inputs)
    return context, attention.run(context)


def test_figures_are_shares_with_their_baseline(tmp_path, inputs):
    context, done = look(tmp_path, inputs)
    assert isinstance(done, Finished)
    result = done.result.row()
    assert result["frames"] == 6 and result["true_boxes"] == 0
    for name in ("mass_in_gaze", "pointing_accuracy", "static_share", "centre_mass_in_gaze"):
        assert 0 <= result[name] <= 1, name
    assert 0 < result["entropy_bits"] <= np.log2(8 * 8)
    assert result["mass_in_gaze_ci95"] is None, "one demonstration shows no spread"
    assert 0 < result["centre_entropy_bits"] < np.log2(8 * 8), "a Gaussian is not flat"
    assert result["pointing_over_centre_ci95"] is None and result["layers"] == 3
    (within,) = zip(*result["by_demonstration"].values(), strict=True)
    of_one = dict(zip(result["by_demonstration"], within, strict=True))
    assert of_one["frames"] == 6 and of_one["mass_in_gaze"] == pytest.approx(result["mass_in_gaze"])
    assert {point.name for point in done.points} >= {"attention/mass_in_gaze", "attention/entropy_bits"}
    assert json.loads(json.dumps(result)) == result
    with safe_open(done.artifacts[0].file, framework="numpy") as tensors:
        assert tensors.get_tensor("mass_in_gaze").mean() == pytest.approx(result["mass_in_gaze"])
        assert len(tensors.get_tensor("rows")) == 6
        assert len(tensors.get_tensor("maps")) == len(tensors.get_tensor("images")) == PANELS
        assert len(json.loads(tensors.metadata()["captions"])) == PANELS
    assert context.progress[-1] == 6


def test_an_untrained_model_looks_everywhere_alike(tmp_path, inputs):
    """Fresh weights attend almost uniformly, so the mass is about the region's share of the picture."""
    _, done = look(tmp_path, inputs)
    box = 40 * 40 / (200 * 200) * 173 / 334
    assert done.result.row()["mass_in_gaze"] == pytest.approx(box, rel=0.3)


def test_fewer_frames_another_layer_one_head(tmp_path, inputs):
    _, last = look(tmp_path, inputs, frames=2)
    _, first = look(tmp_path, inputs, frames=2, layer=0, heads=[1])
    assert last.result.row()["frames"] == first.result.row()["frames"] == 2
    assert first.result.row()["layer"] == 0 and first.result.row()["heads"] == [1]
    assert first.result.row()["mass_in_gaze"] != last.result.row()["mass_in_gaze"]


def test_a_layer_there_is_not(tmp_path, inputs):
    with pytest.raises(InvalidInput, match="layer 9"):
        look(tmp_path, inputs, layer=9)


def test_a_stop_is_obeyed(tmp_path, inputs):
    spec = {"model": training_spec(1)["model"], "threads": 1, "attention": SETTINGS}
    stopped = attention.run(FakeContext(tmp_path, spec, inputs, checks=0, reason="preempted"))
    assert stopped == Yielded("preempted")


def test_the_true_box_counts_more_than_the_detectors():
    item = {"gaze": {"box": [1, 2, 3, 4]}}
    assert region_of(item) == Region((1, 2, 3, 4), true=False)
    assert region_of({**item, "true_box": [5, 6, 7, 8]}) == Region((5, 6, 7, 8), true=True)
    assert region_of({**item, "true_box": None}) is None, "the target is hidden, whatever was detected"
    assert region_of({"gaze": {"box": None}}) is None


def test_without_any_region_nothing_is_measured(tmp_path, inputs):
    items = json.loads(next(file.path for file in inputs if file.name == ITEMS).read_text())
    for item in items:
        item["true_box"] = None
    hidden = tmp_path / "index.json"
    hidden.write_text(json.dumps(items))
    others = [file for file in inputs if file.name != ITEMS]
    _, done = look(tmp_path / "run", [input_file("index", "index", ITEMS, hidden), *others])
    assert done.result.row()["frames"] == 0 and done.result.row()["mass_in_gaze"] is None
    assert done.artifacts == ()


def test_rows_are_spread_and_have_a_region(inputs):
    index: Index = load_index(inputs, 96)
    assert chosen_rows(index, 0) == chosen_rows(index, 100) == [0, 1, 3, 4, 6, 7]
    assert chosen_rows(index, 2) == [0, 7]


def test_differences_to_the_prior_are_paired():
    """Where attention beats the prior by the same in every frame, nothing is uncertain about that."""
    looks = AttentionScores(rows=list(range(6)), demonstrations=[0, 0, 1, 1, 2, 2])
    for name, column in looks.figures.items():
        column.extend([0.25, 0.5, 0.75, 0.25, 0.5, 0.25] if name.endswith("accuracy") else [0.5] * 6)
    looks.figures["pointing_accuracy"] = [value + 0.125 for value in looks.figures["pointing_accuracy"]]
    result = figures_of(looks)
    assert result["pointing_over_centre_ci95"] == pytest.approx([0.125, 0.125])
    assert result["mass_over_centre_ci95"] == pytest.approx([0.0, 0.0])
    low, high = result["pointing_accuracy_ci95"]
    assert low < result["pointing_accuracy"] < high
    assert result["by_demonstration"]["frames"] == [2, 2, 2]
    assert result["by_demonstration"]["pointing_accuracy"] == [0.5, 0.625, 0.5]


def test_intervals_draw_whole_demonstrations():
    """Frames of a demonstration are copies: more of them must not narrow the interval."""
    means = np.random.default_rng(0).normal(0.3, 0.1, 12)
    once = grouped_interval(means, np.arange(12))
    often = grouped_interval(np.repeat(means, 50), np.repeat(np.arange(12), 50))
    assert once == pytest.approx(often)
    low, high = once
    assert low < means.mean() < high
    assert high - low == pytest.approx(2 * 1.96 * means.std() / np.sqrt(12), rel=0.2)


def damaged(tmp_path, inputs, change):
    """The inputs with other weights."""
    model = ReconVLA(recipe_of(model_spec(training_spec(1))).config, 0)
    with torch.no_grad():
        change(model)
    write_weights(weights_of(model), tmp_path / "weights.safetensors")
    checkpoint = input_file("checkpoint", "checkpoint", "weights", tmp_path / "weights.safetensors")
    return [*inputs[:-1], checkpoint]


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_numbers_that_are_not_finite_give_no_figure(tmp_path, inputs, value):
    def change(model):
        model.language_model.model.layers[1].self_attn.v_proj.weight[0] = value

    with pytest.raises(NotFinite, match="not finite in fp32"):
        look(tmp_path, damaged(tmp_path, inputs, change))


def test_a_picture_that_gets_no_attention_has_no_shares(tmp_path, inputs, monkeypatch):
    monkeypatch.setattr(
        "tasks.probes.attention_scores.action_attention",
        lambda model, images, *_: np.zeros((len(images), 35, 8, 8)),
    )
    with pytest.raises(NotFinite, match="pays the picture of held-out row 0 no attention at all in layer -1"):
        look(tmp_path, inputs)
