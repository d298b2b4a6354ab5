"""Names and configuration of the official ReconVLA checkpoints (`ReconQwen2ForCausalLM`), both ways.

Of the names only prefixes differ: every part keeps the parameter names of its library. The official
`config.json` is Qwen2's with a few `mm_*` entries; those of the vision tower and the autoencoder lie in the
folders that these name.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from errors import CheckpointError
from models.config import (
    FLUX_LATENTS,
    SEVEN_B,
    SMALL,
    LatentConfig,
    ReconVLAConfig,
    VisionConfig,
)
from settings.documents import parse_json

MODEL_TYPE = "recon_qwen2"
#: Where `config_to_official` keeps our own configuration, which says more than the official entries.
_OURS = "reconvla_config"
#: Qwen2's tokenizer has this many ids below its special tokens; embeddings have rows beyond them, how many
#: depends on the model's size and on whether it was cut to its tokenizer.
_QWEN2_VOCABULARY = 151_643
#: Fixed in the official denoiser, whatever its width.
_DENOISER_HEADS = 16

#: SigLIP's folders on the hub; the first is that of the released scripts (finetune.sh).
_TOWERS = ((SEVEN_B.vision, "siglip-so400m-patch14-384"), (SMALL.vision, "siglip-base-patch16-224"))

#: Entries that are the same in every model of the family: with others a checkpoint would load, and mean another
#: computation.
_GRANTED: dict[str, dict[str, Any]] = {
    "language model": {
        "hidden_act": "silu",
        "rms_norm_eps": 1e-6,
        "use_sliding_window": False,
        "rope_scaling": None,
        "mm_projector_type": "mlp2x_gelu",
    },
    "vision tower": {"hidden_act": "gelu_pytorch_tanh", "layer_norm_eps": 1e-6, "num_channels": 3},
    "autoencoder": {
        "act_fn": "silu",
        "in_channels": 3,
        "out_channels": 3,
        "use_quant_conv": False,
        "use_post_quant_conv": False,
    },
}

#: (official prefix, ours); the first that fits counts, so `model.` comes last.
_PREFIXES = (
    ("model.vision_tower.vision_tower.vision_model.", "vision_tower."),
    ("model.mm_projector.", "projector."),
    ("model.mm_inv_projector.net.", "denoiser."),
    ("model.pixel_decoder.pixel_decoder.", "latents.autoencoder."),
    ("lm_head.", "language_model.lm_head."),
    ("model.", "language_model.model."),
)


def name_from_official(name: str) -> str:
    """Our name of an official tensor. Raises CheckpointError for a name no part of the model has."""
    for official, ours in _PREFIXES:
        if name.startswith(official):
            return ours + name.removeprefix(official)
    raise CheckpointError(f"tensor {name!r} is not one of an official ReconVLA checkpoint")


def name_to_official(name: str) -> str:
    """Official name of one of our tensors. Raises CheckpointError for a name of no official part."""
    for official, ours in _PREFIXES:
        if name.startswith(ours):
            return official + name.removeprefix(ours)
    raise CheckpointError(f"tensor {name!r} has no official name")


def config_of_folder(folder: Path, values: Mapping[str, Any], stored: Mapping[str, Any]) -> ReconVLAConfig:
    """The configuration of an official checkpoint folder whose `config.json` holds `values`.

    stored: its tensors (anything with a `shape`) by official name. Configurations of vision tower and
    autoencoder are looked for in the folders that `mm_vision_tower` and `mm_pixel_decoder` name, absolute or
    beside the weights; where there are none, they are those of the released recipe.
    """
    if _OURS in values:
        return ReconVLAConfig.from_dict(values[_OURS])
    vision = _neighbour(folder, values.get("mm_vision_tower"))
    autoencoder = _neighbour(folder, values.get("mm_pixel_decoder"))
    rows = values.get("vocab_size")
    return config_from_official(
        values,
        vision or official_vision(SEVEN_B.vision),
        autoencoder or official_autoencoder(FLUX_LATENTS),
        stored,
        min(rows, _QWEN2_VOCABULARY) if isinstance(rows, int) else 0,
    )


def config_from_official(
    language: Mapping[str, Any],
    vision: Mapping[str, Any],
    autoencoder: Mapping[str, Any],
    stored: Mapping[str, Any],
    action_vocab_size: int,
) -> ReconVLAConfig:
    """Our configuration from the three `config.json` of an official model.

    The denoiser's size is no entry of theirs, so it is read off the shapes in `stored`; its 16 heads are
    fixed in the official code. Without denoiser weights (official fine-tuning drops them) there is none.
    Raises CheckpointError naming an entry that is missing, or has a value that no such model has; ConfigError
    naming our field for one of a wrong type.
    """
    vision = vision.get("vision_config", vision)
    parts = {"language model": language, "vision tower": vision, "autoencoder": autoencoder}
    for part, values in parts.items():
        _check_granted(part, values)
    channels = autoencoder.get("block_out_channels", [0])
    if not isinstance(channels, list) or not channels:
        raise CheckpointError(
            "official config of the autoencoder: block_out_channels must list the channels of each stage,"
            f" got {channels!r}"
        )
    try:
        return ReconVLAConfig.from_dict(
            {
                "size": "official",
                "vision": {
                    "image_size": vision["image_size"],
                    "patch_size": vision["patch_size"],
                    "width": vision["hidden_size"],
                    "layers": vision["num_hidden_layers"],
                    "heads": vision["num_attention_heads"],
                    "mlp_width": vision["intermediate_size"],
                    "pooling_head": True,
                    "frozen": True,
                },
                "language": {
                    "vocab_size": language["vocab_size"],
                    "action_vocab_size": action_vocab_size,
                    "hidden": language["hidden_size"],
                    "layers": language["num_hidden_layers"],
                    "heads": language["num_attention_heads"],
                    "kv_heads": language["num_key_value_heads"],
                    "mlp_width": language["intermediate_size"],
                    "max_positions": language["max_position_embeddings"],
                    "rope_theta": (language.get("rope_parameters") or language)["rope_theta"],
                    "tied_embeddings": language["tie_word_embeddings"],
                    "smooth_action_init": False,
                },
                "latents": {
                    "channels": autoencoder["latent_channels"],
                    "cell": 2 ** (len(autoencoder["block_out_channels"]) - 1),
                    "scale": autoencoder["scaling_factor"],
                    "shift": autoencoder["shift_factor"],
                    "autoencoder": {
                        "block_channels": autoencoder["block_out_channels"],
                        "layers_per_block": autoencoder["layers_per_block"],
                        "norm_groups": autoencoder["norm_num_groups"],
                        "middle_attention": autoencoder["mid_block_add_attention"],
                    },
                },
                "denoiser": _denoiser(stored),
            }
        )
    except KeyError as error:
        raise CheckpointError(f"official config lacks the entry {error}") from error
    except (TypeError, AttributeError) as error:
        raise CheckpointError(f"official config has an entry of a wrong kind: {error}") from error


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
        "hidden_act": "silu",
        "rms_norm_eps": 1e-6,
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
        "image_mean": [0.5, 0.5, 0.5],
        "image_std": [0.5, 0.5, 0.5],
        "decode_image_size": config.reconstruction_size,
        "recon_enable": config.denoiser is not None,
        "mm_pixel_decoder": "./pretrained_vae",
        "mm_inv_projector_type": f"denoiser_vit{config.denoiser.depth if config.denoiser else 3}x",
        "use_mm_inv_proj": config.denoiser is not None,
        "mm_inv_hidden_size": config.latent_channels,
        "reconstruct_image": False,
        "reconstruct_image_num": 1,
        _OURS: config.to_dict(),
    }


def _tower_folder(config: VisionConfig) -> str:
    """What the folder of this SigLIP is called on the hub; of another, what it is."""
    for known, name in _TOWERS:
        if official_vision(known) == official_vision(config):
            return name
    return f"siglip-{config.width}x{config.layers}-patch{config.patch_size}-{config.image_size}"


def official_vision(config: VisionConfig) -> dict[str, Any]:
    """The entries of SigLIP's `config.json` that decide its shape."""
    return {
        "image_size": config.image_size,
        "patch_size": config.patch_size,
        "hidden_size": config.width,
        "num_hidden_layers": config.layers,
        "num_attention_heads": config.heads,
        "intermediate_size": config.mlp_width,
    }


