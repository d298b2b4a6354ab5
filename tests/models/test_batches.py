"""Batches and draws."""

import dataclasses

import numpy as np
import pytest
import torch

from errors import InvalidInput
from models.batches import Sample, collate, draw_noise, expand_placeholder
from models.config import ReconVLAConfig
from models.prompt import IGNORED_LABEL, IMAGE_PLACEHOLDER
from models.sizes import config_of_size


def test_collated_rows(config: ReconVLAConfig, samples: list[Sample]) -> None:
    batch = collate(samples, config, pad_id=1)
    patches = config.vision.patches
    assert len(batch) == 6
    for row, sample in enumerate(samples):
        length = len(sample.input_ids) + patches - 1
        assert batch.attention_mask[row].sum() == length
        assert (batch.input_ids[row] == IMAGE_PLACEHOLDER).sum() == patches
        assert (batch.input_ids[row, length:] == 1).all()
        assert (batch.labels[row] != IGNORED_LABEL).sum() == 36
    assert batch.target_mask.tolist() == [True] * 5 + [False]
    assert batch.images.min() >= -1
    assert batch.images.max() <= 1
    white = dataclasses.replace(samples[0], image=np.full_like(samples[0].image, 255))
    assert (collate([white], config, 0).images == 1.0).all()


def test_no_target_at_all(config: ReconVLAConfig, samples: list[Sample]) -> None:
    assert collate(samples[5:], config, 0).targets is None


def test_bad_samples(config: ReconVLAConfig, samples: list[Sample]) -> None:
    good = samples[0]
    with pytest.raises(InvalidInput, match=r"\(32, 32, 3\) uint8 for this model, got shape \(31, 32, 3\)"):
        collate([dataclasses.replace(good, image=good.image[1:])], config, 0)
    with pytest.raises(InvalidInput, match="float32"):
        collate([dataclasses.replace(good, target=good.image.astype(np.float32))], config, 0)
    with pytest.raises(InvalidInput, match="2 placeholders"):
        expand_placeholder(np.array([IMAGE_PLACEHOLDER, IMAGE_PLACEHOLDER]), np.array([0, 0]), 4)
    with pytest.raises(InvalidInput, match="one length"):
        expand_placeholder(np.array([1, 2]), np.array([0]), 4)
    with pytest.raises(InvalidInput, match="at least one"):
        collate([], config, 0)
    long = np.ones(config.language.max_positions + 1, dtype=np.int64)
    with pytest.raises(InvalidInput, match="exceeds"):
        collate([dataclasses.replace(good, input_ids=long, labels=long)], config, 0)


def test_draws_follow_from_the_generator_alone(config: ReconVLAConfig) -> None:
    torch.manual_seed(1)
    first = draw_noise(config, 3, torch.Generator().manual_seed(5))
    torch.manual_seed(2)
    again = draw_noise(config, 3, torch.Generator().manual_seed(5))
    other = draw_noise(config, 3, torch.Generator().manual_seed(6))
    assert torch.equal(first.timesteps, again.timesteps)
    assert torch.equal(first.noise, again.noise)
    assert not torch.equal(first.noise, other.noise)
    assert first.noise.shape == (12, 12, 4, 4)
    assert first.latent_noise is None


def test_draws_of_the_other_sizes() -> None:
    generator = torch.Generator().manual_seed(0)
    assert draw_noise(config_of_size("7b"), 2, generator).latent_noise.shape == (2, 16, 54, 54)
    assert draw_noise(config_of_size("toy").without_reconstruction(), 2, generator) is None
