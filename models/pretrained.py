"""Weights of pretrained parts in local Hugging Face folders, under the names that the model gives them."""

from __future__ import annotations

import re
from pathlib import Path

from errors import InvalidInput, WeightsMissing
from models.checkpoint import check_tied
from models.config import ReconVLAConfig
from models.tower_beside import TEXT_HALF
from models.weight_files import WEIGHTS_FILE, WeightFiles, has_weights, open_weights
from settings.pickled_weights import how_to_convert
from settings.shown import shown

AUTOENCODER_FILE = "diffusion_pytorch_model.safetensors"
#: What diffusers first called the layers of an autoencoder's attention, and reads as what it calls them now.
_FIRST_NAMES = {"query": "to_q", "key": "to_k", "value": "to_v", "proj_attn": "to_out.0"}


def vision_weights(config: ReconVLAConfig, folder: Path) -> WeightFiles:
    """SigLIP, the tower alone or the whole (whose text half is left).

    Like its siblings below raises WeightsMissing without weights in `folder`.
    """
    left = (*TEXT_HALF, *(() if config.vision.pooling_head else ("vision_model.head.", "head.")))
    files = _open(folder, WEIGHTS_FILE, "SigLIP vision tower")
    return files.renamed(
        lambda name: None if name.startswith(left) else f"vision_tower.{name.removeprefix('vision_model.')}"
    )


def language_weights(config: ReconVLAConfig, folder: Path) -> WeightFiles:
    """Qwen2. Where embeddings are tied, an output layer that the file repeats is left."""
    files = _open(folder, WEIGHTS_FILE, "Qwen2 language model").renamed(lambda name: f"language_model.{name}")
    if not config.language.tied_embeddings:
        return files
    check_tied(files, str(folder))
    return files.renamed(lambda name: None if name.startswith("language_model.lm_head.") else name)


def autoencoder_weights(config: ReconVLAConfig, folder: Path) -> WeightFiles:
    """The autoencoder whose latents the denoiser reconstructs. Raises InvalidInput for a model without one."""
    if config.latents.autoencoder is None:
        raise InvalidInput(f"model size {shown(config.size)} reconstructs without an autoencoder")
    files = _open(folder, AUTOENCODER_FILE, "autoencoder")
    return files.renamed(lambda name: f"latents.autoencoder.{_as_now(name)}")


def _as_now(name: str) -> str:
    return re.sub(
        r"(?<=\.attentions\.)(\d+)\.(query|key|value|proj_attn)(?=\.)",
        lambda found: f"{found[1]}.{_FIRST_NAMES[found[2]]}",
        name,
    )


def _open(folder: Path, file: str, what: str) -> WeightFiles:
    if not has_weights(folder, file):
        raise WeightsMissing(
            f"no weights of the {what} in {folder}: copy its {file} and config.json there"
            f"{how_to_convert(folder, file)}"
        )
    return open_weights(folder, file)
