"""Greedy decoding of action chunks."""

import numpy as np
import pytest
import torch

from errors import InvalidInput
from models.batches import Sample
from models.generation import generate_actions, greedy_tokens, prompt_batch
from models.prompt import PromptBuilder
from models.reconvla import ReconVLA
from tests.models.conftest import INSTRUCTIONS

STATE = np.zeros(15)


@pytest.fixture
def requests(samples: list[Sample], prompts: PromptBuilder):
    return [sample.image for sample in samples[:3]], [prompts.prompt(text, STATE) for text in INSTRUCTIONS]


def make_talkative(model: ReconVLA) -> None:
    """Large weights: a fresh model's answer would be one token again and again."""
    generator = torch.Generator().manual_seed(0)
    for parameter in model.language_model.model.layers.parameters():
        if parameter.dim() == 2:
            torch.nn.init.normal_(parameter, std=0.5, generator=generator)


@torch.no_grad()
def slow_greedy(model: ReconVLA, image: np.ndarray, prompt: np.ndarray, count: int) -> list[int]:
    """Without cache, one request, everything computed anew for each token."""
    ids = prompt
    for _ in range(count):
        batch = prompt_batch(model, [image], [ids])
        hidden = model.hidden_states(batch.input_ids, batch.attention_mask, batch.images)
        ids = np.append(ids, int(model.language_model.lm_head(hidden[0, -1]).argmax()))
    return ids[len(prompt) :].tolist()


def test_batched_and_cached_equals_one_by_one(model: ReconVLA, requests) -> None:
    make_talkative(model)
    images, texts = requests
    assert len({len(text) for text in texts}) > 1
    tokens = greedy_tokens(model, prompt_batch(model, images, texts), 12)
    assert [list(row) for row in tokens] == [
        slow_greedy(model, image, text, 12) for image, text in zip(images, texts, strict=True)
    ]
    assert len(set(tokens.reshape(-1).tolist())) > 6


def test_chunks_and_the_count_of_other_tokens(model: ReconVLA, requests, prompts: PromptBuilder) -> None:
    make_talkative(model)
    chunks = generate_actions(model, *requests)
    assert chunks.actions.shape == (3, 5, 7)
    np.testing.assert_array_equal(chunks.actions.reshape(3, 35), prompts.actions.decode(chunks.token_ids))
    np.testing.assert_array_equal(chunks.outside, (chunks.token_ids < prompts.actions.first_id).sum(axis=1))
    constrained = generate_actions(model, *requests, constrained=True)
    assert constrained.outside.tolist() == [0, 0, 0]
    assert prompts.actions.contains(constrained.token_ids).all()


def test_other_tokens_are_counted(model: ReconVLA, requests, prompts: PromptBuilder) -> None:
    with torch.no_grad():
        model.language_model.model.embed_tokens.weight[prompts.actions.first_id :] *= 1e-6
    chunks = generate_actions(model, *requests)
    assert chunks.outside.sum() > 0


def test_pictures_that_do_not_fit(model: ReconVLA, requests) -> None:
    images, texts = requests
    with pytest.raises(InvalidInput, match="uint8 for this model"):
        generate_actions(model, [image[1:] for image in images], texts)
