"""A ReconVLA's configuration in the entries that the official code and its tools write."""

from __future__ import annotations

from typing import Any

from models.config import ReconVLAConfig
from models.part_configs import LanguageConfig, LatentConfig, VisionConfig
from models.sizes import SEVEN_B, SMALL

MODEL_TYPE = "recon_qwen2"
#: Where `config_to_official` keeps our own configuration, which says more than the official entries.
OURS = "reconvla_config"
#: SigLIP's folders on the hub; the first is that of the released scripts (finetune.sh).
TOWERS = ((SEVEN_B.vision, "siglip-so400m-patch14-384"), (SMALL.vision, "siglip-base-patch16-224"))


def config_to_official(config: ReconVLAConfig) -> dict[str, Any]:
    """An official `config.json`; the `mm_*` folders are named as the released scripts name theirs."""
    language = config.language
    return {
        "architectures": ["ReconQwen2ForCausalLM"],
        "model_type": MODEL_TYPE,
        "vocab_size": language.vocab_size,
        "hidden_size": language.hidden,
        "num_hidden_layers": language.layers,
        "num_attention_heads": language.heads,
        "num_key_value_heads": language.kv_heads,
        "intermediate_size": language.mlp_width,
        "max_position_embeddings": language.max_positions,
        "rope_theta": language.rope_theta,
        "tie_word_embeddings": language.tied_embeddings,
        "hidden_act": language.hidden_act,
        "rms_norm_eps": language.norm_eps,
        **_rarer_entries(language),
        "mm_vision_tower": f"./{_tower_folder(config.vision)}",
        "mm_hidden_size": config.vision.width,
        "mm_projector_type": "mlp2x_gelu",
        "use_mm_proj": True,
        "mm_vision_select_layer": -2,
        "mm_vision_select_feature": "patch",
        "mm_patch_merge_type": "flat",
        "mm_use_im_start_end": False,
        "mm_use_im_patch_token": False,
        "image_embed_len": config.vision.patches,
        "image_aspect_ratio": "pad",
        "image_mean": list(config.vision.image_mean),
        "image_std": list(config.vision.image_std),
        "decode_image_size": config.reconstruction_size,
        "recon_enable": config.denoiser is not None,
        "mm_pixel_decoder": "./pretrained_vae",
        "mm_inv_projector_type": f"denoiser_vit{config.denoiser.depth if config.denoiser else 3}x",
        "use_mm_inv_proj": config.denoiser is not None,
        "mm_inv_hidden_size": config.latent_channels,
        "reconstruct_image": False,
        "reconstruct_image_num": 1,
        OURS: config.to_dict(),
    }


def _rarer_entries(language: LanguageConfig) -> dict[str, Any]:
    entries: dict[str, Any] = {}
    if language.head_width is not None:
        entries["head_dim"] = language.head_width
    if language.rope_scaling is not None:
        entries["rope_scaling"] = language.rope_scaling.parameters()
    if language.sliding_window is not None and language.layer_kinds is not None:
        entries["use_sliding_window"] = True
        entries["sliding_window"], entries["layer_types"] = (
            language.sliding_window,
            list(language.layer_kinds),
        )
    return entries


def _tower_folder(config: VisionConfig) -> str:
    """What the folder of this SigLIP is called on the hub; of another, what it is."""
    for known, name in TOWERS:
        if official_vision(known) == official_vision(config):
            return name
    return f"siglip-{config.width}x{config.layers}-patch{config.patch_size}-{config.image_size}"


def official_vision(config: VisionConfig) -> dict[str, Any]:
    """The entries of SigLIP's `config.json` that decide its shape, and its own others where it has any."""
    return {
        "image_size": config.image_size,
        "patch_size": config.patch_size,
        "hidden_size": config.width,
        "num_hidden_layers": config.layers,
        "num_attention_heads": config.heads,
        "intermediate_size": config.mlp_width,
        "hidden_act": config.hidden_act,
        "layer_norm_eps": config.norm_eps,
    }


def official_autoencoder(config: LatentConfig) -> dict[str, Any]:
    """The entries of an `AutoencoderKL`'s `config.json` that decide its shape and what it computes."""
    assert config.autoencoder is not None
    return {
        "latent_channels": config.channels,
        "scaling_factor": config.scale,
        "shift_factor": config.shift,
        "block_out_channels": list(config.autoencoder.block_channels),
        "layers_per_block": config.autoencoder.layers_per_block,
        "norm_num_groups": config.autoencoder.norm_groups,
        "mid_block_add_attention": config.autoencoder.middle_attention,
        "act_fn": config.autoencoder.act_fn,
        "use_quant_conv": config.autoencoder.quant_conv,
        "use_post_quant_conv": config.autoencoder.post_quant_conv,
    }
