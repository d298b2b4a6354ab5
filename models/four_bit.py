"""The linear layers of the language model's blocks in 4 bits: NF4 (QLoRA, arXiv 2305.14314), by bitsandbytes."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from errors import CheckpointError, EnvironmentLacks
from settings.installing import pip_install_extra
from settings.quiet_libraries import quiet_libraries

#: The linear layers of a Qwen2 block: those that are packed, and those that adapters adapt (QLoRA takes them all).
BLOCK_LAYERS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")


def pack_blocks(language: Any, compute_dtype: torch.dtype, device: torch.device | None = None) -> None:
    """Replace the linear layers of a Qwen2's blocks by frozen NF4 ones with `compute_dtype` for products.

    They are packed one by one on their way to `device` (None: where they are), so that it never holds them
    unpacked. Raises EnvironmentLacks without bitsandbytes, CheckpointError naming a weight with numbers that are
    not finite: packed, it may come out as a number like any other.
    """
    try:
        quiet_libraries()
        import bitsandbytes
    except ImportError as error:
        raise EnvironmentLacks(
            f"weights in 4 bits need the package bitsandbytes: {pip_install_extra('qlora')}"
        ) from error
    for name, module in list(language.named_modules()):
        if not isinstance(module, nn.Linear) or name.rsplit(".", 1)[-1] not in BLOCK_LAYERS:
            continue
        if not bool(module.weight.isfinite().all()):
            raise CheckpointError(
                f"{name}.weight holds numbers that are not finite in {str(module.weight.dtype)[6:]}, so it cannot be "
                "packed in 4 bits; where it is sound in bf16 or fp32, load it so"
            )
        packed = bitsandbytes.nn.Linear4bit(
            module.in_features,
            module.out_features,
            bias=module.bias is not None,
            compute_dtype=compute_dtype,
            quant_type="nf4",
            device="meta",
        )
        # On CPUs with AVX512-BF16 bitsandbytes would repack the weights in place when a model is judged: layers of
        # widths that 64 does not divide then fail (0.50.2), and figures would depend on the CPU.
        packed.support_avx512bf16_for_cpu = False
        packed.load_state_dict(module.state_dict(), assign=True)
        packed.weight = bitsandbytes.nn.Params4bit(
            module.weight.data, requires_grad=False, quant_type="nf4", module=packed
        )
        packed = packed.to(device or module.weight.device).requires_grad_(False)
        parent, _, child = name.rpartition(".")
        setattr(language.get_submodule(parent), child, packed)


def plain_weight(layer: Any) -> Tensor:
    """The weight of a linear layer in float32, unpacked where it is in 4 bits."""
    state = getattr(layer.weight, "quant_state", None)
    if state is None:
        weight: Tensor = layer.weight.float()
        return weight
    import bitsandbytes

    plain: Tensor = bitsandbytes.functional.dequantize_4bit(layer.weight.data, state).float()
    return plain
