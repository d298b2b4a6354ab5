"""What a model costs, from its shapes alone: parameters, floating-point operations, memory.

Operations count multiply and add as two. Activations follow the tensors that autograd keeps in a Qwen2 block
(as Korthikanti et al. 2022, arXiv 2205.05198, count a GPT block); the fused attention keeps no scores.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass

import torch

from models.config import ReconVLAConfig
from models.part_configs import LanguageConfig
from models.reconvla import ReconVLA

#: Words of a prompt beside pictures, states and answer (official code, R1: 785 to 797 positions, 729 of them pictures).
_TEXT_TOKENS = 48
GIB = 2**30


@dataclass(frozen=True)
class Method:
    """How a model is trained. `bytes_per_weight` of the frozen language model: 2 in half precision, 0.5625 in
    NF4 (4 bits and a float32 scale for every 64 weights)."""

    name: str
    full: bool  # the language model itself is trained, in float32
    half: bool  # products in 16 bits
    checkpointing: bool
    bytes_per_weight: float = 4.0
    adapter_rank: int = 0


METHODS = (
    Method("full, bf16, gradient checkpointing", full=True, half=True, checkpointing=True),
    Method("LoRA, bf16", False, True, True, bytes_per_weight=2.0, adapter_rank=16),
    Method("QLoRA, fp16", False, True, True, bytes_per_weight=0.5625, adapter_rank=16),
)


@dataclass(frozen=True)
class Costs:
    """Of one training step with one sample a micro-batch. Memory in GiB; more samples have their own activations each.

    copied: what a checkpoint copies to the host's memory before it is written, which is no part of `total`.

    Not counted: what libraries take for themselves, pieces that no tensor fits in, and the 16-bit copies of float32
    weights that autocast keeps for the length of a forward pass (2 bytes a trained weight of a product).
    """

    positions: int
    trained_parameters: int
    weights: float
    gradients: float
    optimizer: float
    activations: float
    copied: float
    total: float
    flops_per_sample: float

    @property
    def fixed(self) -> float:
        """What does not grow with the micro-batch, GiB."""
        return self.total - self.activations

    def with_samples(self, micro_batch: int) -> float:
        """GiB with this many samples a micro-batch."""
        return self.fixed + micro_batch * self.activations

    def largest_micro_batch(self, memory: float) -> int:
        """The most samples a micro-batch in so many GiB; 0 where not one fits."""
        return max(0, int((memory - self.fixed) / self.activations))

    def to_dict(self) -> dict[str, float]:
        return {
            name: round(value, 3) if isinstance(value, float) else value
            for name, value in asdict(self).items()
        }


def count_parameters(config: ReconVLAConfig) -> dict[str, int]:
    """Parameters by part, and of some parts what does the work: `embeddings` of the language model,
    `running_vision` (the last layer, the final norm and the pooling head never run) and `denoiser_blocks`,
    which see every token of every repeat. Nothing is allocated.
    """
    with torch.device("meta"):
        model = ReconVLA(config)
    counts = {
        name: sum(parameter.numel() for parameter in part.parameters())
        for name, part in model.named_children()
    }
    language = model.language_model
    embedding = language.model.embed_tokens.weight.numel()
    counts["embeddings"] = embedding * (1 if config.language.tied_embeddings else 2)
    running = [model.vision_tower.embeddings.patch_embedding, *model.vision_tower.encoder.layers[:-1]]
    counts["running_vision"] = sum(p.numel() for module in running for p in module.parameters())
    if model.denoiser is not None:
        once = [model.denoiser.t_embedder, model.denoiser.z_embedder]
        apart = sum(p.numel() for module in once for p in module.parameters())
        counts["denoiser_blocks"] = counts["denoiser"] - apart
    return counts


def training_costs(config: ReconVLAConfig, method: Method) -> Costs:
    """Memory and operations of a training step with one sample a micro-batch."""
    counts = count_parameters(config)
    language = config.language
    positions = (
        config.vision.patches * config.pictures + config.state_dims + config.answer_tokens + _TEXT_TOKENS
    )
    blocks = counts["language_model"] - counts["embeddings"]
    adapters = 0 if method.full else _adapter_parameters(config, method.adapter_rank)
    others = (
        counts["projector"]
        + counts.get("denoiser", 0)
        + (0 if config.vision.frozen else counts["vision_tower"])
    )
    trained = others + adapters + (counts["language_model"] if method.full else 0)
    width = 2 if method.half else 4
    frozen_embeddings = 0 if method.full else counts["embeddings"] * width
    frozen_blocks = 0 if method.full else blocks * method.bytes_per_weight
    frozen_vision = counts["vision_tower"] * (4 if method.full else width) if config.vision.frozen else 0
    weights = 4 * trained + frozen_blocks + frozen_embeddings + frozen_vision + 4 * counts.get("latents", 0)
    kept = _block_bytes(config, positions, width)
    hidden = positions * language.hidden * width
    layers = language.layers * hidden + kept if method.checkpointing else language.layers * kept
    logits = 3 * 4 * (config.answer_tokens + 1) * language.vocab_size
    activations = layers + logits + _denoiser_bytes(config)
    flops = training_flops(config, method.full, method.checkpointing, positions, counts)
    saved = weights + 8 * trained if method.full else 12 * trained  # of adapters, what is trained alone
    return Costs(
        positions=positions,
        trained_parameters=trained,
        weights=weights / GIB,
        gradients=4 * trained / GIB,
        optimizer=8 * trained / GIB,
        activations=activations / GIB,
        copied=saved / GIB,
        total=(weights + 12 * trained + activations) / GIB,
        flops_per_sample=flops,
    )


def training_flops(
    config: ReconVLAConfig,
    full: bool,
    checkpointing: bool,
    positions: int,
    counts: Mapping[str, int] | None = None,
) -> float:
    """Operations for one sample: forward 2, gradients of states 2 and of weights 2 for each weight and position.

    Recomputation under gradient checkpointing is one more forward pass. Of the autoencoder, a convolution net,
    nothing is counted.
    """
    counts = counts or count_parameters(config)
    language, vision = config.language, config.vision
    blocks = counts["language_model"] - counts["embeddings"]
    passes = 1 + (1 if checkpointing else 0) + (2 if full else 1)
    # Causal scores and their products with the values: half of 4 L h T.
    attention = 2 * language.layers * language.hidden * positions
    total = passes * positions * (2 * blocks + attention)
    total += 3 * 2 * (config.answer_tokens + 1) * language.vocab_size * language.hidden
    total += 2 * counts["running_vision"] * vision.patches * config.pictures * (1 if vision.frozen else 3)
    total += 3 * 2 * counts["projector"] * vision.patches * config.pictures
    if config.denoiser is not None:
        conditions = config.denoiser.width * language.hidden  # once a sample, whatever the repeats
        total += 3 * 2 * vision.patches * (counts["denoiser_blocks"] * config.denoiser.repeats + conditions)
    return float(total)


def _adapter_parameters(config: ReconVLAConfig, rank: int) -> int:
    language = config.language
    keys, queries = (_head_width(language) * heads for heads in (language.kv_heads, language.heads))
    shapes = [(language.hidden, queries)] * 2 + [(language.hidden, keys)] * 2
    shapes += [(language.hidden, language.mlp_width)] * 3
    return language.layers * rank * sum(inside + outside for inside, outside in shapes)


def _head_width(language: LanguageConfig) -> int:
    return language.head_width or language.hidden // language.heads


def _block_bytes(config: ReconVLAConfig, positions: int, width: int) -> float:
    """What one block keeps for its backward pass."""
    language = config.language
    keys = _head_width(language) * language.kv_heads
    # Both norms keep input and output and work in float32; queries, attention output and its projection.
    states = 7 * language.hidden * width + 2 * 2 * language.hidden * 4
    return float(positions * (states + 2 * keys * width + 4 * language.mlp_width * width))


def _denoiser_bytes(config: ReconVLAConfig) -> float:
    """The denoiser works in float32 and keeps about 34 widths a token and block, and the conditions."""
    if config.denoiser is None:
        return 0.0
    tokens = config.vision.patches * config.denoiser.repeats
    return float(4 * tokens * config.denoiser.width * (34 * config.denoiser.depth + 8))
