"""Reconstructions of a real toy model on made-up frames, through the job's body."""

from __future__ import annotations

from pathlib import Path

import pytest
from safetensors.numpy import load_file

from models.checkpoint import weights_of
from models.recipe import recipe_of
from models.reconstruction import peak_signal_to_noise
from models.reconvla import ReconVLA
from models.weights import write_weights
from tasks.context import Finished
from tasks.probes import reconstruct
from tasks.registry import RECONSTRUCT
from tests.tasks.fake_context import FakeContext, input_file
from tests.training import model_spec, training_spec, write_training_index


def test_what_is_kept_is_what_was_made(tmp_path: Path) -> None:
    """The pictures of the file give the figures of the result."""
    files = write_training_index(tmp_path)
    recipe = recipe_of(model_spec(training_spec(1)))
    write_weights(weights_of(ReconVLA(recipe.config, 0)), tmp_path / "weights.safetensors")
    inputs = [
        *(input_file("index", "index", name, path) for name, path in files.items()),
        input_file("checkpoint", "checkpoint", "weights", tmp_path / "weights.safetensors"),
    ]
    spec = {"model": training_spec(1)["model"], "threads": 1, "seed": 0}

    done = reconstruct.run(FakeContext(tmp_path, spec, inputs, kind=RECONSTRUCT))

    assert isinstance(done, Finished)
    kept = load_file(done.artifacts[0].file)
    assert len(kept["truth"]) == done.result.row()["frames"] == len(kept["rows"]) > 0
    assert peak_signal_to_noise(kept["sampled"], kept["truth"]) == pytest.approx(done.result.row()["psnr_db"])
    assert peak_signal_to_noise(kept["encoded"], kept["truth"]) == pytest.approx(
        done.result.row()["psnr_encoded_db"]
    )
