"""Greedy decoding of an action chunk with a key-value cache against without one.

python -m benchmarks.decode_cache --size toy --rounds 5

Without a cache every token is a forward pass over the whole prompt and the answer so far. Both give the same
tokens (checked).
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from benchmarks.machine import describe
from models.action_tokenizer import OFFICIAL_STATE_STATISTICS, ActionTokenizer, IdArray
from models.batches import Batch
from models.generation import plain_tokens, prompt_batch
from models.prompt import PromptBuilder
from models.reconvla import ReconVLA
from models.sizes import SIZES, config_of_size
from models.tokenizer import build_word_tokenizer

_RESULT = Path(__file__).parent / "results" / "decode_cache.json"
_INSTRUCTION = "pull the handle to open the drawer"


@torch.inference_mode()
def without_cache(model: ReconVLA, batch: Batch, count: int) -> IdArray:
    """The same tokens as `plain_tokens`, for a batch without padding."""
    embeddings = model.embed(batch.input_ids, batch.images)
    tokens: list[torch.Tensor] = []
    for _ in range(count):
        states = model.language_model.model(inputs_embeds=embeddings, use_cache=False).last_hidden_state
        tokens.append(model.language_model.lm_head(states[:, -1]).float().argmax(dim=-1))
        following = model.language_model.get_input_embeddings()(tokens[-1][:, None])
        embeddings = torch.cat([embeddings, following], dim=1)
    return torch.stack(tokens, dim=1).cpu().numpy()


def main() -> None:
    """Alternate both ways, print the ratio of the medians, write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", choices=tuple(SIZES), default="toy")
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", type=Path, default=_RESULT)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    tokenizer = build_word_tokenizer([_INSTRUCTION])
    config = config_of_size(arguments.size, len(tokenizer) if arguments.size == "toy" else None)
    # The same answer to everything would hide a wrong cache: fresh weights tie embeddings and output.
    language = dataclasses.replace(config.language, tied_embeddings=False)
    config = dataclasses.replace(config, language=language).without_reconstruction()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    model = ReconVLA(config, seed=0).to(device).eval()
    prompts = PromptBuilder(
        tokenizer, ActionTokenizer(config.language.action_vocab_size), OFFICIAL_STATE_STATISTICS
    )
    random = np.random.default_rng(0)
    side = config.vision.image_size
    images = [random.integers(0, 256, (side, side, 3), dtype=np.uint8) for _ in range(arguments.batch)]
    states = [prompts.prompt(_INSTRUCTION, random.normal(size=15)) for _ in images]
    batch = prompt_batch(model, images, states)
    ways: dict[str, Callable[[ReconVLA, Batch, int], IdArray]] = {
        "cache": plain_tokens,
        "no cache": without_cache,
    }
    answers = {name: way(model, batch, config.action_tokens) for name, way in ways.items()}
    assert (answers["cache"] == answers["no cache"]).all(), "both ways must give the same tokens"
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(arguments.rounds):
        for name, way in ways.items():
            began = time.perf_counter()
            way(model, batch, config.action_tokens)
            seconds[name].append(time.perf_counter() - began)
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    document = {
        "size": arguments.size,
        "device": str(device),
        "batch": arguments.batch,
        "threads": arguments.threads,
        "prompt_positions": batch.input_ids.shape[1],
        "tokens": config.action_tokens,
        "distinct_tokens": len(set(answers["cache"].reshape(-1).tolist())),
        "milliseconds_per_chunk": {name: round(value * 1000, 1) for name, value in medians.items()},
        "ratio": round(medians["no cache"] / medians["cache"], 2),
        "machine": describe(),
    }
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    earlier = json.loads(arguments.out.read_text()) if arguments.out.is_file() else {}
    arguments.out.write_text(
        json.dumps({**earlier, arguments.size: document}, indent=2) + "\n", encoding="utf-8"
    )
    print(json.dumps(document["milliseconds_per_chunk"] | {"ratio": document["ratio"]}))  # type: ignore[operator]


if __name__ == "__main__":
    main()
