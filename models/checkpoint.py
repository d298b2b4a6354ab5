"""Checkpoints of a model in the Hugging Face layout: `config.json` and safetensors, whole or in shards.

Both ours and the official one (`ReconQwen2ForCausalLM`) are read and written. Loading builds the model without
memory of its own and fills it tensor by tensor, so it never takes twice the model's size.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import torch
from torch import Tensor

from errors import CheckpointError, ConfigError
from models import official
from models.beside import check_beside
from models.config import ReconVLAConfig
from models.generation_rules import GENERATION_FILE, rules_of_folder
from models.json_files import read_json as read_json
from models.official_entries import MODEL_TYPE, config_to_official
from models.stored_sizes import check_stored_sizes
from models.tower_beside import check_tower, with_tower
from models.weight_files import WeightFiles, open_weights, weight_file_names
from models.weights import SHARD_BYTES, check_fit, write_sharded
from settings.files import write
from settings.regular import is_there
from settings.shown import shown

if TYPE_CHECKING:
    pass

CONFIG_FILE = "config.json"
#: The output layer, which is the input embedding again where the two are tied.
_TIED, _EMBEDDING = "language_model.lm_head.weight", "language_model.model.embed_tokens.weight"
#: Parts that run in float32 whatever type the rest has.
FLOAT32_PARTS = ("denoiser.", "latents.")

Model = TypeVar("Model", bound="Pretrained")


class Pretrained:
    """What gives `ReconVLA` its `from_pretrained` and `save_pretrained`."""

    config: ReconVLAConfig

    @classmethod
    def from_pretrained(cls: type[Model], folder: Path | str, dtype: torch.dtype | None = None) -> Model:
        """The model saved in `folder`, in our layout or the official one, on the CPU.

        dtype: type of the weights, except those of the denoiser and the latent encoder, which run in float32;
        None keeps the type they were stored in. Raises CheckpointError or ConfigError, in one sentence, for
        missing, extra or misshapen tensors, a damaged file, a configuration that does not fit, or a file beside the
        weights that would decide actions and is not read (`models.beside`, `models.tower_beside`).
        """
        config, files = open_checkpoint(Path(folder))
        return model_of(cls, config, files, str(folder), dtype)

    def save_pretrained(
        self, folder: Path | str, shard_bytes: int = SHARD_BYTES, official_layout: bool = False
    ) -> None:
        """Write the checkpoint; equal weights give equal bytes. `official_layout`: under the official names."""
        folder, tensors = Path(folder), weights_of(self)
        if official_layout:
            tensors = {official.name_to_official(name): tensor for name, tensor in tensors.items()}
            values = config_to_official(self.config)
        else:
            values = {"model_type": "reconvla", **self.config.to_dict()}
        write_sharded(tensors, folder, shard_bytes)
        write(folder / CONFIG_FILE, json.dumps(values, indent=2) + "\n")
        if self.config.generation is not None:
            rules = self.config.generation.to_official()
            write(folder / GENERATION_FILE, json.dumps(rules, indent=2) + "\n")


def open_checkpoint(
    folder: Path, autoencoder: bool = False, tower: bool = True
) -> tuple[ReconVLAConfig, WeightFiles]:
    """Configuration and tensors of `folder` under our names; none is read yet but those that should be equal.

    autoencoder: keep that of an official checkpoint whose denoiser was dropped, for a model that gets a fresh one.
    tower: take the vision tower that lies beside an official checkpoint without one; else it is left out.
    Raises CheckpointError and ConfigError as `Pretrained.from_pretrained` does.
    """
    values = read_json(folder / CONFIG_FILE)
    kind = values.get("model_type")
    if kind in ("reconvla", MODEL_TYPE):
        check_beside(folder, weight_file_names(folder))
    if kind == "reconvla":
        del values["model_type"]
        try:
            config = ReconVLAConfig.from_dict(values)
        except ConfigError as error:
            raise ConfigError(f"{folder / CONFIG_FILE}: {error}") from None
        if is_there(folder / GENERATION_FILE):
            rules = rules_of_folder(folder, values, config.action_ids)
            config = dataclasses.replace(config, generation=rules)
        return config, open_weights(folder)
    if kind == MODEL_TYPE:
        files = open_weights(folder)
        config = official.config_of_folder(folder, values, files.stored)
        ours = files.renamed(official.name_from_official)
        if config.language.tied_embeddings:
            check_tied(ours, str(folder))
        check_tower(folder, values, ours)
        if tower:
            ours = with_tower(folder, values, ours)
        return config, ours.renamed(lambda name: _name_in(config, name, autoencoder))
    raise CheckpointError(
        f"{folder / CONFIG_FILE} does not describe a ReconVLA: model_type must be 'reconvla' or"
        f" {shown(MODEL_TYPE)}, got {shown(kind)}"
    )


def weights_of(model: Any) -> dict[str, Tensor]:
    """The tensors of a checkpoint, by name, not copied: what `write_weights` takes. Tied ones appear once."""
    tensors = dict(model.state_dict())
    if model.config.language.tied_embeddings:
        del tensors[_TIED]
    return tensors


def model_of(
    cls: type[Model],
    config: ReconVLAConfig,
    tensors: Mapping[str, Tensor],
    source: str,
    dtype: torch.dtype | None = None,
) -> Model:
    """A model that owns `tensors`; no weights are drawn first. Raises CheckpointError as `check_fit` does."""
    check_stored_sizes(config, tensors.stored if isinstance(tensors, WeightFiles) else tensors, source)
    with torch.device("meta"):
        model: Any = cls(config)  # type: ignore[call-arg]
    model.source = source
    fill(model, tensors, source, lambda name: torch.float32 if name.startswith(FLOAT32_PARTS) else dtype)
    types = {p.dtype for name, p in model.named_parameters() if not name.startswith(FLOAT32_PARTS)}
    if len(types) > 1:
        raise several_types(source, types)
    return model


def several_types(source: str, types: Collection[torch.dtype]) -> CheckpointError:
    return CheckpointError(
        f"{source}: tensors are of types {', '.join(sorted(map(str, types)))}; say with --precision (dtype of"
        " from_pretrained) which one to load them as"
    )


def fill(
    model: Any,
    tensors: Mapping[str, Tensor],
    source: str,
    dtype_of: Callable[[str], torch.dtype | None],
    parts: Collection[str] | None = None,
) -> None:
    """Give a model without memory of its own (all of it, or these of its parts) `tensors` to own.

    dtype_of: type by tensor name, None for the one it has. Raises CheckpointError as `check_fit` does.
    """
    own = weights_of(model)
    if parts is not None:
        own = {name: tensor for name, tensor in own.items() if name.partition(".")[0] in parts}
    check_fit(tensors, own, source)
    model.load_state_dict(
        {name: typed(tensors[name], dtype_of(name)) for name in tensors}, strict=False, assign=True
    )
    language, vision = model.language_model, model.vision_tower
    if model.config.language.tied_embeddings:
        language.lm_head.weight = language.model.embed_tokens.weight
    # Neither library stores these tables in a checkpoint.
    language.model.rotary_emb = type(language.model.rotary_emb)(config=language.config)
    vision.embeddings.position_ids = torch.arange(model.config.vision.patches)[None]


def check_tied(files: WeightFiles, source: str) -> None:
    """Raises CheckpointError when an output layer that is stored beside the embedding it is tied to is another."""
    if _TIED in files and _EMBEDDING in files and not torch.equal(files[_TIED], files[_EMBEDDING]):
        raise CheckpointError(
            f"{source}: tie_word_embeddings is true, but lm_head.weight is not model.embed_tokens.weight; which of"
            " the two is wrong cannot be told"
        )


def copy_weights(own: Mapping[str, Tensor], tensors: Mapping[str, Tensor], source: str) -> None:
    """Copy `tensors` into those of the same name in `own`; names, shapes and types must fit (CheckpointError)."""
    check_fit(tensors, own, source)
    with torch.no_grad():
        for name, tensor in own.items():
            tensor.copy_(tensors[name])


def typed(tensor: Tensor, dtype: torch.dtype | None) -> Tensor:
    """Numbers of floating point as `dtype`; None, and other tensors, as they are."""
    return tensor if dtype is None or not tensor.is_floating_point() else tensor.to(dtype)


def _name_in(config: ReconVLAConfig, name: str, autoencoder: bool) -> str | None:
    """None for what the model has no use for: a tied output layer, an autoencoder without a denoiser."""
    if config.language.tied_embeddings and name == _TIED:
        return None
    unused = config.denoiser is None and not autoencoder
    return None if unused and name.startswith("latents.") else name
