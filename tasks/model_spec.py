"""The model's configuration as a job carries it. Imports no torch, so that planning stays quick.

A job's parameters hold the whole configuration and not just the name of a size: a size whose definition
changes gives other jobs. Only the toy's vocabulary is filled in later, from the tokenizer.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from errors import ConfigError
from models.config import ReconVLAConfig, config_of_size

#: Stands for the toy's vocabulary until its tokenizer is built.
_ANY_VOCABULARY = 1024


def planned_config(
    size: str, override: Mapping[str, Any], reconstruction_weight: float | None
) -> dict[str, Any]:
    """Configuration of `size` with `override` merged in, as plain JSON.

    reconstruction_weight: None for an arm without the reconstruction loss. Raises ConfigError naming the
    field that is unknown or does not fit.
    """
    values = config_of_size(size, _ANY_VOCABULARY if size == "toy" else None).to_dict()
    _merge(values, override, "model.override")
    config = ReconVLAConfig.from_dict(values)
    if reconstruction_weight is None:
        return config.without_reconstruction().to_dict()
    if config.denoiser is None:
        raise ConfigError(f"model size {size!r} has no denoiser to reconstruct with")
    denoiser = dataclasses.replace(config.denoiser, loss_weight=reconstruction_weight)
    return dataclasses.replace(config, denoiser=denoiser).to_dict()


def final_config(values: Mapping[str, Any], vocab_size: int) -> ReconVLAConfig:
    """The configuration of a job's `model.config`, the toy's vocabulary being that of its tokenizer."""
    config = ReconVLAConfig.from_dict(values)
    if config.size != "toy":
        return config
    language = dataclasses.replace(config.language, vocab_size=vocab_size, action_vocab_size=vocab_size)
    return dataclasses.replace(config, language=language)


def _merge(values: dict[str, Any], override: Mapping[str, Any], place: str) -> None:
    for key, value in override.items():
        if key not in values:
            raise ConfigError(f"{place}: unknown key {key!r}; known: {', '.join(values)}")
        if isinstance(value, Mapping) and isinstance(values[key], dict):
            _merge(values[key], value, f"{place}.{key}")
        else:
            values[key] = value
