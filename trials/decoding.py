"""Decoding in few operations against plain greedy decoding: the same tokens, chunk by chunk.

    python -m trials.decoding [--preset quick] [--chunks 10000] [--steps 1500] [--json FILE]

The toy of a preset is trained on demonstrations of the expert and asked for chunks on frames of others, alone, eight at
once, and padded as an evaluation pads them; in float32 and in bf16, which is always decoded plainly. Printed beside
the tokens that differ (none may): how many batches were left to plain decoding, how far logits of the two ways are
apart at most, and how far a token must be ahead, both as shares of the greatest logit.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator, Mapping
from itertools import cycle, islice
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import torch

from benchmarks.trained_toy import trained_toy
from models import short_decoding
from models.batches import Batch
from models.generation import greedy_tokens, plain_tokens, prompt_batch
from models.reconvla import ReconVLA
from models.short_decoding import few_operations, short_tokens
from trials import RESULTS, keep

#: Rows, and whether they are padded as an evaluation pads them.
_SHAPES = ((1, False), (8, False), (8, True))


def main() -> int:
    """Ends with 1 where a token differs."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--preset", default="quick")
    parser.add_argument("--demonstrations", type=int, default=2, help="of each task")
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--toy", type=Path, help="a folder that keeps it, and is read where it has one")
    parser.add_argument("--chunks", type=int, default=10_000, help="of each precision")
    parser.add_argument("--json", type=Path, default=RESULTS / "decoding.json")
    options = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        toy = trained_toy(options.toy or Path(folder), options.preset, options.demonstrations, options.steps)
        model, questions = ReconVLA.from_pretrained(toy.model).eval(), dict(np.load(toy.questions))
    found = {"float32": _compared(model, questions, options.chunks)}
    found["bf16"] = _compared(model.bfloat16(), questions, options.chunks)
    for name, figures in found.items():
        print(f"{name}: {figures}")
    about = {"preset": options.preset, "steps": options.steps, "demonstrations": options.demonstrations}
    keep(options.json, "tokens of plain decoding", {**about, "found": found})
    return 1 if any(figures["chunks_that_differ"] for figures in found.values()) else 0


@torch.inference_mode()
def _compared(model: ReconVLA, questions: Mapping[str, Any], chunks: int) -> dict[str, Any]:
    differ = left = batches = done = 0
    apart, count = 0.0, model.config.answer_tokens
    for batch in _batches(model, questions):
        if done >= chunks:
            break
        plain, logits = _noted(model, batch, count)
        differ += int((greedy_tokens(model, batch, count) != plain).any(axis=1).sum())
        done, batches = done + len(batch), batches + 1
        if few_operations(model):
            tokens, short = _short(model, batch, count)
            left += tokens is None
            # Behind a token that is left to plain decoding there is nothing to compare.
            for one, other in zip(short, logits, strict=False):
                size = other.abs().amax(dim=-1)
                apart = max(apart, float(((one - other).abs().amax(dim=-1) / size).max()))
        else:
            left += 1
    return {
        "chunks": done, "chunks_that_differ": differ, "batches": batches, "batches_decoded_plainly": left,
        "logits_apart_at_most": apart, "must_be_ahead_by": short_decoding._ROOM,
    }  # fmt: skip


def _batches(model: ReconVLA, questions: Mapping[str, Any]) -> Iterator[Batch]:
    rows_of = cycle(range(len(questions["images"])))
    for rows, padded in cycle(_SHAPES):
        chosen = list(islice(rows_of, rows))
        prompts = [questions["prompts"][row, : questions["ends"][row]] for row in chosen]
        length = int(questions["length"]) if padded else None
        yield prompt_batch(model, [questions["images"][row] for row in chosen], prompts, length)


def _noted(model: ReconVLA, batch: Batch, count: int) -> tuple[Any, list[torch.Tensor]]:
    logits: list[torch.Tensor] = []
    note = model.language_model.lm_head.register_forward_hook(
        lambda _module, _given, made: logits.append(made)
    )
    try:
        return plain_tokens(model, batch, count), logits
    finally:
        note.remove()


def _short(model: ReconVLA, batch: Batch, count: int) -> tuple[Any, list[torch.Tensor]]:
    logits: list[torch.Tensor] = []
    ahead = short_decoding._ahead

    def noted(made: torch.Tensor, allowed: range | None) -> torch.Tensor | None:
        logits.append(made)
        return ahead(made, allowed)

    with mock.patch.object(short_decoding, "_ahead", noted):
        return short_tokens(model, batch, count), logits


if __name__ == "__main__":
    sys.exit(main())
