"""Costs from shapes: counts that the official code reports, and counts made by torch itself."""

import dataclasses
import subprocess
import sys

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from models.batches import Sample, collate, draw_noise
from models.config import ReconVLAConfig
from models.costs import METHODS, Method, count_parameters, training_costs, training_flops
from models.reconvla import ReconVLA
from models.sizes import SEVEN_B, SMALL
from tests.support import REPOSITORY


def test_parameters_of_7b() -> None:
    pytest.importorskip("diffusers", reason="needs the extra `vae`")
    counts = count_parameters(SEVEN_B)
    assert counts["projector"] == 16_980_992
    assert counts["denoiser"] == 63_884_352
    assert counts["language_model"] == pytest.approx(7.62e9, rel=0.01)  # Qwen2-7B's model card
    assert counts["vision_tower"] == pytest.approx(428e6, rel=0.01)


def test_what_it_takes_is_computed_without_a_word_of_libraries() -> None:
    pytest.importorskip("diffusers", reason="needs the extra `vae`")
    asked = "from models import costs, sizes; costs.training_costs(sizes.SEVEN_B, costs.METHODS[0])"
    done = subprocess.run([sys.executable, "-c", asked], cwd=REPOSITORY, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_operations_are_those_that_torch_counts(config: ReconVLAConfig, samples: list[Sample]) -> None:
    model = ReconVLA(config, 0)
    batch = collate(samples[:1], config, 0)
    draws = draw_noise(config, 1, torch.Generator().manual_seed(0))
    with FlopCounterMode(display=False) as counter:
        model(batch, draws).total.backward()
    computed = training_flops(config, full=True, checkpointing=False, positions=batch.input_ids.shape[1])
    assert computed == pytest.approx(counter.get_total_flops(), rel=0.2)


def test_memory_orders_the_methods() -> None:
    pytest.importorskip("diffusers", reason="needs the extra `vae`")
    full, lora, qlora = (training_costs(SEVEN_B, method) for method in METHODS)
    assert full.total > 100 > 24 > lora.total > 16 > qlora.total
    assert full.trained_parameters > 7e9 > 2e8 > lora.trained_parameters == qlora.trained_parameters
    assert training_costs(SMALL, METHODS[0]).total < 16


def test_checkpointing_trades_operations_for_memory() -> None:
    config = dataclasses.replace(SMALL, denoiser=None)
    method = Method("plain", full=True, half=True, checkpointing=False)
    plain, less = (
        training_costs(config, dataclasses.replace(method, checkpointing=c)) for c in (False, True)
    )
    assert less.activations < plain.activations / 4
    assert plain.flops_per_sample < less.flops_per_sample < 1.4 * plain.flops_per_sample
