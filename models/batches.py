"""Samples, batches of them, and the random draws of one training step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from errors import InvalidInput
from models.action_tokenizer import IdArray
from models.config import ReconVLAConfig
from models.diffusion import TRAINING_STEPS
from models.images import Picture
from models.prompt import IGNORED_LABEL, IMAGE_PLACEHOLDER


@dataclass(frozen=True)
class Sample:
    """One training sample; without a trusted gaze region `target` is None and nothing is reconstructed."""

    input_ids: IdArray  # (tokens,), at most one IMAGE_PLACEHOLDER
    labels: IdArray  # (tokens,)
    image: Picture  # (size, size, 3) uint8 at the model's size
    target: Picture | None


@dataclass(frozen=True)
class Batch:
    """Right-padded samples, the image placeholder repeated once per patch: L counts image positions too."""

    input_ids: Tensor  # (B, L) int64
    labels: Tensor  # (B, L) int64
    attention_mask: Tensor  # (B, L) bool
    images: Tensor  # (B, 3, size, size) float32, normalised to [-1, 1]
    targets: Tensor | None  # like images; zeros where target_mask is False; None when no sample has one
    target_mask: Tensor  # (B,) bool

    def __len__(self) -> int:
        return len(self.input_ids)

    def to(self, device: torch.device | str) -> Batch:
        return Batch(
            input_ids=self.input_ids.to(device),
            labels=self.labels.to(device),
            attention_mask=self.attention_mask.to(device),
            images=self.images.to(device),
            targets=None if self.targets is None else self.targets.to(device),
            target_mask=self.target_mask.to(device),
        )


@dataclass(frozen=True)
class Draws:
    """All randomness of one forward pass; R = denoiser.repeats, copies of the batch follow one another."""

    timesteps: Tensor  # (R * B,) int64 in [0, 1000)
    noise: Tensor  # (R * B, 4C, grid, grid)
    latent_noise: Tensor | None  # (B, C, 2 grid, 2 grid); None where the latent encoder is deterministic

    def to(self, device: torch.device | str) -> Draws:
        latent_noise = None if self.latent_noise is None else self.latent_noise.to(device)
        return Draws(self.timesteps.to(device), self.noise.to(device), latent_noise)


def draw_noise(config: ReconVLAConfig, batch_size: int, generator: torch.Generator) -> Draws | None:
    """The draws of one step, from `generator` alone and always in the same order; None without a denoiser.

    Latent noise, timesteps, diffusion noise: the order in which the official code draws them.
    """
    if config.denoiser is None:
        return None

    def normal(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator, device=generator.device)

    grid, copies = config.vision.grid, config.denoiser.repeats * batch_size
    latent_noise = None
    if config.latents.autoencoder is not None:
        latent_noise = normal(batch_size, config.latents.channels, 2 * grid, 2 * grid)
    timesteps = torch.randint(TRAINING_STEPS, (copies,), generator=generator, device=generator.device)
    return Draws(timesteps, normal(copies, config.latent_channels, grid, grid), latent_noise)


def collate(samples: Sequence[Sample], config: ReconVLAConfig, pad_id: int) -> Batch:
    """Pad `samples` to one length. Raises InvalidInput for pictures or prompts that do not fit the model."""
    if not samples:
        raise InvalidInput("a batch needs at least one sample")
    size, patches = config.vision.image_size, config.vision.patches
    rows = [expand_placeholder(sample.input_ids, sample.labels, patches) for sample in samples]
    length = max(len(ids) for ids, _ in rows)
    if length > config.language.max_positions:
        raise InvalidInput(f"prompt of {length} tokens exceeds the model's {config.language.max_positions}")
    input_ids = np.full((len(rows), length), pad_id, dtype=np.int64)
    labels = np.full_like(input_ids, IGNORED_LABEL)
    attention_mask = np.zeros(input_ids.shape, dtype=np.bool_)
    for row, (ids, row_labels) in enumerate(rows):
        input_ids[row, : len(ids)], labels[row, : len(ids)] = ids, row_labels
        attention_mask[row, : len(ids)] = True
    target_mask = np.array([sample.target is not None for sample in samples])
    targets = None
    if target_mask.any():
        blank = np.zeros((size, size, 3), dtype=np.uint8)
        targets = normalised([blank if s.target is None else s.target for s in samples], size)
        targets[torch.from_numpy(~target_mask)] = 0.0
    return Batch(
        input_ids=torch.from_numpy(input_ids),
        labels=torch.from_numpy(labels),
        attention_mask=torch.from_numpy(attention_mask),
        images=normalised([sample.image for sample in samples], size),
        targets=targets,
        target_mask=torch.from_numpy(target_mask),
    )


def normalised(pictures: Sequence[Picture], size: int) -> Tensor:
    """(B, 3, size, size) float32: (u / 255 - 0.5) / 0.5 of (size, size, 3) uint8 pictures, as SigLIP's."""
    for picture in pictures:
        if picture.shape != (size, size, 3) or picture.dtype != np.uint8:
            raise InvalidInput(
                f"image must be ({size}, {size}, 3) uint8 for this model,"
                f" got shape {picture.shape} of {picture.dtype}; resize it with models.images.to_model_size"
            )
    stacked = torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2)
    return (stacked.float() / 255.0 - 0.5) / 0.5


def expand_placeholder(input_ids: IdArray, labels: IdArray, patches: int) -> tuple[IdArray, IdArray]:
    """Ids and labels with the image placeholder, where there is one, repeated `patches` times."""
    if input_ids.shape != labels.shape or input_ids.ndim != 1:
        raise InvalidInput(
            f"input_ids {input_ids.shape} and labels {labels.shape} must be rows of one length"
        )
    places = np.flatnonzero(input_ids == IMAGE_PLACEHOLDER)
    if len(places) > 1:
        raise InvalidInput(f"a prompt may hold one image, this one has {len(places)} placeholders")
    times = np.ones(len(input_ids), dtype=np.int64)
    times[places] = patches
    return np.repeat(input_ids, times), np.repeat(labels, times)
