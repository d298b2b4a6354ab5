"""The sizes of a ReconVLA model.

`7b` is the released recipe (ReconVLA, arXiv 2508.10333, and its code): SigLIP so400m/14-384, Qwen2-7B, a DiT
denoiser of depth 3 and width 1024 over FLUX.1 latents. `small` takes the small siblings of the same families.
`toy` keeps every part, none of them pretrained, and shrinks it to what one processor core trains in minutes.
"""

from __future__ import annotations

import dataclasses

from errors import ConfigError
from models.config import ReconVLAConfig
from models.part_configs import AutoencoderConfig, DenoiserConfig, LanguageConfig, LatentConfig, VisionConfig
from models.plain_values import require
from settings.shown import shown
from settings.suggestions import did_you_mean

#: FLUX.1's autoencoder (config.json of its `vae` folder).
FLUX_LATENTS = LatentConfig(
    channels=16,
    cell=8,
    scale=0.3611,
    shift=0.1159,
    autoencoder=AutoencoderConfig(
        block_channels=(128, 256, 512, 512), layers_per_block=2, norm_groups=32, middle_attention=True
    ),
)

TOY = ReconVLAConfig(
    size="toy",
    vision=VisionConfig(
        image_size=96, patch_size=12, width=96, layers=3, heads=4, mlp_width=192,
        pooling_head=False, frozen=False,
    ),
    language=LanguageConfig(
        vocab_size=512, action_vocab_size=512, hidden=96, layers=3, heads=4, kv_heads=2, mlp_width=192,
        max_positions=512, rope_theta=10_000.0, tied_embeddings=True, smooth_action_init=True,
        initializer_range=0.1,
    ),
    # Scale 0.4 gives the latents of CALVIN's pictures a deviation of about 1.
    latents=LatentConfig(channels=3, cell=6, scale=0.4, shift=0.0, autoencoder=None),
    denoiser=DenoiserConfig(width=48, depth=1, heads=4),
)  # fmt: skip

SMALL = ReconVLAConfig(
    size="small",
    vision=VisionConfig(  # SigLIP base, patch 16, 224 px
        image_size=224, patch_size=16, width=768, layers=12, heads=12, mlp_width=3072,
        pooling_head=True, frozen=True,
    ),
    language=LanguageConfig(  # Qwen2-0.5B
        vocab_size=151_936, action_vocab_size=151_643, hidden=896, layers=24, heads=14, kv_heads=2,
        mlp_width=4864, max_positions=32_768, rope_theta=1e6, tied_embeddings=True, smooth_action_init=False,
    ),
    latents=FLUX_LATENTS,
    denoiser=DenoiserConfig(width=512, depth=3, heads=16),
)  # fmt: skip

SEVEN_B = ReconVLAConfig(
    size="7b",
    vision=VisionConfig(  # SigLIP so400m, patch 14, 384 px
        image_size=384, patch_size=14, width=1152, layers=27, heads=16, mlp_width=4304,
        pooling_head=True, frozen=True,
    ),
    language=LanguageConfig(  # Qwen2-7B
        vocab_size=152_064, action_vocab_size=151_643, hidden=3584, layers=28, heads=28, kv_heads=4,
        mlp_width=18_944, max_positions=32_768, rope_theta=1e6, tied_embeddings=False,
        smooth_action_init=False,
    ),
    latents=FLUX_LATENTS,
    denoiser=DenoiserConfig(width=1024, depth=3, heads=16),
)  # fmt: skip

#: By name.
SIZES = {config.size: config for config in (TOY, SMALL, SEVEN_B)}


def config_of_size(size: str, vocab_size: int | None = None) -> ReconVLAConfig:
    """The configuration called `size`.

    `vocab_size` is the number of ids of the tokenizer: the toy grows to it, the others must have room for it.
    Raises ConfigError when they have not, and for a size that does not exist.
    """
    if size not in SIZES:
        near = did_you_mean(size, SIZES)
        raise ConfigError(f"model size {shown(size)} does not exist; choose one of {', '.join(SIZES)}{near}")
    config = SIZES[size]
    if vocab_size is None:
        return config
    if size == "toy":
        language = dataclasses.replace(config.language, vocab_size=vocab_size, action_vocab_size=vocab_size)
        return dataclasses.replace(config, language=language)
    least, most = config.language.action_vocab_size, config.language.vocab_size
    require(
        least <= vocab_size <= most,
        "language.vocab_size",
        f"size {shown(size)} goes with a tokenizer of {least} to {most} ids, this one has {vocab_size}",
    )
    return config
