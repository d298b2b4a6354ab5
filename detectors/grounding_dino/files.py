"""Where GroundingDINO's weights lie on this machine, and what tells them from others."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

from detectors.calibration import FILE_NAME as CALIBRATION
from detectors.grounding_dino.entries import check_entries
from detectors.grounding_dino.hub_folder import folder_of
from errors import CheckpointError, InvalidInput, WeightsMissing
from hub.copies import located
from hub.names import PREFIX, is_hub_name, parse_name
from settings.documents import parse_json
from settings.faults import need_fact
from settings.pickled_weights import how_to_convert
from settings.regular import is_there, need_regular_files, open_regular, read_text
from settings.shown import cut, shown, shown_path
from settings.tensor_header import check_sizes, read_header

DEFAULT_WEIGHTS = "IDEA-Research/grounding-dino-tiny"
#: Whose words the official `.pth` files were trained with, and their file's name.
OFFICIAL_TOKENIZER, VOCABULARY = "google-bert/bert-base-uncased", "vocab.txt"
#: By which transformers takes a folder for an adapter, and looks for the model where this says.
_ADAPTER = "adapter_config.json"
#: Names the files that weights are in, where they are in several.
_PIECES = "model.safetensors.index.json"
#: What a folder of transformers' format holds that decides boxes: weights, sizes, preparation, words.
_DECIDING_FILES = ("*.safetensors", "*.json", "*.txt")


def local_folder(weights: str, files: Sequence[str] = _DECIDING_FILES) -> Path:
    """The folder itself, or that of a hub name: with a commit (`hub.names`) the copy, else as `folder_of`.

    Raises WeightsMissing when neither is there.
    """
    if is_hub_name(weights):
        return located(weights, "model")
    if Path(weights).is_dir():
        return Path(weights)
    try:
        name = parse_name(PREFIX + weights)
    except InvalidInput:
        raise WeightsMissing(
            f"weights {shown_path(weights)} are no folder on this machine, and no name that the hub could have: "
            "name a folder that holds them, or use the colour detector"
        ) from None
    return folder_of(name, files)


def missing_parts(folder: Path) -> list[str]:
    """What a folder of transformers' format lacks, by file name; empty where all is there. Nothing is opened but
    the list of its pieces, where the weights are in several."""
    needed = [
        ("config.json",),
        ("preprocessor_config.json", "processor_config.json"),
        ("tokenizer.json", "vocab.txt"),
        *((name,) for name in _weight_files(folder)),
    ]
    return [" or ".join(names) for names in needed if not any((folder / name).is_file() for name in names)]


def check_stored(folder: Path) -> None:
    """Raises CheckpointError where `config.json` cannot be read, asks for what is elsewhere, or tells of more than the
    folder's weights hold: the library makes a model before it looks at them. The same for an index of pieces that
    names a file which is none of the folder's weights."""
    file = folder / "config.json"
    shapes: dict[str, tuple[int, ...]] = {}
    need_regular_files(folder, CheckpointError)
    if is_there(folder / _ADAPTER):
        raise CheckpointError(
            f"{folder / _ADAPTER} makes this folder an adapter of another model, which it may name anywhere: merge it "
            "into the weights and save those without it"
        )
    try:
        values = parse_json(read_text(file))
        file = folder / _PIECES
        _pieces(file)
        for weights in sorted(folder.glob("*.safetensors")):
            file = weights
            shapes |= {name: entry.shape for name, entry in read_header(weights).items()}
    except (OSError, ValueError) as error:
        need_fact(error)
        raise CheckpointError(
            f"GroundingDINO folder {shown_path(folder)}: {file.name} cannot be loaded: {cut(str(error), 300)}"
        ) from None
    if not isinstance(values, dict):
        raise CheckpointError(f"{folder / 'config.json'} must hold an object, not {type(values).__name__}")
    check_entries(folder / "config.json", values)
    try:
        check_sizes(str(folder / "config.json"), values, shapes)
    except ValueError as error:
        raise CheckpointError(str(error)) from None


def _weight_files(folder: Path) -> list[str]:
    try:
        return _pieces(folder / _PIECES) or ["model.safetensors"]
    except (OSError, ValueError) as error:
        need_fact(error)
        return [f"a readable {_PIECES}"]


def _pieces(index: Path) -> list[str]:
    """Names of the files that the weights are in, where they are in several; none without an index.

    Raises OSError, or ValueError in a few words.
    """
    if not is_there(index):
        return []
    content = parse_json(read_text(index))
    places = content.get("weight_map") if isinstance(content, dict) else None
    if not isinstance(places, dict):
        raise ValueError("it has no weight_map")
    for name in places.values():
        if not isinstance(name, str) or Path(name).name != name or not name.endswith(".safetensors"):
            raise ValueError(f"weight_map names {shown(name)}, which is no safetensors file of its folder")
    return sorted(set(places.values()))


def weights_digest(weights: str, *others: Path) -> str:
    """The first 16 digits of the SHA-256 over the weights' files, over all else in their folder that decides boxes,
    and over other files that do. Raises WeightsMissing."""
    digest = hashlib.sha256()
    for file in (*_deciding_files(weights), *others):
        try:
            with open_regular(file) as opened:
                digest.update(f"{file.suffix} {os.fstat(opened.fileno()).st_size} ".encode())
                while block := opened.read(1 << 20):
                    digest.update(block)
        except FileNotFoundError:
            raise
        except OSError as error:
            need_fact(error)
            raise CheckpointError(f"{shown_path(file)} cannot be read: {error.strerror}") from None
    return digest.hexdigest()[:16]


def _deciding_files(weights: str) -> list[Path]:
    if weights.endswith(".pth"):
        return [existing(Path(weights))]
    folder = local_folder(weights)
    if not any(folder.glob("*.safetensors")):
        raise WeightsMissing(
            f"GroundingDINO folder {shown_path(weights)} holds no .safetensors file"
            f"{how_to_convert(folder, 'model.safetensors')}"
        )
    files = sorted(file for pattern in _DECIDING_FILES for file in folder.glob(pattern))
    # What is fitted to the scores decides no box, and is in the version of the pipeline that uses it.
    return [file for file in files if file.name != CALIBRATION]


def vocabulary_of(checkpoint: Path) -> Path:
    """The words of an official `.pth` file: `vocab.txt` beside it, else bert-base-uncased's from the hub or its cache.

    Raises WeightsMissing when neither is there.
    """
    beside = checkpoint.with_name(VOCABULARY)
    if is_there(beside):
        return beside
    try:
        vocabulary = local_folder(OFFICIAL_TOKENIZER, (VOCABULARY,)) / VOCABULARY
        reason = f"the hub's folder of {OFFICIAL_TOKENIZER} has none"
    except WeightsMissing as error:
        raise WeightsMissing(f"{beside}, the words of {checkpoint.name}, is missing: {error}") from None
    if not vocabulary.is_file():
        raise WeightsMissing(f"{beside}, the words of {checkpoint.name}, is missing: {reason}")
    return vocabulary


def existing(checkpoint: Path) -> Path:
    """The same path. Raises WeightsMissing when there is no such file, CheckpointError for what is no
    regular one."""
    if not is_there(checkpoint):
        raise WeightsMissing(f"GroundingDINO checkpoint {shown_path(checkpoint)} does not exist")
    try:
        open_regular(checkpoint).close()
    except OSError as error:
        need_fact(error)
        raise CheckpointError(f"{shown_path(checkpoint)} cannot be read: {error.strerror}") from None
    return checkpoint
