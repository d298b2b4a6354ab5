"""Low-rank adapters: what trains, what a checkpoint holds, and what the merged model is."""

import dataclasses

import pytest
import torch

pytest.importorskip("peft", reason="needs the extra `lora`")

from errors import CheckpointError
from models.adapters import add_adapters, has_adapters, load_trained, merged_weights, trained_weights
from models.batches import Batch, Sample, collate, draw_noise
from models.checkpoint import model_of, weights_of
from models.reconvla import ReconVLA

RANK, ALPHA, SEED = 4, 8, 11


@pytest.fixture(params=[False, True], ids=["lora", "qlora"])
def four_bit(request: pytest.FixtureRequest) -> bool:
    if request.param:
        pytest.importorskip("bitsandbytes", reason="needs the extra `qlora`")
    return request.param


def adapted(model: ReconVLA, four_bit: bool) -> ReconVLA:
    # NF4 packs blocks of 64 numbers, so widths are multiples of 64.
    language = dataclasses.replace(model.config.language, hidden=64, mlp_width=128)
    fresh = ReconVLA(dataclasses.replace(model.config, language=language), seed=3)
    add_adapters(fresh, RANK, ALPHA, SEED, four_bit=four_bit)
    return fresh


@pytest.fixture
def batch(model: ReconVLA, samples: list[Sample]) -> Batch:
    return collate(samples[:4], model.config, 0)


def draws(model: ReconVLA, batch: Batch, step: int):
    return draw_noise(model.config, len(batch), torch.Generator().manual_seed(step))


def train(model: ReconVLA, batch: Batch, steps: range, optimizer=None):
    optimizer = optimizer or torch.optim.AdamW(model.trained_parameters(), lr=1e-2, foreach=False)
    for step in steps:
        optimizer.zero_grad()
        model(batch, draws(model, batch, step)).total.backward()
        optimizer.step()
    return optimizer


def test_only_adapters_projector_and_denoiser_train(model: ReconVLA, four_bit: bool, batch: Batch) -> None:
    both = adapted(model, four_bit)
    names = trained_weights(both)
    assert has_adapters(both) and not has_adapters(model)
    language = [name for name in names if name.startswith("language_model.")]
    assert language and all("lora_" in name for name in language)
    assert {name.split(".")[0] for name in names} == {
        "language_model",
        "projector",
        "denoiser",
        "vision_tower",
    }
    before = {name: tensor.clone() for name, tensor in both.state_dict().items()}
    train(both, batch, range(3))
    changed = {name for name, t in both.state_dict().items() if not torch.equal(t, before[name])}
    assert changed <= set(names)
    assert changed & set(language)


def test_a_fresh_adapter_changes_nothing(model: ReconVLA, batch: Batch) -> None:
    plain = ReconVLA(model.config, seed=3)
    before = plain(batch, draws(plain, batch, 0)).total
    add_adapters(plain, RANK, ALPHA, SEED)
    assert torch.equal(plain(batch, draws(plain, batch, 0)).total, before)


def test_a_checkpoint_on_the_way_is_all_it_takes(model: ReconVLA, four_bit: bool, batch: Batch) -> None:
    first = adapted(model, four_bit)
    train(first, batch, range(2))
    saved = {name: tensor.detach().clone() for name, tensor in trained_weights(first).items()}
    second = adapted(model, four_bit)
    load_trained(second, saved, "memory")
    losses = [m(batch, draws(m, batch, 5)).total for m in (first, second)]
    assert torch.equal(*losses)
    saved.popitem()
    with pytest.raises(CheckpointError, match="1 tensors are missing"):
        load_trained(second, saved, "memory")


def test_the_merged_model_answers_like_the_adapted_one(model: ReconVLA, four_bit: bool, batch: Batch) -> None:
    both = adapted(model, four_bit)
    train(both, batch, range(3))
    tensors = {name: tensor.clone() for name, tensor in merged_weights(both).items()}
    merged = model_of(ReconVLA, both.config, tensors, "merged")
    assert set(weights_of(merged)) == set(weights_of(ReconVLA(both.config, 0)))
    with torch.no_grad():
        losses = [float(m(batch, draws(m, batch, 5)).total) for m in (both, merged)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)
    with pytest.raises(CheckpointError, match="no adapters"):
        merged_weights(merged)


def test_frozen_weights_take_half_the_room(model: ReconVLA, batch: Batch) -> None:
    half = ReconVLA(model.config, seed=3)
    add_adapters(half, RANK, ALPHA, SEED, compute_dtype=torch.bfloat16)
    block = half.language_model.model.layers[0].mlp.gate_proj
    assert block.base_layer.weight.dtype == torch.bfloat16
    assert block.lora_A["default"].weight.dtype == torch.float32
    with torch.autocast("cpu", torch.bfloat16):
        loss = half(batch, draws(half, batch, 0)).total
    merged = merged_weights(half)
    assert merged["language_model.model.layers.0.mlp.gate_proj.weight"].dtype == torch.bfloat16
    assert merged["projector.0.weight"].dtype == torch.float32
    assert model_of(ReconVLA, half.config, merged, "merged", torch.float32).config == half.config
    loss.backward()
    assert torch.isfinite(block.lora_B["default"].weight.grad).all()
