"""Numbers that are not finite never become a figure: a greedy choice among NaN would be id 0, the boldest action."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from errors import NotFinite

_NAMES = {torch.float32: "fp32", torch.bfloat16: "bf16", torch.float16: "fp16"}
#: 4 bits compute in fp16 (`models.four_bit`), whose greatest number is 65,504; Qwen2's states can pass it.
_OPTIONS = "--precision, evaluation.precision, or training.precision while it trains"
_SHORT_RANGE = f"bf16 and fp32 reach further ({_OPTIONS})"
_REMEDIES = {
    "fp32": "the weights are damaged, or diverged in training",
    "bf16": f"fp32 is more exact ({_OPTIONS}); where it gives the same, the weights are damaged",
}


def check_finite(model: Any, values: Tensor, where: str) -> None:
    """Raises NotFinite unless all of `values`, which `model` gave, are finite.

    where: which of its numbers they are, for the message. Waits for the device once.
    """
    if not bool(values.isfinite().all()):
        raise not_finite(model, where)


def check_finite_steps(model: Any, steps: Tensor, where: str) -> None:
    """Like `check_finite` for (B, tokens) bool: whether all that a row's token was chosen among was finite.

    Names the first row and token that was not.
    """
    if bool(steps.all()):
        return
    row, token = (int(place) for place in (~steps).nonzero()[0])
    raise not_finite(
        model, f"{where} of row {row + 1} of {steps.shape[0]}, token {token + 1} of {steps.shape[1]}"
    )


def not_finite(model: Any, where: str) -> NotFinite:
    """The error, naming the model's source, the precision it computed in, and what helps."""
    precision = precision_of(model)
    source = getattr(model, "source", None) or "the model"
    remedy = _REMEDIES.get(precision, _SHORT_RANGE)
    return NotFinite(f"{source} gives numbers that are not finite in {precision} ({where}): {remedy}")


def precision_of(model: Any) -> str:
    """What products are computed in: autocast's type where it is on, else that of the language model's weights."""
    weight = model.language_model.get_input_embeddings().weight
    if torch.is_autocast_enabled(weight.device.type):
        kind = torch.get_autocast_dtype(weight.device.type)
    elif any(hasattr(parameter, "quant_state") for parameter in model.language_model.parameters()):
        return "4bit"
    else:
        kind = weight.dtype
    return _NAMES.get(kind, str(kind).removeprefix("torch."))
