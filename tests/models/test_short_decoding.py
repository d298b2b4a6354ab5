"""Decoding in few operations gives the tokens of plain decoding, or none."""

import copy
import dataclasses

import numpy as np
import pytest
import torch
from torch import nn

from models import generation, short_decoding
from models.adapters import add_adapters
from models.batches import Batch, Sample
from models.config import ReconVLAConfig
from models.generation import greedy_tokens, plain_tokens, prompt_batch
from models.generation_rules import GenerationRules
from models.part_configs import SLIDING
from models.prompt import PromptBuilder
from models.reconvla import ReconVLA
from models.short_decoding import few_operations, short_tokens
from tests.models.conftest import INSTRUCTIONS


@pytest.fixture
def batch(model: ReconVLA, samples: list[Sample], prompts: PromptBuilder) -> Batch:
    """Prompts of three lengths, and more padding than any of them needs."""
    texts = [prompts.prompt(text, np.full(15, place)) for place, text in enumerate(INSTRUCTIONS)]
    assert len({len(text) for text in texts}) > 1
    return prompt_batch(model, [sample.image for sample in samples[:3]], texts, length=96)


def spread(model: ReconVLA) -> ReconVLA:
    """With weights that say many different tokens, each well ahead."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in model.language_model.model.layers.parameters():
            parameter.add_(torch.empty_like(parameter).normal_(std=0.15, generator=generator))
        head = model.language_model.lm_head
        head.weight = nn.Parameter(torch.empty_like(head.weight).normal_(generator=generator))
    return model.eval()


def test_the_tokens_of_plain_decoding(model: ReconVLA, batch: Batch) -> None:
    spread(model)
    with torch.inference_mode():
        for rows in (slice(0, 3), slice(1, 2)):
            some = batch._each(lambda tensor, rows=rows: tensor[rows])
            for allowed in (None, range(100, 200)):
                tokens = short_tokens(model, some, 20, allowed)
                assert tokens is not None
                assert tokens.tolist() == plain_tokens(model, some, 20, allowed).tolist()
                assert len(set(tokens.reshape(-1).tolist())) > 5


def test_logits_are_those_of_plain_decoding(model: ReconVLA, batch: Batch, monkeypatch) -> None:
    spread(model)
    seen: list[torch.Tensor] = []
    ahead, head = short_decoding._ahead, model.language_model.lm_head
    monkeypatch.setattr(
        short_decoding, "_ahead", lambda logits, allowed: seen.append(logits) or ahead(logits, allowed)
    )
    with torch.inference_mode():
        short_tokens(model, batch, 12)
        plain: list[torch.Tensor] = []
        head.register_forward_hook(lambda module, inputs, logits: plain.append(logits))
        plain_tokens(model, batch, 12)
    for short, whole in zip(seen, plain, strict=True):
        torch.testing.assert_close(short, whole, rtol=0, atol=1e-5 * float(whole.abs().max()))


def test_tokens_that_are_hardly_ahead_are_left_to_plain_decoding(
    model: ReconVLA, batch: Batch, monkeypatch
) -> None:
    spread(model)
    with torch.no_grad():
        model.language_model.lm_head.weight[7] = model.language_model.lm_head.weight[9] = 9.0
        model.language_model.model.norm.weight.abs_()
    monkeypatch.setattr(short_decoding, "_ROOM", 10.0)
    with torch.inference_mode():
        assert short_tokens(model, batch, 5) is None
    assert greedy_tokens(model, batch, 5).tolist() == plain_tokens(model, batch, 5).tolist()


def test_equal_logits_and_such_as_are_not_finite_give_none() -> None:
    logits = torch.tensor([[1.0, 3.0, 2.0], [5.0, 0.0, 1.0]])
    found = short_decoding._ahead(logits, None)
    assert found is not None
    assert found.tolist() == [1, 0]
    for value in (3.0, 3.0001, torch.nan, torch.inf, -torch.inf):
        assert (
            short_decoding._ahead(
                logits.index_put((torch.tensor(0), torch.tensor(2)), torch.tensor(value)), None
            )
            is None
        )
    beyond = logits.clone()
    beyond[0, 0] = torch.nan  # of a token that may not be chosen
    assert short_decoding._ahead(beyond, range(1, 3)) is None


def test_other_models_are_decoded_plainly(
    model: ReconVLA, config: ReconVLAConfig, batch: Batch, monkeypatch
) -> None:
    assert few_operations(model)
    others = [copy.deepcopy(model).bfloat16(), copy.deepcopy(model)]
    add_adapters(others[1], 4, 8, 0)
    kinds = dataclasses.replace(
        config.language, sliding_window=8, layer_kinds=(SLIDING,) * config.language.layers
    )
    others.append(ReconVLA(dataclasses.replace(config, language=kinds)))
    others.append(ReconVLA(dataclasses.replace(config, generation=GenerationRules(suppress_tokens=(3,)))))
    assert not any(map(few_operations, others))
    with torch.autocast("cpu", torch.bfloat16):
        assert not few_operations(model)
    monkeypatch.setattr(generation, "short_tokens", None)
    assert greedy_tokens(others[0], batch, 2).shape == (3, 2)


@pytest.mark.parametrize("plainly", [False, True])
def test_a_batch_is_filled_only_where_the_order_of_sums_counts(
    model: ReconVLA, batch: Batch, monkeypatch: pytest.MonkeyPatch, plainly: bool
) -> None:
    spread(model)
    if plainly:
        monkeypatch.setattr(generation, "few_operations", lambda model: False)
    sizes: list[int] = []
    embed = model.embed
    monkeypatch.setattr(model, "embed", lambda ids, *given: sizes.append(len(ids)) or embed(ids, *given))
    tokens = greedy_tokens(model, batch, 4, rows=5)
    assert tokens.tolist() == plain_tokens(model, batch, 4).tolist()
    assert sizes[0] == (5 if plainly else 3)


def test_a_model_whose_tokens_are_hardly_ahead_is_tried_ever_less(
    model: ReconVLA, batch: Batch, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, tried = list[None](), list[int]()
    answer: list[torch.Tensor | None] = [None]
    monkeypatch.setattr(generation, "short_tokens", lambda *given: tried.append(len(asked)) or answer[0])
    monkeypatch.setattr(generation, "plain_tokens", lambda *given: np.zeros((3, 2), dtype=np.int64))
    for _ in range(299):
        asked.append(None)
        greedy_tokens(model, batch, 2)
    assert tried == [1, 2, 4, 8, 16, 32, 64, 128, 192, 256]
    answer[0] = torch.ones(3, 2, dtype=torch.int64)
    for number in range(300, 400):
        asked.append(None)
        assert greedy_tokens(model, batch, 2).all() == (number >= 320)
    assert tried[-2:] == [398, 399]
