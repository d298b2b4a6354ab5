"""What a training step of a preset's arm is made of: matrix products, attention, all else.

    python -m benchmarks.step_products [--preset quick] [--arm recon]

Processor milliseconds on one thread, by operation, in the plain loop that `train_throughput` compares with. Products
cannot be fewer for the same model, so `at_most` is how many times faster a step could be if all else cost nothing.
`gflops` are those of the products: how near they are to what the processor can do.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from benchmarks import made_up_index
from benchmarks.machine import describe
from experiments.reconvla.arms import built_in_method
from experiments.reconvla.model_plan import planned_model
from experiments.reconvla.named_config import load_config
from models.batches import collate, draw_noise
from models.recipe import initial_model, recipe_of
from tasks.data.index_reader import load_index
from tasks.data.samples import sample_of
from tasks.train.optimizer import make_optimizer

_RESULT = Path(__file__).parent / "results" / "step_products.json"
_PRODUCTS = ("mm", "addmm", "bmm", "convolution", "mkldnn_convolution", "convolution_backward")


class _Timed(TorchDispatchMode):
    """Milliseconds of the processor by kind of operation."""

    def __init__(self) -> None:
        super().__init__()
        self.spent: Counter[str] = Counter()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        began = time.process_time()
        made = func(*args, **(kwargs or {}))
        name = func.overloadpacket.__name__
        kind = "products" if name in _PRODUCTS else "attention" if "scaled_dot_product" in name else "else"
        self.spent[kind] += 1000 * (time.process_time() - began)  # type: ignore[assignment]
        return made


def main() -> None:
    """Print the milliseconds, write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--preset", default="quick")
    parser.add_argument("--arm", default="recon")
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--out", type=Path, default=_RESULT)
    options = parser.parse_args()
    torch.set_num_threads(1)
    step = _step(options.preset, options.arm)
    for _ in range(3):
        step()
    whole, kinds = [], list[Counter[str]]()
    for _ in range(options.steps):
        began = time.process_time()
        step()
        whole.append(1000 * (time.process_time() - began))
        with _Timed() as timed:
            step()
        kinds.append(timed.spent)
    with FlopCounterMode(display=False) as counted:
        step()
    total = statistics.median(whole)
    parts = {
        name: statistics.median(one[name] for one in kinds) for name in ("products", "attention", "else")
    }
    document = {
        "preset": options.preset,
        "arm": options.arm,
        "step_ms": round(total, 2),
        "ms": {name: round(value, 2) for name, value in parts.items()},
        "at_most": round(total / parts["products"], 2),
        "at_most_with_attention": round(total / (parts["products"] + parts["attention"]), 2),
        "gflops": round(_products(counted) / parts["products"] / 1e6, 1),
        "machine": describe(),
    }
    options.out.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    print(json.dumps({name: value for name, value in document.items() if name != "machine"}))


def _products(counted: FlopCounterMode) -> float:
    """Operations of the step's products, without attention's."""
    of_all = counted.get_flop_counts()["Global"]
    return float(sum(count for op, count in of_all.items() if str(op).rpartition(".")[2] in _PRODUCTS))


def _step(preset: str, arm: str) -> Callable[[], None]:
    config = load_config(preset, None, ())
    settings = config.training
    method = built_in_method(arm)
    spec = planned_model(
        config.model, {}, method, settings.reconstruction_weight, [made_up_index.INSTRUCTION]
    )
    recipe = recipe_of(spec)
    model = initial_model(recipe, spec, 0).train()
    optimizer = make_optimizer(model, settings.learning_rate, settings.weight_decay)
    with tempfile.TemporaryDirectory() as folder:
        inputs = made_up_index.write(Path(folder), 2 * settings.batch_size)
        index = load_index(inputs, recipe.config.vision.image_size)
        samples = [sample_of(recipe, index, row) for row in range(settings.batch_size)]
    batch = collate(samples, recipe.config, recipe.pad_id)
    draws = draw_noise(recipe.config, len(batch), torch.Generator().manual_seed(0))

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        model(batch, draws).total.backward()
        torch.nn.utils.clip_grad_norm_(model.trained_parameters(), settings.gradient_clip, foreach=False)
        optimizer.step()

    return step


if __name__ == "__main__":
    main()
