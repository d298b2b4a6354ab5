"""Schedules and sampling beyond what the recorded official outputs cover."""

import numpy as np
import pytest
import torch

from errors import InvalidInput
from models.diffusion import Schedule, add_noise, noise_prediction_losses, sample, spaced_timesteps

FULL = Schedule.training()


def test_signal_falls_from_one_to_nothing() -> None:
    signal = FULL.alphas_cumprod
    assert len(FULL) == 1000
    assert np.all(np.diff(signal) < 0)
    assert signal[0] > 0.9999
    assert signal[-1] < 1e-6
    assert FULL.betas.max() == 0.999


@pytest.mark.parametrize("count", [2, 7, 20, 250, 1000])
def test_spacing_keeps_both_ends_and_the_signal(count: int) -> None:
    keep = spaced_timesteps(1000, count)
    assert (keep[0], keep[-1], len(set(keep))) == (0, 999, count)
    np.testing.assert_allclose(FULL.respaced(keep).alphas_cumprod, FULL.alphas_cumprod[keep], atol=1e-12)


def test_impossible_spacings() -> None:
    with pytest.raises(InvalidInput, match="1001"):
        spaced_timesteps(1000, 1001)


def test_the_true_noise_has_no_loss_and_losses_are_per_sample() -> None:
    clean, noise = torch.randn(2, 3, 4, 5, 5, generator=torch.Generator().manual_seed(0))
    steps = torch.tensor([0, 500, 999])
    truth = noise_prediction_losses(FULL, lambda noisy, t: noise, clean, steps, noise)
    assert truth.tolist() == [0.0, 0.0, 0.0]
    off = noise.clone()
    off[1] += 2.0
    losses = noise_prediction_losses(FULL, lambda noisy, t: off, clean, steps, noise)
    assert losses.tolist() == pytest.approx([0.0, 4.0, 0.0], abs=1e-5)


def test_sampling_with_a_perfect_predictor_finds_the_data() -> None:
    """All data is one point, so the noise that leads to any x_t is known."""
    point = 0.7
    schedule = FULL.respaced(spaced_timesteps(1000, 50))

    def predict(noisy: torch.Tensor, timesteps: torch.Tensor) -> torch.Tensor:
        signal = torch.from_numpy(FULL.alphas_cumprod)[timesteps].float().view(-1, 1, 1, 1)
        return (noisy - signal.sqrt() * point) / (1 - signal).sqrt()

    found = sample(schedule, predict, (2, 3, 4, 4), torch.Generator().manual_seed(1))
    torch.testing.assert_close(found, torch.full_like(found, point), atol=1e-3, rtol=0)


def test_noise_at_the_ends_of_the_schedule() -> None:
    clean, noise = torch.ones(2, 1, 2, 2), torch.full((2, 1, 2, 2), 3.0)
    noisy = add_noise(FULL, clean, torch.tensor([0, 999]), noise)
    torch.testing.assert_close(noisy[0], clean[0], atol=0.05, rtol=0)
    torch.testing.assert_close(noisy[1], noise[1], atol=0.01, rtol=0)
