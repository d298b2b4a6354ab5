"""Low-rank adapters (LoRA, arXiv 2106.09685) in the language model, over weights in 4 bits if asked (QLoRA,
arXiv 2305.14314): what makes 7B train in 16 GB.

peft adds the adapters, bitsandbytes holds the 4-bit weights. Projector and denoiser are trained in full, as
ever. A finished model is merged: its checkpoint is one like any other.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from errors import CheckpointError, EnvironmentLacks
from models.checkpoint import weights_of
from models.four_bit import BLOCK_LAYERS, pack_blocks, plain_weight
from models.reconvla import ReconVLA, seeded
from models.weights import check_fit
from settings.installing import pip_install_extra
from settings.quiet_libraries import quiet_libraries

_ADAPTER = "default"


def add_adapters(
    model: ReconVLA,
    rank: int,
    alpha: int,
    seed: int,
    *,
    four_bit: bool = False,
    compute_dtype: torch.dtype = torch.float32,
    device: torch.device | None = None,
) -> None:
    """Freeze the language model and give its blocks trainable adapters; a fresh adapter changes nothing.

    four_bit: the adapted weights become NF4 with `compute_dtype` for products; the rest of the frozen model is
    held in `compute_dtype`. The model then lies on `device`, where its layers were packed one by one, so that
    the device never holds them unpacked; None leaves it where it is. Adapters follow from `seed`. Raises
    EnvironmentLacks without peft or bitsandbytes.
    """
    try:
        quiet_libraries()
        from peft import LoraConfig, inject_adapter_in_model
    except ImportError as error:
        raise EnvironmentLacks(
            f"training.lora needs the package peft: {pip_install_extra('lora')}"
        ) from error
    language = model.language_model.requires_grad_(False)
    if four_bit:
        pack_blocks(language, compute_dtype, device)
    for part in (language, model.vision_tower):
        for parameter in part.parameters():
            if not parameter.requires_grad and parameter.is_floating_point():
                parameter.data = parameter.data.to(compute_dtype)
    settings = LoraConfig(r=rank, lora_alpha=alpha, lora_dropout=0.0, target_modules=list(BLOCK_LAYERS))
    with seeded(seed, "adapters"):
        inject_adapter_in_model(settings, language, adapter_name=_ADAPTER)
    for name, parameter in language.named_parameters():
        if "lora_" in name:
            parameter.data = parameter.data.float()
    if device is not None:
        model.to(device)


def has_adapters(model: ReconVLA) -> bool:
    return any(hasattr(module, "lora_A") for module in model.language_model.modules())


def trained_weights(model: ReconVLA) -> dict[str, Tensor]:
    """The trained tensors by name, not copied: all that a checkpoint on the way needs."""
    return {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}


def load_trained(model: ReconVLA, tensors: Mapping[str, Tensor], source: str) -> None:
    """Inverse of `trained_weights`. Raises CheckpointError when the tensors do not fit the adapters."""
    own = trained_weights(model)
    check_fit(tensors, own, source)
    with torch.no_grad():
        for name, parameter in own.items():
            parameter.copy_(tensors[name])


@torch.no_grad()
def merged_weights(model: ReconVLA) -> dict[str, Tensor]:
    """`weights_of` the model with its adapters added to the weights they adapt, on the CPU.

    Sums are made in float32 and kept in the type of the frozen model, so that 7B in half precision is 15 GB.
    """
    frozen = model.language_model.get_input_embeddings().weight.dtype
    merged: dict[str, Tensor] = {}
    prefixes = []
    for prefix, layer in _adapted_layers(model):
        prefixes.append(f"{prefix}.")
        weight = plain_weight(layer.base_layer) + layer.get_delta_weight(_ADAPTER).float()
        merged[f"{prefix}.weight"] = weight.to(frozen).cpu()
        if layer.base_layer.bias is not None:
            merged[f"{prefix}.bias"] = layer.base_layer.bias.to(frozen).cpu()
    kept = tuple(prefixes)
    for name, tensor in weights_of(model).items():
        if not name.startswith(kept):
            merged[name] = tensor.detach().cpu()
    return merged


def _adapted_layers(model: ReconVLA) -> Iterator[tuple[str, Any]]:
    found = [(name, module) for name, module in model.named_modules() if hasattr(module, "lora_A")]
    if not found:
        raise CheckpointError("the model has no adapters to merge")
    yield from found
