"""Sizes of an OpenVLA: those of its towers are read off the tensors, those of its language model compared with them.

Before a module is made: no layer and no word is made that the file has no tensor for.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from errors import CheckpointError
from models.openvla import TowerShape
from models.part_configs import MOST_SIZE
from models.stored_sizes import count, side
from settings.shown import shown

#: Of the released towers: it cannot be read off the tensors.
_HEADS = 16
_MODEL = "language_model.model."
#: Side in px; the released model's is 224.
_LARGEST_PICTURE = 4096


def picture_side(file: Path, values: Mapping[str, Any], towers: int) -> int:
    """In px, from `image_sizes` in `file`, which must be the same for all towers. Raises CheckpointError."""
    sizes: Any = values.get("image_sizes")
    alike = isinstance(sizes, list) and len(sizes) == towers and all(size == sizes[0] for size in sizes)
    if not alike or type(sizes[0]) is not int or not 1 <= sizes[0] <= _LARGEST_PICTURE:
        raise CheckpointError(
            f"{file}: image_sizes must be one size of 1 to {_LARGEST_PICTURE} px for each of {towers} towers, "
            f"got {shown(sizes)}"
        )
    return int(sizes[0])


def action_words(file: Path, values: Mapping[str, Any]) -> tuple[int, int]:
    """(bins of an action, words of the vocabulary below the padding), from `file`.

    Raises CheckpointError naming the entry that is no number, or that the others leave no room for.
    """
    text = values.get("text_config")
    if not isinstance(text, Mapping):
        raise CheckpointError(f"{file}: text_config must be an object, got {shown(text)}")
    words = _whole_number(file, "text_config.vocab_size", text.get("vocab_size"), 1, MOST_SIZE)
    padding = _whole_number(file, "pad_to_multiple_of", values.get("pad_to_multiple_of"), 0, words - 1)
    return _whole_number(
        file, "n_action_bins", values.get("n_action_bins"), 2, words - padding
    ), words - padding


def _whole_number(file: Path, entry: str, told: Any, least: int, most: int) -> int:
    if type(told) is not int or not least <= told <= most:
        raise CheckpointError(f"{file}: {entry} must be a whole number, {least} to {most}, got {shown(told)}")
    return told


def tower_shape(folder: Path, stored: Mapping[str, Any], prefix: str, image_size: int) -> TowerShape:
    """Of the tower whose tensors begin with `prefix`, among those in `stored` (anything with a `shape`).

    image_size: px, of the configuration. Raises CheckpointError for tensors that are missing or are no tower's, and for
    pictures of more patches than it has places.
    """
    try:
        width, _, patch_size, _ = stored[f"{prefix}patch_embed.proj.weight"].shape
        mlp_width = stored[f"{prefix}blocks.0.mlp.fc1.weight"].shape[0]
    except KeyError as error:
        raise CheckpointError(f"{folder}: the weights have no {error.args[0]}") from None
    except (ValueError, IndexError):
        raise CheckpointError(
            f"{folder}: {prefix}patch_embed or its first block have no tower's shapes"
        ) from None
    layers = count(stored, f"{prefix}blocks")
    lacking = next((n for n in range(layers) if f"{prefix}blocks.{n}.mlp.fc1.weight" not in stored), None)
    if lacking is not None:
        raise CheckpointError(f"{folder}: the weights have no {prefix}blocks.{lacking}.mlp.fc1.weight")
    if 0 in (width, mlp_width, patch_size) or width % _HEADS:
        raise CheckpointError(f"{folder}: {prefix}patch_embed.proj.weight has no tower's shape")
    patches, places = (image_size // patch_size) ** 2, side(stored, f"{prefix}pos_embed", 1)
    if places is not None and patches > places:
        raise CheckpointError(
            f"{folder / 'config.json'}: image_sizes is {image_size}, {patches} patches, {prefix}pos_embed has {places}"
        )
    registers = side(stored, f"{prefix}reg_token", 1)
    return TowerShape(width, layers, _HEADS, mlp_width, patch_size, registers or 0)


def check_language_sizes(file: Path, values: Mapping[str, Any], stored: Mapping[str, Any]) -> None:
    """Raises CheckpointError naming the entry of `text_config` in `file` that is no size, or larger than the language
    model's tensors have it.
    """
    layer = f"{_MODEL}layers.0."
    sizes = {
        "num_hidden_layers": count(stored, f"{_MODEL}layers"),
        "vocab_size": side(stored, f"{_MODEL}embed_tokens.weight"),
        "hidden_size": side(stored, f"{_MODEL}embed_tokens.weight", 1),
        "intermediate_size": side(stored, f"{layer}mlp.gate_proj.weight"),
        "num_attention_heads": side(stored, f"{layer}self_attn.q_proj.weight"),
        "num_key_value_heads": side(stored, f"{layer}self_attn.k_proj.weight"),
        "head_dim": side(stored, f"{layer}self_attn.k_proj.weight"),
    }
    for name, found in {**sizes, "max_position_embeddings": None}.items():
        told, most = values.get(name), MOST_SIZE if found is None else found
        if told is None:
            continue
        if type(told) is not int or told < 1:
            raise CheckpointError(
                f"{file}: text_config.{name} must be a whole number above 0, got {shown(told)}"
            )
        if told > most:
            raise CheckpointError(
                f"{file}: text_config.{name} is {shown(told)}, where its tensors have {most} at most"
            )
