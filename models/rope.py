"""Scaled rotary positions, as the configuration of a language model tells of them (transformers computes them)."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from models.plain_values import require
from settings.shown import shown

#: What each kind cannot do without, besides its base `rope_theta`.
_NEEDED: dict[str, tuple[str, ...]] = {
    "linear": ("factor",),
    "dynamic": ("factor",),
    "yarn": ("factor", "original_max_position_embeddings"),
    "longrope": ("short_factor", "long_factor", "original_max_position_embeddings"),
    "llama3": ("factor", "low_freq_factor", "high_freq_factor", "original_max_position_embeddings"),
}


@dataclass(frozen=True)
class RopeScaling:
    """Entries of `rope_parameters` (once `rope_scaling`) under transformers' names; None: left out."""

    rope_type: str
    factor: float | None = None
    original_max_position_embeddings: int | None = None
    attention_factor: float | None = None
    beta_fast: float | None = None
    beta_slow: float | None = None
    mscale: float | None = None
    mscale_all_dim: float | None = None
    truncate: bool | None = None
    short_factor: tuple[float, ...] | None = None
    long_factor: tuple[float, ...] | None = None
    low_freq_factor: float | None = None
    high_freq_factor: float | None = None

    def __post_init__(self) -> None:
        place = "language.rope_scaling"
        require(
            self.rope_type in _NEEDED,
            f"{place}.rope_type",
            f"must be one of {', '.join(_NEEDED)}, got {shown(self.rope_type)}",
        )
        for name in _NEEDED[self.rope_type]:
            require(
                getattr(self, name) is not None, f"{place}.{name}", f"is missing, {self.rope_type} needs it"
            )

    @property
    def most_positions(self) -> int | None:
        """Where the frequencies would change with the length of a whole batch; None where they never do."""
        return self.original_max_position_embeddings if self.rope_type == "longrope" else None

    def parameters(self) -> dict[str, Any]:
        """The entries that are there."""
        values = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in values.items()
            if value is not None
        }
