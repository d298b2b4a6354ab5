"""What the `config.json` of a Qwen2, a SigLIP or an AutoencoderKL says, as fields of our configuration.

No tensor's shape shows most of it: bases and scalings of positions, norms, activations, numbers of heads, windows, how
pictures are prepared, how latents are scaled. Each entry is known and read, known to change no output, or refused by
name. Entries that are left out have the default of their library where the configuration names its kind
(`model_type`, `_class_name`); tests compare all with the libraries' own models. Imports no torch.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from errors import CheckpointError
from models.known_entries import (
    AUTOENCODER,
    LANGUAGE,
    OF_TRANSFORMERS,
    ROPE,
    VISION,
    check_granted,
    check_known,
)
from models.part_configs import FULL, MOST_LAYERS, MOST_STAGES, SLIDING
from settings.shown import shown

#: transformers' defaults of Qwen2Config and SiglipVisionConfig, diffusers' of AutoencoderKL.
QWEN2_DEFAULTS: Mapping[str, Any] = {
    "vocab_size": 151_936,
    "hidden_size": 4096,
    "intermediate_size": 22_016,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "num_key_value_heads": 32,
    "hidden_act": "silu",
    "max_position_embeddings": 32_768,
    "rms_norm_eps": 1e-6,
    "tie_word_embeddings": False,
    "use_sliding_window": False,
    "sliding_window": 4096,
    "max_window_layers": 28,
}
SIGLIP_DEFAULTS: Mapping[str, Any] = {
    "hidden_size": 768,
    "intermediate_size": 3072,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "num_channels": 3,
    "image_size": 224,
    "patch_size": 16,
    "hidden_act": "gelu_pytorch_tanh",
    "layer_norm_eps": 1e-6,
}
AUTOENCODER_DEFAULTS: Mapping[str, Any] = {
    "in_channels": 3,
    "out_channels": 3,
    "down_block_types": ["DownEncoderBlock2D"],
    "up_block_types": ["UpDecoderBlock2D"],
    "block_out_channels": [64],
    "layers_per_block": 1,
    "act_fn": "silu",
    "latent_channels": 4,
    "norm_num_groups": 32,
    "scaling_factor": 0.18215,
    "shift_factor": None,
    "use_quant_conv": True,
    "use_post_quant_conv": True,
    "mid_block_add_attention": True,
}
#: Their names of our fields, where one entry decides one field.
LANGUAGE_NAMES: Mapping[str, str] = {
    "vocab_size": "vocab_size",
    "hidden_size": "hidden",
    "num_hidden_layers": "layers",
    "num_attention_heads": "heads",
    "num_key_value_heads": "kv_heads",
    "intermediate_size": "mlp_width",
    "max_position_embeddings": "max_positions",
    "tie_word_embeddings": "tied_embeddings",
    "hidden_act": "hidden_act",
    "rms_norm_eps": "norm_eps",
    "head_dim": "head_width",
}
VISION_NAMES: Mapping[str, str] = {
    "image_size": "image_size",
    "patch_size": "patch_size",
    "hidden_size": "width",
    "num_hidden_layers": "layers",
    "num_attention_heads": "heads",
    "intermediate_size": "mlp_width",
    "hidden_act": "hidden_act",
    "layer_norm_eps": "norm_eps",
}
LATENT_NAMES: Mapping[str, str] = {
    "latent_channels": "channels",
    "scaling_factor": "scale",
    "shift_factor": "shift",
}
AUTOENCODER_NAMES: Mapping[str, str] = {
    "block_out_channels": "block_channels",
    "layers_per_block": "layers_per_block",
    "norm_num_groups": "norm_groups",
    "mid_block_add_attention": "middle_attention",
    "act_fn": "act_fn",
    "use_quant_conv": "quant_conv",
    "use_post_quant_conv": "post_quant_conv",
}
_ROPE_THETA = 10_000.0


def language_values(
    place: str, values: Mapping[str, Any], trains: bool, others: Collection[str] = ()
) -> dict[str, Any]:
    """Fields of `LanguageConfig` that a Qwen2's `config.json` decides; without its kind only those it has entries for.

    place: the file, in messages. trains: whether the model is trained here, which dropout would change. others: names
    of entries that somebody else reads. Raises CheckpointError naming file and entry.
    """
    check_known(place, values, LANGUAGE | OF_TRANSFORMERS | frozenset(others))
    kind = values.get("model_type")
    if kind not in (None, "qwen2", "recon_qwen2"):
        raise CheckpointError(f"{place}: model_type is {shown(kind)}, where a qwen2 is needed")
    _check_dropout(place, values, trains)
    full = ({**QWEN2_DEFAULTS} if kind is not None else {}) | dict(values)
    told = _renamed(full, LANGUAGE_NAMES)
    if full.get("num_key_value_heads", 0) is None:  # transformers: as many as heads
        told["kv_heads"] = told.get("heads")
    if told.get("head_width") is not None and _split(told) == told["head_width"]:
        told["head_width"] = None
    if kind is not None or {"rope_theta", "rope_scaling", "rope_parameters"} & set(values):
        told |= _positions(place, full)
    if "sliding_window" in full or "layer_types" in full:
        told |= _windows(place, full)
    return told


def vision_values(place: str, values: Mapping[str, Any], trains: bool) -> dict[str, Any]:
    """Fields of `VisionConfig` that the `config.json` of a SigLIP, the tower's or the whole one's, decides.

    Arguments and errors as `language_values` has them.
    """
    whole = values.get("vision_config", values)
    if not isinstance(whole, Mapping):
        raise CheckpointError(f"{place}: vision_config must be an object, got {shown(whole)}")
    kind = whole.get("model_type", values.get("model_type"))
    if kind not in (None, "siglip", "siglip_vision_model"):
        raise CheckpointError(f"{place}: model_type is {shown(kind)}, where a siglip is needed")
    if whole is not values:
        whole_known = OF_TRANSFORMERS | {
            "vision_config",
            "text_config",
            "tie_word_embeddings",
            "projection_dim",
        }
        check_known(place, values, whole_known)
    check_known(place, whole, VISION | OF_TRANSFORMERS)
    _check_dropout(place, whole, trains)
    full = ({**SIGLIP_DEFAULTS} if kind is not None else {}) | dict(whole)
    check_granted(place, full, {"num_channels": 3})
    for entry in ("image_size", "patch_size"):
        side = full.get(entry)
        if isinstance(side, list) and len(set(side)) == 1:
            full[entry] = side[0]
    return _renamed(full, VISION_NAMES)


def autoencoder_values(place: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """Fields of `LatentConfig` (those of its autoencoder nested) that an AutoencoderKL's `config.json` decides.

    Errors as `language_values` has them.
    """
    check_known(place, values, AUTOENCODER)
    kind = values.get("_class_name")
    if kind not in (None, "AutoencoderKL"):
        raise CheckpointError(f"{place}: _class_name is {shown(kind)}, where an AutoencoderKL is needed")
    full = ({**AUTOENCODER_DEFAULTS} if kind is not None else {}) | dict(values)
    check_granted(place, full, {"in_channels": 3, "out_channels": 3})
    for entry, block in (("down_block_types", "DownEncoderBlock2D"), ("up_block_types", "UpDecoderBlock2D")):
        if any(name != block for name in full.get(entry) or []):
            raise CheckpointError(
                f"{place}: {entry} is {shown(full[entry])}, where only {shown(block)} is computed"
            )
    channels = full.get("block_out_channels", [1])
    if not isinstance(channels, list) or not 1 <= len(channels) <= MOST_STAGES:
        raise CheckpointError(
            f"{place}: block_out_channels must list the channels of 1 to {MOST_STAGES} stages, got {shown(channels)}"
        )
    told = _renamed(full, LATENT_NAMES)
    if "shift" in told and told["shift"] is None:
        told["shift"] = 0.0
    if "block_out_channels" in full:
        told["cell"] = 2 ** (len(channels) - 1)
    told["autoencoder"] = _renamed(full, AUTOENCODER_NAMES)
    return told


def _check_dropout(place: str, values: Mapping[str, Any], trains: bool) -> None:
    if trains and values.get("attention_dropout"):
        raise CheckpointError(
            f"{place}: attention_dropout is {shown(values['attention_dropout'])}, where only 0.0 is trained here: all"
            " that is random must follow from the seed"
        )


def _renamed(values: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    return {ours: values[theirs] for theirs, ours in names.items() if theirs in values}


def _split(told: Mapping[str, Any]) -> int | None:
    hidden, heads = told.get("hidden"), told.get("heads")
    return hidden // heads if isinstance(hidden, int) and isinstance(heads, int) and heads > 0 else None


def _positions(place: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """`rope_theta` and `rope_scaling`, by the precedence that transformers gives their old and new places."""
    entry = "rope_scaling" if values.get("rope_scaling") else "rope_parameters"
    given = values.get(entry) or {}
    if not isinstance(given, Mapping):
        raise CheckpointError(
            f"{place}: {entry} is an entry of a wrong kind: it must be an object, got {shown(given)}"
        )
    for name, value in given.items():
        if isinstance(value, Mapping) or (name not in ROPE and value not in (None, False)):
            raise CheckpointError(f"{place}: {entry}.{name} is {shown(value)}, which a Qwen2 has no use for")
    kind = given.get("rope_type", given.get("type", "default"))
    theta = given.get("rope_theta", values.get("rope_theta", _ROPE_THETA))
    if kind == "default":
        return {"rope_theta": theta, "rope_scaling": None}
    partial = given.get("partial_rotary_factor", values.get("partial_rotary_factor"))
    if partial not in (None, 1, 1.0):
        raise CheckpointError(
            f"{place}: partial_rotary_factor is {shown(partial)}, where a Qwen2 turns all of a head"
        )
    scaling = {
        name: value
        for name, value in given.items()
        if name not in ("type", "rope_theta", "partial_rotary_factor") and value is not None
    }
    longest = values.get("max_position_embeddings", QWEN2_DEFAULTS["max_position_embeddings"])
    if kind in ("yarn", "longrope", "llama3"):
        outside = values.get("original_max_position_embeddings")
        scaling.setdefault("original_max_position_embeddings", longest)
        scaling |= {} if outside is None else {"original_max_position_embeddings": outside}
        original = scaling["original_max_position_embeddings"]
        if kind == "yarn" and scaling.get("factor") is None and "factor" in given:
            if not all(type(number) in (int, float) and number > 0 for number in (longest, original)):
                raise CheckpointError(
                    f"{place}: max_position_embeddings and original_max_position_embeddings must be positive numbers, "
                    f"got {shown(longest)} and {shown(original)}"
                )
            scaling["factor"] = longest / original
    return {"rope_theta": theta, "rope_scaling": {**scaling, "rope_type": kind}}


def _windows(place: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """`sliding_window` and `layer_kinds`, as transformers' Qwen2Config makes them of its entries."""
    window = values.get("sliding_window") if values.get("use_sliding_window") else None
    kinds, layers = values.get("layer_types"), values.get("num_hidden_layers")
    if kinds is None:
        first = values.get("max_window_layers", QWEN2_DEFAULTS["max_window_layers"])
        # Where a number of layers is none that a model has, the configuration made of it says so.
        known = isinstance(layers, int) and layers <= MOST_LAYERS
        count = int(layers or 0) if window is not None and known else 0
        if type(first) is not int:
            raise CheckpointError(f"{place}: max_window_layers must be a whole number, got {shown(first)}")
        kinds = [SLIDING if layer >= first else FULL for layer in range(count)]
    if not isinstance(kinds, list) or any(kind not in (FULL, SLIDING) for kind in kinds):
        raise CheckpointError(
            f"{place}: layer_types is {shown(kinds)}, where only {FULL} and {SLIDING} are known"
        )
    if values.get("layer_types") is not None and isinstance(layers, int) and len(kinds) != layers:
        raise CheckpointError(
            f"{place}: layer_types has {len(kinds)} entries, where num_hidden_layers is {shown(layers)}"
        )
    if SLIDING not in kinds:
        return {"sliding_window": None, "layer_kinds": None}
    if window is None:
        raise CheckpointError(
            f"{place}: layer_types has {SLIDING}, but use_sliding_window and sliding_window give it no window"
        )
    return {"sliding_window": window, "layer_kinds": kinds}
