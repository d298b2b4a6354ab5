"""The official GroundingDINO checkpoints (`groundingdino_swint_ogc.pth`, `groundingdino_swinb_cogcoor.pth`)
as transformers models.

Names on both sides: IDEA-Research/GroundingDINO `groundingdino/models/GroundingDINO/` and transformers 5
`models/grounding_dino/`, `models/swin/`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from detectors.grounding_dino.pth import official_tensors
from errors import CheckpointError
from settings.panics import panics_told
from settings.shown import cut, shown_path

#: Swin sizes by embedding width: `swin_T_224_1k` and `swin_B_384_22k` of the official build function.
SWIN_SIZES: dict[int, dict[str, Any]] = {
    96: {"depths": [2, 2, 6, 2], "num_heads": [3, 6, 12, 24], "window_size": 7, "image_size": 224},
    128: {"depths": [2, 2, 18, 2], "num_heads": [4, 8, 16, 32], "window_size": 12, "image_size": 384},
}

_SWIN = "model.backbone.conv_encoder.model.swin"

# Applied in order to every name; a later rule sees what an earlier one made of it.
_RENAMES: tuple[tuple[str, str], ...] = (
    (r"^module\.", ""),
    (r"^bert\.", "model.text_backbone."),
    (r"^feat_map\.", "model.text_projection."),
    (r"^input_proj\.", "model.input_proj_vision."),
    (r"^transformer\.(level_embed|enc_output|enc_output_norm)\b", r"model.\1"),
    (r"^transformer\.enc_out_bbox_embed\.", "model.encoder_output_bbox_embed."),
    (r"^transformer\.tgt_embed\.", "model.query_position_embeddings."),
    # Backbone
    (r"^backbone\.0\.norm1\.", "model.backbone.conv_encoder.model.hidden_states_norms.stage2."),
    (r"^backbone\.0\.norm2\.", "model.backbone.conv_encoder.model.hidden_states_norms.stage3."),
    (r"^backbone\.0\.norm3\.", "model.backbone.conv_encoder.model.hidden_states_norms.stage4."),
    (r"^backbone\.0\.patch_embed\.proj\.", f"{_SWIN}.embeddings.patch_embeddings.projection."),
    (r"^backbone\.0\.patch_embed\.norm\.", f"{_SWIN}.embeddings.norm."),
    (r"^backbone\.0\.layers\.", f"{_SWIN}.encoder.layers."),
    (r"(swin\.encoder\..*)\.norm1\.", r"\1.layernorm_before."),
    (r"(swin\.encoder\..*)\.norm2\.", r"\1.layernorm_after."),
    (
        r"\.attn\.relative_position_bias_table$",
        ".attention.relative_position_bias.relative_position_bias_table",
    ),
    (r"(swin\.encoder\..*)\.attn\.proj\.", r"\1.attention.o_proj."),
    # Encoder: image layers, text layers, fusion layers
    (r"^transformer\.encoder\.layers\.(\d+)\.", r"model.encoder.layers.\1.deformable_layer."),
    (r"^transformer\.encoder\.text_layers\.(\d+)\.", r"model.encoder.layers.\1.text_enhancer_layer."),
    (r"^transformer\.encoder\.fusion_layers\.(\d+)\.", r"model.encoder.layers.\1.fusion_layer."),
    (r"(deformable_layer)\.norm1\.", r"\1.self_attn_layer_norm."),
    (r"(deformable_layer)\.norm2\.", r"\1.final_layer_norm."),
    (r"(text_enhancer_layer)\.norm1\.", r"\1.layer_norm_before."),
    (r"(text_enhancer_layer)\.norm2\.", r"\1.layer_norm_after."),
    (r"(fusion_layer)\.gamma_v$", r"\1.vision_param"),
    (r"(fusion_layer)\.gamma_l$", r"\1.text_param"),
    (r"(fusion_layer)\.layer_norm_v\.", r"\1.layer_norm_vision."),
    (r"(fusion_layer)\.layer_norm_l\.", r"\1.layer_norm_text."),
    (r"(fusion_layer\.attn\.(?:values_|out_)?)v_proj\.", r"\1vision_proj."),
    (r"(fusion_layer\.attn\.(?:values_|out_)?)l_proj\.", r"\1text_proj."),
    # Decoder
    (r"^transformer\.decoder\.norm\.", "model.decoder.layer_norm."),
    (r"^transformer\.decoder\.ref_point_head\.", "model.decoder.reference_points_head."),
    (r"^transformer\.decoder\.", "model.decoder."),
    (r"(decoder\.layers\.\d+)\.cross_attn\.", r"\1.encoder_attn."),
    (r"(decoder\.layers\.\d+)\.norm1\.", r"\1.encoder_attn_layer_norm."),
    (r"(decoder\.layers\.\d+)\.ca_text\.", r"\1.encoder_attn_text."),
    (r"(decoder\.layers\.\d+)\.catext_norm\.", r"\1.encoder_attn_text_layer_norm."),
    (r"(decoder\.layers\.\d+)\.norm2\.", r"\1.self_attn_layer_norm."),
    (r"(decoder\.layers\.\d+)\.norm3\.", r"\1.final_layer_norm."),
    # Both
    (r"\.linear1\.", ".fc1."),
    (r"\.linear2\.", ".fc2."),
)

#: Computed by transformers from the configuration, or never used by either side.
_DROPPED = re.compile(r"relative_position_index$|^label_enc\.|^bert\.(pooler\.|embeddings\.position_ids$)")


def convert_state(official: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Official parameter names and fused query-key-value tensors -> those of transformers."""
    converted: dict[str, torch.Tensor] = {}
    for name, tensor in official.items():
        if _DROPPED.search(name.removeprefix("module.")):
            continue
        for pattern, replacement in _RENAMES:
            name = re.sub(pattern, replacement, name)
        fused = re.search(r"\.attn\.qkv\.(weight|bias)$|\.in_proj_(weight|bias)$", name)
        if fused is None:
            converted[name] = tensor
            continue
        in_swin = fused[1] is not None
        stem = name[: fused.start()] + (".attention" if in_swin else "")
        parts = ("q_proj", "k_proj", "v_proj") if in_swin else ("query", "key", "value")
        for part, third in zip(parts, tensor.chunk(3), strict=True):
            converted[f"{stem}.{part}.{fused[1] or fused[2]}"] = third.clone()
    return converted


