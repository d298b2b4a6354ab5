"""Every arm of the paper's table trains, is measured on recorded frames, and shows where it looks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open

from experiments.reconvla.arms import built_in_method
from tasks.evaluate.open_loop import run_open_loop
from tasks.probes import attention, reconstruct
from tasks.registry import ATTENTION, EVALUATE, RECONSTRUCT
from tasks.train import run as train
from tests.tasks.fake_context import FakeContext, input_file
from tests.training import training_spec, write_training_index


@pytest.mark.parametrize("arm", ["explicit_grounding", "cot_grounding", "whole_image_recon"])
def test_from_index_to_figures(arm: str, tmp_path: Path) -> None:
    files = write_training_index(tmp_path)
    index = [input_file("index", "index", name, path) for name, path in files.items()]
    spec = training_spec(2, arm=arm)
    training = FakeContext(tmp_path / "train", spec, index)
    finished = train.run(training)
    assert ("reconstruction" in {p.name.removeprefix("loss/") for p in finished.points}) == (
        built_in_method(arm).reconstruction != "none"
    )
    (draft,) = finished.artifacts
    inputs = [*index, training.keep(draft, 2, role="checkpoint")]
    judging = {
        "model": spec["model"],
        "threads": 1,
        "mode": "open_loop",
        "attention": {"frames": 0, "layer": -1, "heads": []},
    }
    figures = run_open_loop(FakeContext(tmp_path / "open", judging, inputs, kind=EVALUATE)).result.row()
    assert figures["frames"] == 8
    assert 0 <= figures["mean_absolute_error"] <= 2
    looked = attention.run(FakeContext(tmp_path / "look", judging, inputs, kind=ATTENTION)).result.row()
    assert looked["frames"] == 6
    if built_in_method(arm).reconstruction != "none":
        shown = FakeContext(tmp_path / "show", {**judging, "seed": 0}, inputs, kind=RECONSTRUCT)
        made = reconstruct.run(shown)
        assert made.result.frames == 8
        with safe_open(made.artifacts[0].file, framework="numpy") as tensors:
            assert tensors.get_tensor("sampled").shape == (8, 96, 96, 3)
            assert tensors.get_tensor("input").dtype == np.uint8
