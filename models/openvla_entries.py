"""Entries of an OpenVLA's folder that decide what it answers and that no shape shows: computed, or refused by name.

What the released code reads of them: openvla/openvla, prismatic/extern/hf, configuration_prismatic.py,
modeling_prismatic.py and processing_prismatic.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from errors import CheckpointError
from models.generation_rules import GenerationRules, rules_of_folder
from models.known_entries import LANGUAGE, OF_TRANSFORMERS, check_granted, check_known
from settings.shown import shown

_CONFIG = OF_TRANSFORMERS | {
    "vision_backbone_id", "llm_backbone_id", "arch_specifier", "use_fused_vision_backbone", "image_resize_strategy",
    "text_config", "llm_max_length", "pad_to_multiple_of", "output_projector_states", "norm_stats", "n_action_bins",
    "hf_llm_id", "image_sizes", "timm_model_ids", "timm_override_act_layers", "tie_word_embeddings",
}  # fmt: skip
_LLAMA = LANGUAGE | OF_TRANSFORMERS | {"attention_bias", "mlp_bias"}
#: `tvf_*` are made anew of the others when the processor is loaded; `interpolations` and sizes are read below.
_PICTURES = frozenset(
    {
        "means", "stds", "interpolations", "input_sizes", "image_resize_strategy", "use_fused_vision_backbone",
        "image_processor_type", "processor_class", "auto_map", "tvf_crop_params", "tvf_do_letterbox",
        "tvf_letterbox_fill", "tvf_normalize_params", "tvf_resize_params",
    }
)  # fmt: skip
#: Of the released model; entries of `config.json` that may be left out.
_GRANTED: Mapping[str, Any] = {
    "architectures": ["OpenVLAForActionPrediction"],
    "arch_specifier": "no-align+fused-gelu-mlp",
    "use_fused_vision_backbone": True,
    "quantization_config": None,
}


def check_openvla_entries(file: Path, values: Mapping[str, Any]) -> None:
    """Raises CheckpointError naming an entry of `config.json` that nothing here computes."""
    check_granted(file, values, _GRANTED)
    check_known(file, values, _CONFIG)
    acts = values.get("timm_override_act_layers")
    if acts is not None and any(name is not None for name in acts):
        raise CheckpointError(
            f"{file}: timm_override_act_layers is {shown(acts)}, where only the towers' own are known"
        )
    text = values.get("text_config")
    if isinstance(text, Mapping):
        check_known(file, text, _LLAMA, "text_config.")
        check_granted(file, text, {"model_type": "llama"}, "text_config.")


def check_openvla_pictures(file: Path, values: Mapping[str, Any]) -> None:
    """Raises CheckpointError naming an entry of `preprocessor_config.json` that nothing here computes."""
    check_known(file, values, _PICTURES)
    check_granted(file, values, {"image_resize_strategy": "resize-naive", "use_fused_vision_backbone": True})
    ways = values.get("interpolations", [])
    if any(way != "bicubic" for way in ways):
        raise CheckpointError(f"{file}: interpolations is {shown(ways)}, where only 'bicubic' is known")
    sizes = values.get("input_sizes", [])
    if any(size != sizes[0] for size in sizes):
        raise CheckpointError(f"{file}: input_sizes is {shown(sizes)}, where both towers see one picture")


def openvla_rules(
    folder: Path, values: Mapping[str, Any], vocabulary: int, bins: int
) -> GenerationRules | None:
    """The rules by which `predict_action` has tokens chosen; of generation's entries it overrides but two."""
    return rules_of_folder(folder, values, range(vocabulary - bins, vocabulary), overridden=())
