"""The model's configuration from a job's parameters. Imports no torch, so that planning stays quick."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from errors import ConfigError
from models.config import ReconVLAConfig, config_of_size


def model_config(model: Mapping[str, Any], vocab_size: int) -> ReconVLAConfig:
    """Configuration of a size with overrides. Raises ConfigError naming the field that does not fit."""
    base = config_of_size(model["size"], vocab_size)
    values = base.to_dict()
    _merge(values, model.get("override", {}), "model.override")
    config = ReconVLAConfig.from_dict(values)
    if not model["reconstruction"]:
        return config.without_reconstruction()
    if config.denoiser is None:
        raise ConfigError(f"model size {model['size']!r} has no denoiser to reconstruct with")
    weight = model["reconstruction_weight"]
    return dataclasses.replace(config, denoiser=dataclasses.replace(config.denoiser, loss_weight=weight))


def _merge(values: dict[str, Any], override: Mapping[str, Any], place: str) -> None:
    for key, value in override.items():
        if key not in values:
            raise ConfigError(f"{place}: unknown key {key!r}; known: {', '.join(values)}")
        if isinstance(value, Mapping) and isinstance(values[key], dict):
            _merge(values[key], value, f"{place}.{key}")
        else:
            values[key] = value