def load_official_state(model: Any, official: Mapping[str, torch.Tensor]) -> None:
    """Fill a `GroundingDinoForObjectDetection` in place. Raises CheckpointError for any name that is left over and
    for a tensor of another shape.

    The norm after Swin's last stage exists in transformers only and its output is not used.
    """
    try:
        result = model.load_state_dict(convert_state(official), strict=False)
    except RuntimeError as error:
        reason = str(error).splitlines()[-1].strip()
        raise CheckpointError(f"official GroundingDINO checkpoint does not fit: {reason}") from None
    missing = [name for name in result.missing_keys if ".swin.layernorm." not in name]
    if missing or result.unexpected_keys:
        raise CheckpointError(
            f"official GroundingDINO checkpoint does not fit: {len(missing)} tensors missing {missing[:2]}, "
            f"{len(result.unexpected_keys)} unknown {result.unexpected_keys[:2]}"
        )


def load_official(checkpoint: Path) -> Any:
    """The model in an official `.pth` file, or in one that was trained from it.

    Raises CheckpointError when the file is damaged, is neither the Swin-T nor the Swin-B model, or holds numbers that
    are not finite.
    """
    from transformers import GroundingDinoConfig, GroundingDinoForObjectDetection, SwinConfig

    official = official_tensors(checkpoint)
    width = _width(official)
    if width not in SWIN_SIZES:
        raise CheckpointError(
            f"{shown_path(checkpoint)} is no official GroundingDINO checkpoint: neither Swin-T nor Swin-B "
            f"(backbone.0.patch_embed.proj.weight {'is not there' if width is None else f'has {width} channels'})"
        )
    swin = SwinConfig(**{"embed_dim": width, "out_indices": [2, 3, 4], **SWIN_SIZES[width]})
    model = GroundingDinoForObjectDetection(GroundingDinoConfig(backbone_config=swin))
    load_official_state(model, official)
    damaged = first_not_finite(official)
    if damaged is not None:
        raise CheckpointError(f"{shown_path(checkpoint)}: tensor {damaged} holds numbers that are not finite")
    return model


def _width(official: Mapping[str, torch.Tensor]) -> int | None:
    patches = official.get("backbone.0.patch_embed.proj.weight")
    return None if patches is None or patches.dim() == 0 else patches.shape[0]


def first_not_finite(tensors: Mapping[str, Any]) -> str | None:
    """The name of the first tensor that holds a NaN or an infinity."""
    for name, tensor in tensors.items():
        if torch.is_tensor(tensor) and tensor.is_floating_point() and not bool(tensor.isfinite().all()):
            return name
    return None


def official_processor(vocabulary: Path) -> Any:
    """What prepares pictures and words for the official checkpoints, from bert-base-uncased's `vocab.txt`.

    Raises CheckpointError when that is no vocabulary.
    """
    from transformers import BertTokenizer, GroundingDinoImageProcessor, GroundingDinoProcessor

    try:
        with panics_told():
            tokenizer = BertTokenizer(vocab=str(vocabulary))
    except Exception as error:  # tokenizers raises nothing more exact
        raise CheckpointError(f"{vocabulary} is no vocabulary: {cut(str(error), 300)}") from None
    return GroundingDinoProcessor(GroundingDinoImageProcessor(), tokenizer)
