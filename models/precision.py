"""In what precision a model is trained and judged, and the scaling of gradients that half precision needs.

In training bf16 and fp16 are autocast: weights, sums of gradients and moments stay in float32. fp16 has little
range, so losses are scaled up and gradients down again; the scale adapts, so it is part of a checkpoint. A step
whose gradients overflow is left out, which is as deterministic as any other.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor

from errors import TrainingDiverged

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}

#: Products beside weights in 4 bits: every GPU has them in fp16, a T4 none in bf16.
FOUR_BIT_PRODUCTS = torch.float16
#: What a trained model can be judged in, and the type of its weights then. Of `4bit` only the blocks of the language
#: model are packed. Denoiser and latent encoder are float32 in any case.
JUDGED = {**DTYPES, "4bit": FOUR_BIT_PRODUCTS}

#: A scale this small means that no scale helps: gradients are infinite or NaN by themselves.
_LEAST_SCALE = 2.0**-20
_STATE = "gradient_scaler"


def autocast(precision: str, device: torch.device) -> AbstractContextManager[Any]:
    """The context of forward passes."""
    if precision == "fp32":
        return nullcontext()
    return torch.autocast(device.type, DTYPES[precision])


def make_scaler(precision: str, device: torch.device) -> torch.amp.GradScaler:
    """Scales for fp16, passes everything through otherwise."""
    return torch.amp.GradScaler(device.type, enabled=precision == "fp16")


def scaler_state(scaler: torch.amp.GradScaler) -> dict[str, Tensor]:
    """What an optimizer's checkpoint holds beside its moments; nothing where nothing is scaled."""
    if not scaler.is_enabled():
        return {}
    state = scaler.state_dict()
    return {_STATE: torch.tensor([state["scale"], state["_growth_tracker"]], dtype=torch.float64)}


def load_scaler(scaler: torch.amp.GradScaler, tensors: dict[str, Tensor]) -> None:
    """Inverse of `scaler_state`; takes its entry out of `tensors`."""
    saved = tensors.pop(_STATE, None)
    if saved is not None and scaler.is_enabled():
        scale, steps = saved.tolist()
        scaler.load_state_dict({**scaler.state_dict(), "scale": scale, "_growth_tracker": int(steps)})


def check_scale(scaler: torch.amp.GradScaler, step: int) -> None:
    """Raises TrainingDiverged when the scale collapsed."""
    if scaler.is_enabled() and scaler.get_scale() < _LEAST_SCALE:
        raise TrainingDiverged(
            f"gradients overflow at every scale down to {scaler.get_scale():.1e} at step {step};"
            " the last checkpoint is kept"
        )
