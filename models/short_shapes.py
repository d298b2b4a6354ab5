"""Which models are computed in few operations (`models.short_decoding`, `models.short_training`), by what their
configuration says. Imports no torch, so that planning stays quick."""

from __future__ import annotations

from models.config import ReconVLAConfig

#: Models whose weights are put together anew each time are at most so wide: then it costs less than the calls.
WIDEST = 256
#: Scores of attention are kept for the way back, so prompts and pictures of trained models are at most so long.
MOST_POSITIONS = 512


def is_small_and_plain(config: ReconVLAConfig) -> bool:
    """Whether the language model is a small, plain Qwen2 whose likeliest token is the answer."""
    language = config.language
    return (
        language.sliding_window is None
        and language.rope_scaling is None
        and language.hidden <= WIDEST
        and config.generation is None
    )


def is_short_to_train(config: ReconVLAConfig) -> bool:
    """Whether a model of this shape is trained in few operations, on the processor and in float32."""
    longest = max(config.language.max_positions, config.vision.patches)
    return is_small_and_plain(config) and longest <= MOST_POSITIONS
