"""Reconstructions: shapes, what they depend on, and that a trained model's resemble the truth."""

import dataclasses

import numpy as np
import pytest
import torch

from errors import InvalidInput
from models.batches import Sample, collate, draw_noise
from models.reconstruction import peak_signal_to_noise, reconstruct
from models.reconvla import ReconVLA


def noise(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_pictures_and_what_they_depend_on(model: ReconVLA, samples: list[Sample]) -> None:
    batch = collate(samples[:3], model.config, 0)
    first, again = (reconstruct(model, batch, noise(), steps=5) for _ in range(2))
    size = model.config.reconstruction_size
    for pictures in (first.truth, first.encoded, first.sampled):
        assert pictures.shape == (3, size, size, 3) and pictures.dtype == np.uint8
    np.testing.assert_array_equal(first.sampled, again.sampled)
    assert (first.sampled != reconstruct(model, batch, noise(1), steps=5).sampled).any()


def test_no_target_and_no_denoiser_are_refused(model: ReconVLA, samples: list[Sample]) -> None:
    with pytest.raises(InvalidInput, match="every row needs a target"):
        reconstruct(model, collate(samples[4:], model.config, 0), noise())
    bare = ReconVLA(model.config.without_reconstruction(), 0)
    with pytest.raises(InvalidInput, match="not trained to reconstruct"):
        reconstruct(bare, collate(samples[:2], bare.config, 0), noise())


def test_training_brings_the_samples_near_the_truth(model: ReconVLA, samples: list[Sample]) -> None:
    plain = np.full_like(samples[0].image, 40)
    taught = [
        dataclasses.replace(sample, target=plain + 60 * index) for index, sample in enumerate(samples[:2])
    ]
    batch = collate(taught, model.config, 0)
    before = reconstruct(model, batch, noise(), steps=100)
    optimizer = torch.optim.AdamW(model.trained_parameters(), lr=5e-3)
    for step in range(80):
        draws = draw_noise(model.config, len(batch), noise(step))
        optimizer.zero_grad()
        model(batch, draws).reconstruction.backward()
        optimizer.step()
    after = reconstruct(model, batch, noise(), steps=100)
    gain = peak_signal_to_noise(after.sampled, after.truth) - peak_signal_to_noise(
        before.sampled, before.truth
    )
    assert gain > 3


def test_ratio_in_decibel() -> None:
    truth = np.full((2, 2), 100, np.uint8)
    assert peak_signal_to_noise(truth, truth) == pytest.approx(99)
    assert peak_signal_to_noise(truth + 255 // 5, truth) == pytest.approx(10 * np.log10(25))
