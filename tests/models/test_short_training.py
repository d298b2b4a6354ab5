"""Losses in few operations are those of the model's own modules, and so are their derivatives."""

import copy
import dataclasses

import pytest
import torch
from torch import Tensor

from errors import InvalidInput
from models.adapters import add_adapters
from models.batches import Batch, Sample, collate, draw_noise
from models.config import ReconVLAConfig
from models.part_configs import SLIDING
from models.prompt import CROP_PLACEHOLDER, IGNORED_LABEL, IMAGE_PLACEHOLDER
from models.reconvla import Losses, ReconVLA
from models.short_functions import Block, Heads, attended, folded, gated, normed
from models.short_training import is_short, short_losses


def moved(model: ReconVLA) -> ReconVLA:
    """With gates that are open, and norms and biases that do something."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in model.trained_parameters():
            parameter.add_(torch.empty_like(parameter).normal_(std=0.1, generator=generator))
    return model


def check_same(model: ReconVLA, batch: Batch) -> Losses:
    draws = draw_noise(model.config, len(batch), torch.Generator().manual_seed(1))
    found = []
    for losses in (short_losses(model, batch, draws), model(batch, draws)):
        model.zero_grad()
        losses.total.backward()
        gradients = {n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None}
        found.append((losses, gradients))
    (short, of_short), (plain, of_plain) = found
    torch.testing.assert_close(short.action, plain.action, rtol=1e-5, atol=0)
    assert (short.reconstruction is None) == (plain.reconstruction is None)
    torch.testing.assert_close(short.total, plain.total, rtol=1e-5, atol=0)
    assert of_short.keys() == of_plain.keys()
    whole = torch.stack([gradient.norm() for gradient in of_plain.values()]).norm()
    for name, gradient in of_plain.items():
        assert (of_short[name] - gradient).norm() <= 1e-4 * gradient.norm() + 1e-6 * whole, name
    return short


def test_the_losses_and_gradients_of_the_model_itself(model: ReconVLA, samples: list[Sample]) -> None:
    batch = collate(samples, model.config, 0)
    assert not bool(batch.attention_mask.all())
    assert is_short(moved(model))
    assert check_same(model, batch).reconstruction is not None


@pytest.mark.parametrize("repeats", [1, 3])
def test_weighted_targets_rows_without_an_image_and_deeper_parts(
    config: ReconVLAConfig, samples: list[Sample], repeats: int
) -> None:
    assert config.denoiser is not None
    deeper = dataclasses.replace(
        config,
        vision=dataclasses.replace(config.vision, layers=3, frozen=repeats == 1),
        language=dataclasses.replace(config.language, layers=repeats),
        denoiser=dataclasses.replace(config.denoiser, depth=2, repeats=repeats),
    )
    kept = samples[3].input_ids != IMAGE_PLACEHOLDER
    told = dataclasses.replace(
        samples[3], input_ids=samples[3].input_ids[kept], labels=samples[3].labels[kept], target=None
    )
    weighed = dataclasses.replace(samples[1], target_weight=0.25)
    for compat in (False, True):
        model = moved(ReconVLA(dataclasses.replace(deeper, official_compat=compat), seed=1))
        check_same(model, collate([weighed, told, samples[0]], model.config, 0))


def test_an_arm_that_reconstructs_nothing_and_one_that_is_shown_the_region(
    config: ReconVLAConfig, samples: list[Sample]
) -> None:
    plain = dataclasses.replace(config.without_reconstruction(), grounding="crop")
    shown = []
    for sample in samples[:2]:
        place = int((sample.input_ids == IMAGE_PLACEHOLDER).argmax()) + 1
        ids, labels = sample.input_ids.tolist(), sample.labels.tolist()
        ids.insert(place, CROP_PLACEHOLDER)
        labels.insert(place, IGNORED_LABEL)
        kind = sample.input_ids.dtype.type
        arrays = {"input_ids": kind(ids), "labels": kind(labels)}
        shown.append(dataclasses.replace(sample, crop=sample.target, target=None, **arrays))
    model = moved(ReconVLA(plain, seed=1))
    check_same(model, collate([*shown, samples[2]], plain, 0))
    check_same(model, collate(samples[:1], plain, 0))


def test_other_activations_and_queries_without_a_bias(config: ReconVLAConfig, samples: list[Sample]) -> None:
    language = dataclasses.replace(config.language, hidden_act="gelu", kv_heads=config.language.heads)
    model = moved(ReconVLA(dataclasses.replace(config, language=language), seed=1))
    for block in model.language_model.model.layers:
        for layer in (block.self_attn.q_proj, block.self_attn.k_proj, block.self_attn.v_proj):
            layer.bias = None
    check_same(model, collate(samples[:3], model.config, 0))


def test_other_models_are_left_to_their_modules(model: ReconVLA, config: ReconVLAConfig) -> None:
    others = [
        copy.deepcopy(model).bfloat16(),
        copy.deepcopy(model),
        copy.deepcopy(model),
        copy.deepcopy(model),
    ]
    add_adapters(others[1], 4, 8, 0)
    others[2].recompute_activations()
    others[3].projector.half()
    kinds = dataclasses.replace(
        config.language, sliding_window=8, layer_kinds=(SLIDING,) * config.language.layers
    )
    longer = dataclasses.replace(config.language, max_positions=513)
    others += [ReconVLA(dataclasses.replace(config, language=language)) for language in (kinds, longer)]
    assert not any(map(is_short, others))


def test_what_the_model_refuses_is_refused(model: ReconVLA, samples: list[Sample]) -> None:
    batch = collate(samples, model.config, 0)
    with pytest.raises(InvalidInput, match="draw_noise"):
        short_losses(model, batch, None)
    draws = draw_noise(model.config, len(batch), torch.Generator())
    fewer = batch.input_ids.clone()
    fewer[0, int((fewer[0] == IMAGE_PLACEHOLDER).nonzero()[0])] = 5
    with pytest.raises(InvalidInput, match="positions"):
        short_losses(model, dataclasses.replace(batch, input_ids=fewer), draws)
    with pytest.raises(InvalidInput, match="images must be"):
        short_losses(model, dataclasses.replace(batch, images=batch.images[:, :, :8]), draws)


@pytest.mark.parametrize("apart", [False, True])
def test_the_derivatives_of_attention(apart: bool) -> None:
    generator = torch.Generator().manual_seed(0)

    def drawn(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator, dtype=torch.float64).requires_grad_()

    rows, queries, keys, width, length = 2, 4, 2, 2, 5
    turn = torch.polar(torch.ones(1, length, 1, 1).double(), drawn(1, length, 1, 1).detach())
    places = torch.tensor([[0, 2, 3], [1, 2, 3]]) if apart else torch.arange(length)[None]
    blocks = []
    for first, last in ((0, 1), (1, places.shape[1])):
        seen = int(places[:, first:last].max()) + 1
        hidden = torch.arange(seen) > places[:, first:last, None]
        blocks.append(Block(first, last, seen, torch.zeros(hidden.shape).masked_fill(hidden, -torch.inf)))
    heads = Heads(rows, queries, keys, blocks, 0.7, turn, turn[0][places] if apart else turn)
    joined = drawn(rows * length, (2 * keys + queries * (not apart)) * width)
    asked = drawn(rows * places.shape[1], queries * width) if apart else None
    assert torch.autograd.gradcheck(lambda *given: attended(*given, heads), (asked, joined))


def test_the_derivatives_of_norms_gates_and_joined_weights() -> None:
    generator = torch.Generator().manual_seed(0)

    def drawn(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator, dtype=torch.float64).requires_grad_()

    def both(states: Tensor) -> Tensor:
        made, same = normed(states, torch.tensor(0.5, dtype=torch.float64))
        return made * 2 + same.sin()

    check = torch.autograd.gradcheck
    assert check(both, (drawn(3, 4),))
    assert check(lambda states: normed(states, torch.tensor(0.5, dtype=torch.float64))[1], (drawn(3, 4),))
    assert check(gated, (drawn(3, 8),))
    weights = drawn(8, 3), drawn(4, 3), drawn(2, 3)
    assert check(lambda gain, *given: folded(gain, given, turned=12, width=4), (drawn(3), *weights))
    assert folded(torch.ones(3), weights).equal(torch.cat(weights))
