"""Configuration of a ReconVLA model: what decides its shape, and nothing about how it is trained."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from benchmark.embodiment import CALVIN, CHUNK_STEPS
from models.generation_rules import GenerationRules
from models.grounding import BOX_TOKENS
from models.part_configs import (
    ACTION_BINS,
    MOST_SIZE,
    DenoiserConfig,
    LanguageConfig,
    LatentConfig,
    VisionConfig,
)
from models.plain_values import LATER, dataclass_from, plain, require
from settings.shown import shown

#: How an arm is told where to look: not at all, by a second picture of the gaze region in the prompt, or by
#: having to say the region's box before it acts (ReconVLA's table: explicit and CoT grounding).
GROUNDINGS = ("none", "crop", "box")


@dataclass(frozen=True)
class ReconVLAConfig:
    """A whole model. `denoiser` None is the arm without reconstruction (the plain VLA baseline).

    official_compat reproduces what the official code does and its authors hardly meant, where it changes
    results: samples without an image or a trusted region train the denoiser too (docs/model.md lists all).
    """

    size: str
    vision: VisionConfig
    language: LanguageConfig
    latents: LatentConfig
    denoiser: DenoiserConfig | None
    chunk_steps: int = CHUNK_STEPS
    action_dims: int = CALVIN.action_size
    state_dims: int = CALVIN.robot_obs_size
    grounding: str = "none"
    official_compat: bool = False
    generation: GenerationRules | None = field(default=None, metadata=LATER)

    def __post_init__(self) -> None:
        require(
            self.grounding in GROUNDINGS,
            "grounding",
            f"must be one of {', '.join(GROUNDINGS)}, got {shown(self.grounding)}",
        )
        for name in ("chunk_steps", "action_dims", "state_dims"):
            value = getattr(self, name)
            require(
                0 < value <= MOST_SIZE, name, f"must be positive, {MOST_SIZE} at most, got {shown(value)}"
            )
        images, answer = self.vision.patches * self.pictures, self.answer_tokens + 1
        require(
            images + self.state_dims + answer <= self.language.max_positions,
            "language.max_positions",
            f"cannot hold {images} image tokens and {answer} answer tokens,"
            f" got {self.language.max_positions}",
        )

    @property
    def action_ids(self) -> range:
        """Ids of the action tokens."""
        return range(self.language.action_vocab_size - ACTION_BINS, self.language.action_vocab_size)

    @property
    def action_tokens(self) -> int:
        """Tokens of one action chunk (5 steps of 7 numbers: 35)."""
        return self.chunk_steps * self.action_dims

    @property
    def box_tokens(self) -> int:
        """Tokens that an answer spends on the gaze box before its actions."""
        return BOX_TOKENS if self.grounding == "box" else 0

    @property
    def answer_tokens(self) -> int:
        """Tokens of an answer without its end."""
        return self.box_tokens + self.action_tokens

    @property
    def pictures(self) -> int:
        """Most pictures in one prompt."""
        return 2 if self.grounding == "crop" else 1

    @property
    def latent_channels(self) -> int:
        """Channels of the denoised grid, after 2x2 latents became one cell."""
        return 4 * self.latents.channels

    @property
    def reconstruction_size(self) -> int:
        """Side in px of the target image given to the latent encoder (so400m: 27 x 2 x 8 = 432)."""
        return self.vision.grid * 2 * self.latents.cell

    def without_reconstruction(self) -> ReconVLAConfig:
        return dataclasses.replace(self, denoiser=None)

    def to_dict(self) -> dict[str, Any]:
        """Nested plain dictionary, ready for JSON; what most models have at its default is left out there."""
        values: dict[str, Any] = plain(self)
        return values

    def all_values(self) -> dict[str, Any]:
        """`to_dict` with nothing left out."""
        values: dict[str, Any] = plain(self, whole=True)
        return values

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> ReconVLAConfig:
        """Inverse of `to_dict`. Raises ConfigError naming the first unknown, missing or mistyped field."""
        return dataclass_from(cls, values)


def final_config(values: Mapping[str, Any], vocab_size: int) -> ReconVLAConfig:
    """The configuration of a job's `model.config`, the toy's vocabulary being that of its tokenizer."""
    config = ReconVLAConfig.from_dict(values)
    if config.size != "toy":
        return config
    language = dataclasses.replace(config.language, vocab_size=vocab_size, action_vocab_size=vocab_size)
    return dataclasses.replace(config, language=language)