def official_autoencoder(config: LatentConfig) -> dict[str, Any]:
    """The entries of an `AutoencoderKL`'s `config.json` that decide its shape and scale."""
    assert config.autoencoder is not None
    return {
        "latent_channels": config.channels,
        "scaling_factor": config.scale,
        "shift_factor": config.shift,
        "block_out_channels": list(config.autoencoder.block_channels),
        "layers_per_block": config.autoencoder.layers_per_block,
        "norm_num_groups": config.autoencoder.norm_groups,
        "mid_block_add_attention": config.autoencoder.middle_attention,
    }


def _check_granted(part: str, values: Mapping[str, Any]) -> None:
    for entry, granted in _GRANTED[part].items():
        if values.get(entry, granted) != granted:
            raise CheckpointError(
                f"official config of the {part}: {entry} is {values[entry]!r}, where only {granted!r} is known"
            )


def _neighbour(folder: Path, named: Any) -> dict[str, Any] | None:
    """The config.json of a folder named in the checkpoint's own, or None where it is not on this machine."""
    if not isinstance(named, str):
        return None
    for place in (Path(named), folder / named, folder / Path(named).name, folder.parent / Path(named).name):
        file = place / "config.json"
        if file.is_file():
            try:
                values = parse_json(file.read_text(encoding="utf-8"))
            except ValueError as error:
                raise CheckpointError(f"{file} is not JSON: {error}") from error
            return values if isinstance(values, dict) else None
    return None


def _denoiser(stored: Mapping[str, Any]) -> dict[str, int] | None:
    net = "model.mm_inv_projector.net."
    depth = len({name.split(".")[4] for name in stored if name.startswith(f"{net}blocks.")})
    if depth == 0:
        return None
    name = f"{net}x_embedder.proj.weight"
    if name not in stored:
        raise CheckpointError(f"official checkpoint has blocks of the denoiser, but lacks {name}")
    return {"width": stored[name].shape[0], "depth": depth, "heads": _DENOISER_HEADS}
