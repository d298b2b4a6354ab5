"""Configuration of each part of a ReconVLA model: its towers, what is reconstructed, and the denoiser."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

from models.activations import AUTOENCODER_ACTIVATIONS, TRANSFORMER_ACTIVATIONS
from models.plain_values import LATER, require
from models.rope import RopeScaling
from settings.shown import shown

#: Number of action tokens; also how many ids at the end of the tokenizer's vocabulary they occupy.
ACTION_BINS = 256

#: More than any model has: of layers or blocks, of stages of an autoencoder, of anything else.
MOST_LAYERS, MOST_STAGES, MOST_SIZE = 1000, 8, 1 << 24
_COUNTED = ("layers", "depth", "layers_per_block")

#: Kinds of a language model's layers, as transformers calls them.
FULL, SLIDING = "full_attention", "sliding_attention"
#: Names of Pillow's filters, which `models.images` resizes with.
RESAMPLINGS = ("nearest", "lanczos", "bilinear", "bicubic", "box", "hamming")


def _require_one_of(name: str, value: str, known: Collection[str]) -> None:
    require(value in known, name, f"must be one of {', '.join(sorted(known))}, got {shown(value)}")


def _require_positive(config: Any, prefix: str, *fields: str) -> None:
    for name in fields:
        value = getattr(config, name)
        require(value > 0, f"{prefix}.{name}", f"must be positive, got {shown(value)}")
        most = MOST_LAYERS if name in _COUNTED else MOST_SIZE
        require(
            isinstance(value, float) or value <= most,
            f"{prefix}.{name}",
            f"must be at most {most}, got {shown(value)}",
        )


@dataclass(frozen=True)
class VisionConfig:
    """SigLIP tower. The feature is the output of the layer before the last one, so it needs two or more."""

    image_size: int  # px, square
    patch_size: int  # px
    width: int
    layers: int
    heads: int
    mlp_width: int
    pooling_head: bool  # carried only so that the original checkpoints round-trip; never run
    frozen: bool
    hidden_act: str = field(default="gelu_pytorch_tanh", metadata=LATER)
    norm_eps: float = field(default=1e-6, metadata=LATER)
    #: Of values 0 to 1, by colour: what its pictures are normalised with.
    image_mean: tuple[float, ...] = field(default=(0.5, 0.5, 0.5), metadata=LATER)
    image_std: tuple[float, ...] = field(default=(0.5, 0.5, 0.5), metadata=LATER)
    resample: str = field(default="bicubic", metadata=LATER)  # how they are brought to its size

    def __post_init__(self) -> None:
        _require_positive(
            self, "vision", "image_size", "patch_size", "width", "heads", "mlp_width", "norm_eps"
        )
        _require_one_of("vision.hidden_act", self.hidden_act, TRANSFORMER_ACTIVATIONS)
        _require_one_of("vision.resample", self.resample, RESAMPLINGS)
        for name, values in (("image_mean", self.image_mean), ("image_std", self.image_std)):
            require(
                len(values) == 3 and (name == "image_mean" or all(value > 0 for value in values)),
                f"vision.{name}",
                f"must be three numbers{'' if name == 'image_mean' else ' above 0'}, got {shown(list(values))}",
            )
        require(
            2 <= self.layers <= MOST_LAYERS,
            "vision.layers",
            f"must be at least 2 and at most {MOST_LAYERS}, got {shown(self.layers)}",
        )
        require(
            self.patch_size <= self.image_size,
            "vision.patch_size",
            f"must not exceed vision.image_size ({self.image_size}), got {self.patch_size}",
        )
        require(
            self.width % self.heads == 0,
            "vision.heads",
            f"must divide vision.width ({self.width}), got {self.heads}",
        )

    @property
    def grid(self) -> int:
        """Patches per side; pixels beyond the last whole patch are not seen (so400m: 27 of 384 // 14)."""
        return self.image_size // self.patch_size

    @property
    def patches(self) -> int:
        return self.grid**2


@dataclass(frozen=True)
class LanguageConfig:
    """Qwen2. `action_vocab_size` is the tokenizer's own size (Qwen2: 151643, below its special tokens)."""

    vocab_size: int  # rows of the embedding
    action_vocab_size: int  # the 256 ids just below this one are the action tokens
    hidden: int
    layers: int
    heads: int
    kv_heads: int
    mlp_width: int
    max_positions: int
    rope_theta: float
    tied_embeddings: bool
    smooth_action_init: bool
    #: Deviation of initial weights. Qwen2's own suits thousands of channels; 1 / sqrt(hidden) suits any.
    initializer_range: float = 0.02
    hidden_act: str = field(default="silu", metadata=LATER)
    norm_eps: float = field(default=1e-6, metadata=LATER)
    head_width: int | None = field(default=None, metadata=LATER)  # None: hidden / heads
    rope_scaling: RopeScaling | None = field(default=None, metadata=LATER)
    #: Tokens that a layer of kind SLIDING looks back over; `layer_kinds` names each layer's, None: all are FULL.
    sliding_window: int | None = field(default=None, metadata=LATER)
    layer_kinds: tuple[str, ...] | None = field(default=None, metadata=LATER)
    longest_prompt: int | None = field(default=None, metadata=LATER)  # beyond it the official code cuts

    def __post_init__(self) -> None:
        _require_one_of("language.hidden_act", self.hidden_act, TRANSFORMER_ACTIVATIONS)
        kinds = self.layer_kinds or ()
        require(
            set(kinds) <= {FULL, SLIDING} and len(kinds) in (0, self.layers),
            "language.layer_kinds",
            f"must name {self.layers} layers, each {FULL} or {SLIDING}, got {shown(kinds)}",
        )
        require(
            (SLIDING in kinds) == (self.sliding_window is not None and self.sliding_window > 0),
            "language.sliding_window",
            f"must be positive where a layer is {SLIDING}, and null elsewhere, got {self.sliding_window}",
        )
        require(
            self.head_width is None or (self.head_width > 0 and self.head_width % 2 == 0),
            "language.head_width",
            f"must be positive and even, got {self.head_width}",
        )
        _require_positive(
            self,
            "language",
            "initializer_range",
            "norm_eps",
            "rope_theta",
            "vocab_size",
            "hidden",
            "layers",
            "heads",
            "kv_heads",
            "mlp_width",
            "max_positions",
        )
        require(
            self.head_width is not None
            or (self.hidden % self.heads == 0 and (self.hidden // self.heads) % 2 == 0),
            "language.heads",
            f"must split language.hidden ({self.hidden}) into heads of even width, got {self.heads}",
        )
        require(
            self.heads % self.kv_heads == 0,
            "language.kv_heads",
            f"must divide language.heads ({self.heads}), got {self.kv_heads}",
        )
        require(
            ACTION_BINS < self.action_vocab_size <= self.vocab_size,
            "language.action_vocab_size",
            f"must lie between {ACTION_BINS + 1} and language.vocab_size ({self.vocab_size}),"
            f" got {self.action_vocab_size}",
        )

    @property
    def most_positions(self) -> int:
        """The most positions that a prompt may take and be computed as the official code does."""
        limits = [self.max_positions, self.longest_prompt]
        if self.rope_scaling is not None:
            limits.append(self.rope_scaling.most_positions)
        return min(limit for limit in limits if limit is not None)


@dataclass(frozen=True)
class AutoencoderConfig:
    """Architecture of a diffusers `AutoencoderKL`; FLUX.1's has no quantisation convolutions."""

    block_channels: tuple[int, ...]
    layers_per_block: int
    norm_groups: int
    middle_attention: bool
    act_fn: str = field(default="silu", metadata=LATER)
    quant_conv: bool = field(default=False, metadata=LATER)
    post_quant_conv: bool = field(default=False, metadata=LATER)

    def __post_init__(self) -> None:
        _require_one_of("latents.autoencoder.act_fn", self.act_fn, AUTOENCODER_ACTIVATIONS)
        _require_positive(self, "latents.autoencoder", "layers_per_block", "norm_groups")
        stages = len(self.block_channels)
        require(
            1 <= stages <= MOST_STAGES,
            "latents.autoencoder.block_channels",
            f"must list 1 to {MOST_STAGES} stages, got {stages}",
        )
        for channels in self.block_channels:
            require(
                channels % self.norm_groups == 0,
                "latents.autoencoder.block_channels",
                f"each must be a multiple of norm_groups ({self.norm_groups}), got {channels}",
            )


@dataclass(frozen=True)
class LatentConfig:
    """What is reconstructed of the gaze region: `channels` latents per `cell` px, 2x2 of them a patch."""

    channels: int
    cell: int  # px per latent
    scale: float
    shift: float
    autoencoder: AutoencoderConfig | None  # None: the fixed cosine projection of `latents.PatchLatents`

    def __post_init__(self) -> None:
        _require_positive(self, "latents", "channels", "cell", "scale")
        if self.autoencoder is not None:
            reduction = 2 ** (len(self.autoencoder.block_channels) - 1)
            require(
                self.cell == reduction,
                "latents.cell",
                f"must be {reduction} px, the reduction of the autoencoder, got {self.cell}",
            )
        else:
            most = 3 * self.cell**2
            require(self.channels <= most, "latents.channels", f"must be at most {most}, got {self.channels}")


@dataclass(frozen=True)
class DenoiserConfig:
    """DiT that reconstructs the gaze region, and how much its loss weighs."""

    width: int
    depth: int
    heads: int
    repeats: int = 4  # independent (timestep, noise) draws per sample and step
    loss_weight: float = 1.0

    def __post_init__(self) -> None:
        _require_positive(self, "denoiser", "width", "depth", "heads", "repeats", "loss_weight")
        require(self.width % 4 == 0, "denoiser.width", f"must be a multiple of 4, got {self.width}")
        require(
            self.width % self.heads == 0,
            "denoiser.heads",
            f"must divide denoiser.width ({self.width}), got {self.heads}",
        )
