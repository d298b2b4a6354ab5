"""Memory, operations and, on a GPU, speed of training `small` and `7b` from random weights.

python -m benchmarks.model_memory

Without a GPU the figures are computed from shapes and say so. With one the step is also run: peak memory,
positions per second, and model FLOP utilisation against `--peak-tflops` of the GPU (its data sheet's dense
figure for the precision). What a card needs where training in full is divided over several (`models.rank_costs`) is
computed in any case.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import torch

from benchmarks.machine import describe
from models.adapters import add_adapters
from models.batches import Batch, draw_noise
from models.config import ReconVLAConfig
from models.costs import METHODS, Method, count_parameters, training_costs
from models.prompt import IGNORED_LABEL, IMAGE_PLACEHOLDER
from models.rank_costs import rank_costs
from models.reconvla import ReconVLA
from models.sizes import config_of_size
from tasks.train.optimizer import make_optimizer

#: Numbers of cards, what one called 80 GB has, and the share of it that an estimate should leave free.
_CARDS, _CARD_GIB, _SPARE = (1, 2, 4, 8, 16), 79.0, 0.1
_RESULT = Path(__file__).parent / "results" / "model_memory.json"


def main() -> None:
    """Print a line for each size and method, write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", default="small,7b")
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--micro-batch", type=int, default=1)
    parser.add_argument("--peak-tflops", type=float, default=None)
    parser.add_argument("--card-gib", type=float, default=_CARD_GIB)
    parser.add_argument("--out", type=Path, default=_RESULT)
    arguments = parser.parse_args()
    document: dict[str, Any] = {
        "computed": {},
        "cards": {},
        "measured": {} if torch.cuda.is_available() else None,
    }
    for size in arguments.sizes.split(","):
        config = config_of_size(size)
        document["computed"][size] = {"parameters": count_parameters(config)}
        document["cards"][size] = _by_cards(config, arguments.card_gib)
        for cards, needs in document["cards"][size]["by_number"].items():
            print(
                f"{size}, {METHODS[0].name}, {cards} cards: computed {needs['total']:.1f} GiB each,"
                f" micro-batch {needs['largest_micro_batch']} at most"
            )
        for method in METHODS:
            costs = training_costs(config, method).to_dict()
            document["computed"][size][method.name] = costs
            print(
                f"{size}, {method.name}: computed {costs['total']:.1f} GiB, {costs['flops_per_sample']:.2e} FLOP"
            )
            if document["measured"] is not None:
                measured = measure(
                    config,
                    method,
                    arguments.steps,
                    arguments.micro_batch,
                    arguments.peak_tflops,
                    torch.device("cuda"),
                )
                document["measured"].setdefault(size, {})[method.name] = measured
                print(f"{size}, {method.name}: measured {json.dumps(measured)}")
    document["machine"] = describe()
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")


def _by_cards(config: ReconVLAConfig, card_gib: float) -> dict[str, Any]:
    """GiB of a card by their number; one is not divided."""
    usable = card_gib * (1 - _SPARE)
    needs = {cards: rank_costs(config, METHODS[0], cards) for cards in _CARDS}
    return {
        "method": METHODS[0].name,
        "card_gib": card_gib,
        "spare": _SPARE,
        "by_number": {
            str(cards): {**each.to_dict(), "largest_micro_batch": each.largest_micro_batch(usable)}
            for cards, each in needs.items()
        },
    }


def measure(
    config: ReconVLAConfig,
    method: Method,
    steps: int,
    micro_batch: int,
    peak_tflops: float | None,
    device: torch.device,
    backend: str | None = None,
) -> dict[str, Any]:
    """Peak memory and speed of forward, backward and AdamW on one device; `out of memory` where it does not fit.

    backend: of torch.compile, None: not compiled. The peak is a GPU's; on the processor it is None.
    """
    on_gpu = device.type == "cuda"
    if on_gpu:
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    costs = training_costs(config, method)
    dtype = torch.bfloat16 if "bf16" in method.name else torch.float16
    try:
        with torch.device(device):
            model = ReconVLA(config, seed=0)
        model.train()
        if not method.full:
            four_bit = method.bytes_per_weight < 1
            add_adapters(model, method.adapter_rank, 32, 0, four_bit=four_bit, compute_dtype=dtype)
            model.to(device)
        model.recompute_activations()
        if backend is not None:
            model.compile(backend=backend)
        optimizer = make_optimizer(model, 1e-5, 0.0)
        batch = made_up_batch(config, costs.positions, micro_batch).to(device)
        draws = draw_noise(config, micro_batch, torch.Generator().manual_seed(0))
        seconds = []
        for _ in range(steps):
            _wait(on_gpu)
            began = time.perf_counter()
            optimizer.zero_grad(set_to_none=True)
            with torch.autocast(device.type, dtype):
                loss = model(batch, None if draws is None else draws.to(device)).total
            loss.backward()
            optimizer.step()
            _wait(on_gpu)
            seconds.append(time.perf_counter() - began)
    except torch.cuda.OutOfMemoryError:
        return {"out of memory": True}
    step = min(seconds)
    used = costs.flops_per_sample * micro_batch / step
    return {
        "peak_gib": round(torch.cuda.max_memory_allocated() / 2**30, 2) if on_gpu else None,
        "first_step_seconds": round(seconds[0], 4),
        "step_seconds": round(step, 4),
        "positions_per_second": round(costs.positions * micro_batch / step, 1),
        "achieved_tflops": float(f"{used / 1e12:.3g}"),
        "model_flop_utilisation": None if peak_tflops is None else round(used / 1e12 / peak_tflops, 3),
    }


def _wait(on_gpu: bool) -> None:
    if on_gpu:
        torch.cuda.synchronize()


def made_up_batch(config: ReconVLAConfig, positions: int, size: int) -> Batch:
    """`size` samples of noise, each with a gaze region."""
    ids = torch.randint(0, config.language.action_vocab_size, (size, positions))
    ids[:, 8 : 8 + config.vision.patches] = IMAGE_PLACEHOLDER
    labels = torch.full_like(ids, IGNORED_LABEL)
    labels[:, -config.answer_tokens - 1 :] = ids[:, -config.answer_tokens - 1 :]
    side = config.vision.image_size
    pictures = torch.rand(size, 3, side, side) * 2 - 1
    return Batch(ids, labels, torch.ones_like(ids, dtype=torch.bool), pictures, pictures,
                 torch.ones(size, dtype=torch.bool))  # fmt: skip


if __name__ == "__main__":
    main()
