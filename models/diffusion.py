"""Gaussian diffusion: cosine schedule, noise prediction, plain squared error, ancestral sampling.

Ho et al. 2020 (arXiv 2006.11239) for the process, Nichol and Dhariwal 2021 (arXiv 2102.09672) for the cosine
schedule and for sampling on fewer steps. Tables are float64; only the entry that multiplies a tensor is cast.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from errors import InvalidInput

#: (noisy sample, timestep of the full schedule (B,)) -> predicted noise, same shape as the sample.
NoisePredictor = Callable[[Tensor, Tensor], Tensor]
Table = NDArray[np.float64]

TRAINING_STEPS = 1000


def cosine_betas(steps: int = TRAINING_STEPS, largest: float = 0.999) -> Table:
    """beta_t = 1 - abar(t+1)/abar(t) with abar(u) = cos^2((u + .008) / 1.008 * pi/2), at most `largest`."""

    def kept_signal(u: float) -> float:
        return math.cos((u + 0.008) / 1.008 * math.pi / 2) ** 2

    ratios = [kept_signal((i + 1) / steps) / kept_signal(i / steps) for i in range(steps)]
    return np.array([min(1 - ratio, largest) for ratio in ratios], dtype=np.float64)


@dataclass(frozen=True)
class Schedule:
    """A noise schedule; `timestep_map` names the timestep of the training schedule each step stands for."""

    betas: Table
    timestep_map: NDArray[np.int64]

    @classmethod
    def training(cls) -> Schedule:
        """The 1000 steps the model is trained on."""
        return cls(cosine_betas(), np.arange(TRAINING_STEPS))

    def respaced(self, keep: Sequence[int]) -> Schedule:
        """The same process seen only at the steps in `keep` (increasing)."""
        kept = np.asarray(keep)
        signal = self.alphas_cumprod[kept]
        betas = 1 - signal / np.append(1.0, signal[:-1])
        return Schedule(betas, self.timestep_map[kept])

    def __len__(self) -> int:
        return len(self.betas)

    @property
    def alphas_cumprod(self) -> Table:
        return np.cumprod(1.0 - self.betas, dtype=np.float64)

    @property
    def alphas_cumprod_prev(self) -> Table:
        return np.append(1.0, self.alphas_cumprod[:-1])

    @property
    def sqrt_recip_alphas_cumprod(self) -> Table:
        return np.sqrt(1.0 / self.alphas_cumprod)

    @property
    def sqrt_recipm1_alphas_cumprod(self) -> Table:
        return np.sqrt(1.0 / self.alphas_cumprod - 1.0)

    @property
    def posterior_variance(self) -> Table:
        return self.betas * (1.0 - self.alphas_cumprod_prev) / (1.0 - self.alphas_cumprod)

    @property
    def posterior_mean_coef1(self) -> Table:
        """Weight of the clean sample in the posterior mean."""
        return self.betas * np.sqrt(self.alphas_cumprod_prev) / (1.0 - self.alphas_cumprod)

    @property
    def posterior_mean_coef2(self) -> Table:
        """Weight of the noisy sample in the posterior mean."""
        return (1.0 - self.alphas_cumprod_prev) * np.sqrt(1.0 - self.betas) / (1.0 - self.alphas_cumprod)

    @property
    def sampling_log_variance(self) -> Table:
        """`fixed large` variance: the betas, with the posterior's in the first place."""
        return np.log(np.append(self.posterior_variance[1], self.betas[1:]))


def spaced_timesteps(total: int, count: int) -> list[int]:
    """`count` of `total` steps from the first to the last, rounded to the nearest (improved DDPM, §4)."""
    if not 2 <= count <= total:
        raise InvalidInput(f"sampling steps must lie between 2 and {total}, got {count}")
    stride, position, steps = (total - 1) / (count - 1), 0.0, []
    for _ in range(count):
        steps.append(round(position))
        position += stride
    return steps


def add_noise(schedule: Schedule, clean: Tensor, steps: Tensor, noise: Tensor) -> Tensor:
    """Sample of q(x_t | x_0); `steps` (B,) index the schedule, the others are (B, ...)."""
    signal = schedule.alphas_cumprod
    return _at(np.sqrt(signal), steps, clean) * clean + _at(np.sqrt(1.0 - signal), steps, clean) * noise


def noise_prediction_losses(
    schedule: Schedule, predict: NoisePredictor, clean: Tensor, steps: Tensor, noise: Tensor
) -> Tensor:
    """Mean squared error of the predicted noise, one number per sample: (B,)."""
    predicted = predict(add_noise(schedule, clean, steps, noise), _timesteps(schedule, steps))
    return (noise - predicted).square().flatten(1).mean(dim=1)


class Reverse(NamedTuple):
    """One step of the reverse process: mean and log variance of x_{t-1}, and the clean sample it implies."""

    mean: Tensor
    log_variance: Tensor
    clean: Tensor


def reverse_step(schedule: Schedule, predict: NoisePredictor, noisy: Tensor, steps: Tensor) -> Reverse:
    """p(x_{t-1} | x_t) with the clean sample left unclipped; `steps` (B,) index the schedule."""
    noise = predict(noisy, _timesteps(schedule, steps))
    clean = (
        _at(schedule.sqrt_recip_alphas_cumprod, steps, noisy) * noisy
        - _at(schedule.sqrt_recipm1_alphas_cumprod, steps, noisy) * noise
    )
    mean = (
        _at(schedule.posterior_mean_coef1, steps, noisy) * clean
        + _at(schedule.posterior_mean_coef2, steps, noisy) * noisy
    )
    return Reverse(mean, _at(schedule.sampling_log_variance, steps, noisy), clean)


def sample_steps(
    schedule: Schedule,
    predict: NoisePredictor,
    initial_noise: Tensor,
    step_noises: Iterable[Tensor],
    temperature: float = 1.0,
) -> Iterator[tuple[Tensor, Tensor]]:
    """Ancestral sampling from the last step to the first: yields (x_{t-1}, implied clean sample) after each.

    `step_noises` gives one standard normal tensor per step; the last one has no effect.
    """
    sample = initial_noise
    for index, noise in zip(reversed(range(len(schedule))), step_noises, strict=True):
        steps = torch.full((len(sample),), index, device=sample.device)
        mean, log_variance, clean = reverse_step(schedule, predict, sample, steps)
        sample = mean if index == 0 else mean + torch.exp(0.5 * log_variance) * noise * temperature
        yield sample, clean


def sample(
    schedule: Schedule, predict: NoisePredictor, shape: Sequence[int], generator: torch.Generator
) -> Tensor:
    """A sample of the given shape; all noise comes from `generator`, on its device."""

    def normal() -> Tensor:
        return torch.randn(tuple(shape), generator=generator, device=generator.device)

    initial = normal()
    steps = sample_steps(schedule, predict, initial, (normal() for _ in range(len(schedule))))
    return deque(steps, maxlen=1)[0][0]


def _timesteps(schedule: Schedule, steps: Tensor) -> Tensor:
    return torch.from_numpy(schedule.timestep_map).to(steps.device)[steps]


def _at(table: Table, steps: Tensor, like: Tensor) -> Tensor:
    """Entries of `table` at `steps` as float32, shaped (B, 1, ...) to multiply `like`."""
    values = torch.from_numpy(table).to(steps.device)[steps].float()
    return values.view(-1, *([1] * (like.dim() - 1)))
