"""A checkpoint outside any job: a folder in the Hugging Face layout, or weights with their job's parameters."""

from __future__ import annotations

import hashlib
from pathlib import Path

from detectors.spec import DetectorSpec, any_version
from errors import CheckpointError, ConfigError
from models.checkpoint import CONFIG_FILE, read_json
from models.folder_identity import folder_identity
from models.official import neighbour_files
from models.official_entries import MODEL_TYPE
from models.precision import JUDGED
from models.recipe import Recipe, compatible, device, load_model, placed, recipe_of
from models.reconvla import ReconVLA
from models.spec import Folder, ModelSpec
from models.tower_beside import tower_taken
from policies.reconvla import ReconVLAPolicy
from policies.regions import RegionFinder
from policies.registry import AUTO
from settings.faults import need_fact
from settings.regular import MOST_TEXT_BYTES, open_regular, read_bytes


def open_folder(folder: Path, precision: str = AUTO) -> tuple[ReconVLA, Recipe]:
    """Ours or the official one: config.json, safetensors and the tokenizer's files, on the GPU if there is one.

    precision: AUTO or one of `models.precision.JUDGED`. Raises CheckpointError, ConfigError or WeightsMissing,
    naming the file that is missing or wrong; EnvironmentLacks for 4 bits without bitsandbytes.
    """
    model = ReconVLA.from_pretrained(folder, None if precision == AUTO else JUDGED[precision])
    spec = ModelSpec(
        config=model.config.to_dict(),
        reconstructs="none",
        backbones={},
        tokenizer=Folder(root=str(folder), identity=""),
    )
    try:
        recipe = recipe_of(spec)
    except ConfigError as error:
        raise CheckpointError(f"{folder / CONFIG_FILE}: {error}") from None
    words, has = recipe.config.language.vocab_size, model.config.language.vocab_size
    if words != has:  # a toy's are those of its tokenizer
        raise CheckpointError(f"the tokenizer in {folder} has {words} words, and the model {has}")
    return placed(model, precision, device()), recipe


def identity_of(folder: Path) -> str:
    """What tells the model in `folder` from others: SHA-256 of its files, and of an official model's neighbours' files
    that decide what it computes; of a file of weights its own. Raises CheckpointError, WeightsMissing."""
    if folder.is_file():
        return _file_sha256(folder)
    own = folder_identity(folder)
    values = read_json(folder / CONFIG_FILE)
    is_official = values.get("model_type") == MODEL_TYPE
    others = neighbour_files(folder, values) if is_official else []
    tower = tower_taken(folder, values) if is_official else None
    if not others and tower is None:
        return own
    digest = hashlib.sha256(own.encode())
    if tower is not None:
        digest.update(folder_identity(tower).encode())
    for file in others:
        try:
            content = read_bytes(file, MOST_TEXT_BYTES)
        except OSError as error:
            need_fact(error)
            raise CheckpointError(f"{file} cannot be read: {error.strerror}") from None
        digest.update(hashlib.sha256(content).digest())
    return digest.hexdigest()


def _file_sha256(path: Path) -> str:
    digest = hashlib.sha256()
    try:
        with open_regular(path) as file:
            while block := file.read(1 << 20):
                digest.update(block)
    except OSError as error:
        need_fact(error)
        raise CheckpointError(f"{path} cannot be read: {error.strerror}") from None
    return digest.hexdigest()


def open_weights(spec: ModelSpec, weights: Path, precision: str = AUTO) -> tuple[ReconVLA, Recipe]:
    """`weights` of a job whose parameters have this model; else like `open_folder`."""
    recipe = recipe_of(spec)
    return load_model(recipe.config, weights, "fp32" if precision == AUTO else precision, device()), recipe


def folder_policy(
    folder: str,
    precision: str = AUTO,
    batch: int = 8,
    detector: str = "colour",
    official_compat: bool = False,
) -> ReconVLAPolicy:
    """See `policies.registry.ReconVLAFolder`. Raises as `open_folder` does."""
    return _policy(*open_folder(Path(folder), precision), batch, any_version(detector), official_compat)


def weights_policy(
    model: ModelSpec,
    weights: str,
    precision: str = AUTO,
    batch: int = 8,
    gaze: DetectorSpec | None = None,
    official_compat: bool = False,
) -> ReconVLAPolicy:
    """See `policies.weights_spec.ReconVLAWeights`. Raises as `open_weights` does, and ConfigError where a model that is
    shown regions comes without a detector."""
    return _policy(*open_weights(model, Path(weights), precision), batch, gaze, official_compat)


def _policy(
    model: ReconVLA, recipe: Recipe, batch: int, gaze: DetectorSpec | None, official_compat: bool
) -> ReconVLAPolicy:
    """official_compat: asked as the released server asks it (official code, R3 and R4)."""
    if official_compat:
        recipe = compatible(recipe)
    regions = None
    if recipe.config.grounding == "crop":
        if gaze is None:
            raise ConfigError("gaze: is missing; the model is shown gaze regions, which a detector must find")
        regions = RegionFinder(gaze)
    return ReconVLAPolicy(model, recipe, batch=batch, regions=regions)
