"""Samples, batches of them, and the random draws of one training step."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from errors import InvalidInput
from models.action_tokenizer import IdArray
from models.config import ReconVLAConfig
from models.diffusion import TRAINING_STEPS
from models.images import Picture
from models.prompt import CROP_PLACEHOLDER, IGNORED_LABEL, IMAGE_PLACEHOLDER

#: SigLIP's means and deviations.
HALVES = (0.5, 0.5, 0.5)


@dataclass(frozen=True)
class Sample:
    """One training sample; without a trusted gaze region `target` is None and nothing is reconstructed.

    `target_weight` scales the reconstruction loss of this sample; `crop` is the second picture of the prompt.
    """

    input_ids: IdArray  # (tokens,), at most one IMAGE_PLACEHOLDER and one CROP_PLACEHOLDER
    labels: IdArray  # (tokens,)
    image: Picture  # (size, size, 3) uint8 at the model's size
    target: Picture | None
    target_weight: float = 1.0
    crop: Picture | None = None


@dataclass(frozen=True)
class Question:
    """What a model gets to see before it answers."""

    image: Picture
    prompt: IdArray
    crop: Picture | None


@dataclass(frozen=True)
class Batch:
    """Right-padded samples, placeholders repeated once per patch: L counts image positions too."""

    input_ids: Tensor  # (B, L) int64
    labels: Tensor  # (B, L) int64
    attention_mask: Tensor  # (B, L) bool
    images: (
        Tensor  # (B, 3, size, size) float32, normalised as the tower's pictures are; most towers' to [-1, 1]
    )
    targets: (
        Tensor | None
    )  # like images, to [-1, 1]; zeros where target_mask is False; None when no sample has one
    target_mask: Tensor  # (B,) bool
    target_weights: Tensor | None = None  # (B,) float32; None: all 1
    crops: Tensor | None = None  # like images; zeros where the prompt has none; None when no sample has one

    def __len__(self) -> int:
        return len(self.input_ids)

    def to(self, device: torch.device | str) -> Batch:
        return self._each(lambda tensor: tensor.to(device, non_blocking=True))

    def filled(self, rows: int) -> Batch:
        """With so many rows, those beyond its own like the first."""
        more = rows - len(self)
        return self._each(lambda tensor: torch.cat([tensor, tensor[:1].expand(more, *tensor.shape[1:])]))

    def pinned(self) -> Batch:
        """In page-locked memory, from where a GPU copies while it computes."""
        return self._each(Tensor.pin_memory)

    def _each(self, change: Callable[[Tensor], Tensor]) -> Batch:
        changed = {name: None if t is None else change(t) for name, t in vars(self).items()}
        return Batch(**changed)  # type: ignore[arg-type]


@dataclass(frozen=True)
class Draws:
    """All randomness of one forward pass; R = denoiser.repeats, copies of the batch follow one another."""

    timesteps: Tensor  # (R * B,) int64 in [0, 1000)
    noise: Tensor  # (R * B, 4C, grid, grid)
    latent_noise: Tensor | None  # (B, C, 2 grid, 2 grid); None where the latent encoder is deterministic

    def to(self, device: torch.device | str) -> Draws:
        return self._each(lambda tensor: tensor.to(device, non_blocking=True))

    def pinned(self) -> Draws:
        return self._each(Tensor.pin_memory)

    def _each(self, change: Callable[[Tensor], Tensor]) -> Draws:
        latent_noise = None if self.latent_noise is None else change(self.latent_noise)
        return Draws(change(self.timesteps), change(self.noise), latent_noise)


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


def collate(
    samples: Sequence[Sample], config: ReconVLAConfig, pad_id: int, length: int | None = None
) -> Batch:
    """Pad `samples` to one length: that of the longest, or `length` positions with the image's.

    Raises InvalidInput for pictures or prompts that do not fit the model or the length.
    """
    if not samples:
        raise InvalidInput("a batch needs at least one sample")
    size, patches = config.vision.image_size, config.vision.patches
    seen_as = config.vision.image_mean, config.vision.image_std
    rows = [expand_placeholder(sample.input_ids, sample.labels, patches) for sample in samples]
    longest = max(len(ids) for ids, _ in rows)
    length = longest if length is None else length
    if longest > length:
        raise InvalidInput(f"prompt of {longest} tokens exceeds the {length} of its batch")
    most = config.language.most_positions
    if longest > most or length > config.language.max_positions:
        raise InvalidInput(f"prompt of {max(longest, length)} tokens exceeds the model's {most}")
    input_ids = np.full((len(rows), length), pad_id, dtype=np.int64)
    labels = np.full_like(input_ids, IGNORED_LABEL)
    attention_mask = np.zeros(input_ids.shape, dtype=np.bool_)
    for row, (ids, row_labels) in enumerate(rows):
        input_ids[row, : len(ids)], labels[row, : len(ids)] = ids, row_labels
        attention_mask[row, : len(ids)] = True
    for sample in samples:
        if (sample.crop is not None) != bool((sample.input_ids == CROP_PLACEHOLDER).any()):
            raise InvalidInput(
                "a prompt has a place for the picture of the gaze region exactly if there is one"
            )
    return Batch(
        input_ids=torch.from_numpy(input_ids),
        labels=torch.from_numpy(labels),
        attention_mask=torch.from_numpy(attention_mask),
        images=normalised([sample.image for sample in samples], size, *seen_as),
        targets=_with_gaps([sample.target for sample in samples], size),
        target_mask=torch.tensor([sample.target is not None for sample in samples]),
        target_weights=torch.tensor([sample.target_weight for sample in samples], dtype=torch.float32),
        crops=_with_gaps([sample.crop for sample in samples], size, *seen_as),
    )


def _with_gaps(
    pictures: Sequence[Picture | None],
    size: int,
    mean: Sequence[float] = HALVES,
    std: Sequence[float] = HALVES,
) -> Tensor | None:
    """`normalised`, with zeros for None; None when there is no picture at all."""
    if all(picture is None for picture in pictures):
        return None
    blank = np.zeros((size, size, 3), dtype=np.uint8)
    filled = [blank if picture is None else picture for picture in pictures]
    stacked = normalised(filled, size, mean, std)
    stacked[[picture is None for picture in pictures]] = 0.0
    return stacked


def normalised(
    pictures: Sequence[Picture],
    size: int,
    mean: Sequence[float] = HALVES,
    std: Sequence[float] = HALVES,
) -> Tensor:
    """(B, 3, size, size) float32: (u / 255 - mean) / std, by colour, of (size, size, 3) uint8 pictures; without the two
    as SigLIP's, to [-1, 1]."""
    for picture in pictures:
        if picture.shape != (size, size, 3) or picture.dtype != np.uint8:
            raise InvalidInput(
                f"image must be ({size}, {size}, 3) uint8 for this model,"
                f" got shape {picture.shape} of {picture.dtype}; resize it with models.images.to_model_size"
            )
    stacked = torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2)
    means, deviations = (torch.tensor(values).view(3, 1, 1) for values in (mean, std))
    return stacked.float().div_(255.0).sub_(means).div_(deviations)


def expand_placeholder(input_ids: IdArray, labels: IdArray, patches: int) -> tuple[IdArray, IdArray]:
    """Ids and labels with each placeholder repeated `patches` times."""
    if input_ids.shape != labels.shape or input_ids.ndim != 1:
        raise InvalidInput(
            f"input_ids {input_ids.shape} and labels {labels.shape} must be rows of one length"
        )
    times = np.ones(len(input_ids), dtype=np.int64)
    for placeholder in (IMAGE_PLACEHOLDER, CROP_PLACEHOLDER):
        places = np.flatnonzero(input_ids == placeholder)
        if len(places) > 1:
            raise InvalidInput(f"a prompt may hold one image, this one has {len(places)} placeholders")
        times[places] = patches
    return np.repeat(input_ids, times), np.repeat(labels, times)
