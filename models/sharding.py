"""A model whose parameters, gradients and moments lie over the ranks of a process group (FSDP2), unit by unit.

A unit's parameters are gathered while it computes (`models.units`), those of the last one as long as a micro-batch
lasts. The autoencoder is never trained and whole on each rank.

With bf16 the products' weights are gathered in bf16, which is the rounding that autocast makes of them in one process;
masters, sums of gradients over ranks, embeddings, denoiser and the last unit stay float32. Norms inside a layer are
gathered with it, so their weights are rounded too, which one process does not do.

Source: torch.distributed.fsdp.fully_shard, tried with torch 2.13 alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.fsdp import FSDPModule, MixedPrecisionPolicy, fully_shard
from torch.distributed.tensor import DTensor, Shard
from torch.nn import functional as F

from errors import ConfigError
from models.checkpoint import typed, weights_of
from models.precision import DTYPES
from models.reconvla import ReconVLA
from models.units import units_of
from models.weight_files import WeightFiles
from models.weights import check_fit, write_weights, written_order

#: fp16 scales its gradients by what one process has seen of them.
PRECISIONS = ("fp32", "bf16")


def shard(model: ReconVLA, root: nn.Module, mesh: DeviceMesh, precision: str) -> list[FSDPModule]:
    """Divide `model`, which has no memory yet (device meta), over `mesh`; `root` holds it and is what is called.

    Gradients are summed over ranks, not averaged. Returns every unit, the last one at the end. Raises ConfigError for
    another precision than those of PRECISIONS.
    """
    if precision not in PRECISIONS:
        raise ConfigError(
            f"training over several ranks computes in {' or '.join(PRECISIONS)}, not in {precision}"
        )
    half = DTYPES[precision] if precision != "fp32" else None
    # The stream between blocks keeps its own type, as under autocast.
    products = MixedPrecisionPolicy(param_dtype=half, reduce_dtype=torch.float32, cast_forward_inputs=False)
    plain = MixedPrecisionPolicy(cast_forward_inputs=False)
    whole = set() if model.latents is None else set(model.latents.parameters())
    for unit in units_of(model):
        if unit.half and half is not None:
            _compute_norms_in_float32(unit.module)
        fully_shard(unit.module, mesh=mesh, mp_policy=products if unit.half else plain)
    fully_shard(root, mesh=mesh, mp_policy=plain, ignored_params=whole)
    sharded = [module for module in root.modules() if isinstance(module, FSDPModule)]
    for module in sharded:
        # Loss shares are those of the global batch. Gloo knows no average, and sums are exact where division is not.
        module.set_gradient_divide_factor(1.0)
        module.set_force_sum_reduction_for_comms(True)
    return [*sharded[1:], sharded[0]]


def _compute_norms_in_float32(unit: nn.Module) -> None:
    """As autocast has it on GPUs; on the processor torch refuses a LayerNorm whose weights are of another type than
    what it is given."""
    for module in unit.modules():
        if isinstance(module, nn.LayerNorm):
            module.forward = partial(_layer_norm, module)  # type: ignore[method-assign]


def _layer_norm(norm: nn.LayerNorm, x: Tensor) -> Tensor:
    return F.layer_norm(x.float(), norm.normalized_shape, norm.weight.float(), norm.bias.float(), norm.eps)


def fill_shards(
    model: ReconVLA,
    tensors: Mapping[str, Tensor],
    source: str,
    device: torch.device,
    moved: Callable[[], object] = lambda: None,
) -> None:
    """Give a model that `shard` divided its own part of `tensors`, trained ones as float32.

    Of `WeightFiles` each rank reads its own rows alone, a parameter at a time; what is not divided it reads whole.
    moved: called after each. Raises CheckpointError as `check_fit` does.
    """
    own = weights_of(model)
    check_fit(tensors, own, source)
    placed: dict[str, Tensor] = {}
    for name, tensor in own.items():
        moved()
        if not isinstance(tensor, DTensor):
            placed[name] = typed(tensors[name], torch.float32).contiguous().to(device)
            continue
        placed[name] = part_like(tensor, tensors, name, device)
    model.load_state_dict(placed, strict=False, assign=True)
    language, vision = model.language_model, model.vision_tower
    if model.config.language.tied_embeddings:
        language.lm_head.weight = language.model.embed_tokens.weight
    # Neither library stores these tables in a checkpoint.
    language.model.rotary_emb = type(language.model.rotary_emb)(config=language.config).to(device)
    vision.embeddings.position_ids = torch.arange(model.config.vision.patches, device=device)[None]


def part_like(divided: DTensor, tensors: Mapping[str, Tensor], name: str, device: torch.device) -> DTensor:
    """A tensor of `tensors` in float32, divided as `divided` is; a rank reads its own rows."""
    first, count = rows_of(divided)
    rows = typed(read_rows(tensors, name, first, count), torch.float32).to(device)
    return DTensor.from_local(
        rows,
        divided.device_mesh,
        divided.placements,
        run_check=False,
        shape=divided.shape,
        stride=divided.stride(),
    )


def nothing_of(model: ReconVLA) -> dict[str, Tensor]:
    """What `fill_shards` gives memory by where a checkpoint fills it: zeros, which take none themselves."""
    return {
        name: torch.zeros((), dtype=tensor.dtype).expand(tensor.shape)
        for name, tensor in weights_of(model).items()
    }


def rows_of(tensor: DTensor) -> tuple[int, int]:
    """(first, count): which rows of the whole tensor this rank holds; the last ranks may hold none."""
    (placement,) = tensor.placements
    assert isinstance(placement, Shard) and placement.dim == 0
    ranks, rank = tensor.device_mesh.size(), tensor.device_mesh.get_local_rank()
    each = -(-tensor.shape[0] // ranks)
    first = min(rank * each, tensor.shape[0])
    return first, min(each, tensor.shape[0] - first)


def read_rows(tensors: Mapping[str, Tensor], name: str, first: int, count: int) -> Tensor:
    """Rows first..first+count-1 of a tensor, in memory of their own; of files nothing else is read."""
    if isinstance(tensors, WeightFiles):
        return tensors.stored[name].read_rows(first, count)
    return tensors[name][first : first + count].clone()


def write_gathered(model: ReconVLA, path: Path, moved: Callable[[], object] = lambda: None) -> None:
    """The weights as one safetensors file, as `write_weights` would write them of one process; the first rank does, and
    holds one tensor at a time. Every rank has to call it. moved: called as bytes are written."""
    tensors = weights_of(model)
    if dist.get_rank() == 0:
        write_weights(tensors, path, fetch=gathered, seen=lambda _: moved())
        return
    for name in written_order(tensors):
        gathered(tensors[name])


def gathered(tensor: Tensor) -> Tensor:
    """The whole tensor on the processor. Every rank has to ask for the same ones in the same order."""
    whole: Any = tensor.full_tensor() if isinstance(tensor, DTensor) else tensor
    return whole.detach().cpu()
