"""What the model reconstructs: the gaze region's picture, denoised from nothing but noise and its own states."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from errors import InvalidInput
from models.batches import Batch
from models.diffusion import sample, spaced_timesteps
from models.finite import check_finite
from models.prompt import IMAGE_PLACEHOLDER
from models.reconvla import ReconVLA

#: Sampling begins where this much of the picture's variance is left. The steps before divide the error of the
#: predicted noise by as little as sqrt(1 - 0.999): one per cent of error becomes a third of the picture.
LEAST_SIGNAL = 0.005


@dataclass(frozen=True)
class Reconstructions:
    """Pictures (B, size, size, 3) uint8 at the latent encoder's size.

    `encoded` is the truth after a way through the latents and back: the best any sample can be.
    """

    truth: NDArray[np.uint8]
    encoded: NDArray[np.uint8]
    sampled: NDArray[np.uint8]


@torch.inference_mode()
def reconstruct(
    model: ReconVLA,
    batch: Batch,
    generator: torch.Generator,
    steps: int = 200,
    least_signal: float = LEAST_SIGNAL,
) -> Reconstructions:
    """Samples for a batch whose rows all have an image and a target.

    `generator` gives all noise, on its own device. `steps` are spread evenly over the training steps that keep
    at least `least_signal` of the picture; 1000 and 0 are the official sampler. Raises InvalidInput for a
    model without a denoiser or a row without a target, NotFinite where states or pictures are NaN or infinite.
    """
    if model.denoiser is None or model.latents is None:
        raise InvalidInput("this model was not trained to reconstruct, so it has nothing to show")
    if batch.targets is None or not bool(batch.target_mask.all()):
        raise InvalidInput("every row needs a target to stand beside its reconstruction")
    grid, device = model.config.vision.grid, batch.images.device
    hidden = model.hidden_states(batch.input_ids, batch.attention_mask, batch.images, batch.crops)
    check_finite(model, hidden[batch.attention_mask.bool()], "states")
    states = hidden[batch.input_ids == IMAGE_PLACEHOLDER].float().unflatten(0, (len(batch), grid**2))
    denoiser = model.denoiser
    with torch.autocast(device.type, enabled=False):
        condition = denoiser.embed_states(states)
        usable = int((model.schedule.alphas_cumprod >= least_signal).sum())
        schedule = model.schedule.respaced(spaced_timesteps(usable, steps))
        latents = sample(
            schedule,
            lambda noisy, timesteps: denoiser(noisy.to(device), timesteps.to(device), condition).to(
                noisy.device
            ),
            (len(batch), model.config.latent_channels, grid, grid),
            generator,
        ).to(device)
        size = (model.latents.image_size,) * 2
        truth = torch.nn.functional.interpolate(batch.targets.clamp(-1, 1), size, mode="bilinear")
        encoded = model.latents.decode(model.latents.encode(batch.targets, None))
        sampled = model.latents.decode(latents)
    for pictures, which in ((encoded, "encoded pictures"), (sampled, "sampled pictures")):
        check_finite(model, pictures, which)
    return Reconstructions(_pictures(truth), _pictures(encoded), _pictures(sampled))


def peak_signal_to_noise(ours: NDArray[Any], truth: NDArray[np.uint8]) -> float:
    """In dB, over all pixels of all pictures; 99 for equal ones."""
    error = float(np.square(ours.astype(np.float64) - truth.astype(np.float64)).mean())
    return 10 * float(np.log10(255**2 / max(error, 255**2 / 10**9.9)))


def _pictures(images: Tensor) -> NDArray[np.uint8]:
    """(B, H, W, 3) uint8 of images (B, 3, H, W) in [-1, 1]."""
    scaled = (images.clamp(-1, 1) + 1) * 127.5
    # safetensors writes the bytes as they lie in memory.
    return np.ascontiguousarray(scaled.round().to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy())
