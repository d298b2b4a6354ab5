"""The model at toy size: determinism, losses, what is trained."""

import dataclasses

import pytest
import torch

from errors import InvalidInput
from models.batches import Batch, Sample, collate, draw_noise
from models.config import ReconVLAConfig
from models.reconvla import ReconVLA, smooth_features


def train(model: ReconVLA, samples: list[Sample], steps: int, rate: float = 1e-3) -> list[float]:
    optimizer = torch.optim.AdamW(model.trained_parameters(), lr=rate)
    totals = []
    for step in range(steps):
        batch = collate(samples, model.config, 0)
        losses = model(batch, draw_noise(model.config, len(batch), torch.Generator().manual_seed(step)))
        optimizer.zero_grad()
        losses.total.backward()
        optimizer.step()
        totals.append(losses.action.item())
    return totals


def same_bytes(a: ReconVLA, b: ReconVLA) -> bool:
    pairs = zip(a.state_dict().values(), b.state_dict().values(), strict=True)
    return all(torch.equal(x.view(torch.uint8), y.view(torch.uint8)) for x, y in pairs if x.dim() > 0)


def test_same_seed_same_bytes_before_and_after_training(
    config: ReconVLAConfig, samples: list[Sample]
) -> None:
    torch.manual_seed(11)
    first = ReconVLA(config, seed=7)
    torch.manual_seed(12)
    again = ReconVLA(config, seed=7)
    assert same_bytes(first, again)
    assert not same_bytes(first, ReconVLA(config, seed=8))
    assert train(first, samples, 3) == train(again, samples, 3)
    assert same_bytes(first, again)


def test_the_global_generator_is_left_alone(config: ReconVLAConfig, samples: list[Sample]) -> None:
    torch.manual_seed(4)
    before = torch.get_rng_state()
    model = ReconVLA(config, seed=0)
    train(model, samples, 1)
    assert torch.equal(torch.get_rng_state(), before)


def test_arms_of_one_seed_start_alike(config: ReconVLAConfig) -> None:
    baseline = ReconVLA(config.without_reconstruction(), seed=1).state_dict()
    full = ReconVLA(config, seed=1).state_dict()
    assert set(baseline) < set(full)
    assert all(torch.equal(baseline[name], full[name]) for name in baseline)


def test_overfits_a_few_samples(model: ReconVLA, samples: list[Sample]) -> None:
    losses = train(model, samples, 120, rate=5e-3)
    assert losses[0] > 4.5
    assert losses[-1] < 0.5


def batch_and_losses(model: ReconVLA, samples: list[Sample]):
    batch = collate(samples, model.config, 0)
    draws = draw_noise(model.config, len(batch), torch.Generator().manual_seed(0))
    return batch, draws, model(batch, draws)


def test_total_is_the_weighted_sum(config: ReconVLAConfig, samples: list[Sample]) -> None:
    heavy = dataclasses.replace(config, denoiser=dataclasses.replace(config.denoiser, loss_weight=2.5))
    *_, losses = batch_and_losses(ReconVLA(heavy, 0), samples)
    assert losses.total.item() == pytest.approx(losses.action.item() + 2.5 * losses.reconstruction.item())


def test_only_trusted_targets_are_reconstructed(model: ReconVLA, samples: list[Sample]) -> None:
    batch, draws, losses = batch_and_losses(model, samples)
    with torch.no_grad():
        hidden = model.hidden_states(batch.input_ids, batch.attention_mask, batch.images)
        each = model.reconstruction_losses(hidden, batch.input_ids, batch.targets, draws)
    assert losses.reconstruction.item() == pytest.approx(each[:5].mean().item(), rel=1e-6)
    repainted = dataclasses.replace(batch, targets=batch.targets.clone())
    repainted.targets[5] = 1.0
    assert torch.equal(model(repainted, draws).reconstruction, losses.reconstruction)


def test_no_reconstruction_without_denoiser_or_target(config: ReconVLAConfig, model, samples) -> None:
    baseline = ReconVLA(config.without_reconstruction(), 0)
    batch = collate(samples, config, 0)
    losses = baseline(batch, None)
    assert losses.reconstruction is None
    assert torch.equal(losses.total, losses.action)
    *_, losses = batch_and_losses(model, samples[5:])
    assert losses.reconstruction is None


def test_reconstruction_teaches_the_language_model_and_the_eyes(
    model: ReconVLA, samples: list[Sample]
) -> None:
    batch, draws, _ = batch_and_losses(model, samples)
    torch.nn.init.normal_(model.denoiser.final_layer.linear.weight, std=0.1)
    torch.nn.init.normal_(model.denoiser.final_layer.adaLN_modulation[1].weight, std=0.1)
    model(batch, draws).reconstruction.backward()
    for module in (
        model.language_model.model.layers[0],
        model.projector,
        model.vision_tower.encoder.layers[0],
    ):
        assert sum(p.grad.abs().sum() for p in module.parameters()) > 0


def test_a_frozen_tower_stays(config: ReconVLAConfig, samples: list[Sample]) -> None:
    frozen = dataclasses.replace(config, vision=dataclasses.replace(config.vision, frozen=True))
    model = ReconVLA(frozen, 0)
    before = {name: tensor.clone() for name, tensor in model.vision_tower.state_dict().items()}
    projector = model.projector[0].weight.clone()
    train(model, samples, 2)
    assert all(torch.equal(before[name], tensor) for name, tensor in model.vision_tower.state_dict().items())
    assert not torch.equal(projector, model.projector[0].weight)


def test_every_trained_parameter_is_reached(model: ReconVLA, samples: list[Sample]) -> None:
    train(model, samples, 2)  # the denoiser's gates open in the first step
    *_, losses = batch_and_losses(model, samples)
    model.zero_grad()
    losses.total.backward()
    assert [name for name, p in model.named_parameters() if p.requires_grad and p.grad is None] == []


def test_padding_changes_nothing(model: ReconVLA, samples: list[Sample]) -> None:
    short = min(samples, key=lambda sample: len(sample.input_ids))
    alone, together = collate([short], model.config, 0), collate([short, *samples], model.config, 0)
    length = alone.input_ids.shape[1]
    assert together.input_ids.shape[1] > length
    with torch.no_grad():
        a = model.hidden_states(alone.input_ids, alone.attention_mask, alone.images)
        b = model.hidden_states(together.input_ids, together.attention_mask, together.images)
    torch.testing.assert_close(a[0], b[0, :length], atol=1e-5, rtol=1e-5)


def test_bad_batches(model: ReconVLA, samples: list[Sample]) -> None:
    batch = collate(samples, model.config, 0)
    small = Batch(**{**batch.__dict__, "images": batch.images[..., 1:]})
    with pytest.raises(InvalidInput, match=r"images must be"):
        model(small, None)
    unexpanded = Batch(
        **{**batch.__dict__, "input_ids": batch.input_ids.masked_fill(batch.input_ids == -200, 5)}
    )
    unexpanded.input_ids[:, 3] = -200
    with pytest.raises(InvalidInput, match="needs 16 positions"):
        model(unexpanded, None)
    with pytest.raises(InvalidInput, match="draw_noise"):
        model(batch, None)


def test_smooth_features_keep_neighbours_close() -> None:
    values = torch.linspace(-1, 1, 201)
    features = smooth_features(values, 512, std=0.02)
    similarity = torch.nn.functional.cosine_similarity(features[100:101], features)
    assert similarity[101] > 0.98
    assert similarity[150] < 0.3
    assert features.std().item() == pytest.approx(0.02, rel=0.1)
