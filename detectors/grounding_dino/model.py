"""From files to a GroundingDINO that can be trusted: what is wrong with them is said before a frame is looked at.

Two formats give the same pair of processor and transformers model: a folder, and an official `.pth` file with
bert-base-uncased's words.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from detectors.grounding_dino.files import check_stored, existing, local_folder, vocabulary_of
from detectors.grounding_dino.io import CLS_ID, SEP_ID, STOP_ID, caption
from detectors.grounding_dino.official import first_not_finite, load_official, official_processor
from detectors.targets.table import TASK_PHASES
from errors import CheckpointError
from settings.faults import need_fact
from settings.panics import panics_told
from settings.shown import first_line, shown, shown_path

#: In pixels; the released models' is 1333.
_LONGEST_EDGE = 10_000
#: bert-base-uncased: how many words it has, and the SHA-256 of its `vocab.txt`.
BERT_WORDS = 30522
BERT_DIGEST = "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3"


def load_model(weights: str, device: str) -> tuple[Any, Any]:
    """(processor, model in evaluation mode) from a hub name, a local folder or an official `.pth` file.

    Beside a `.pth` file lies bert-base-uncased's `vocab.txt`, or it comes from the hub. Raises WeightsMissing when
    nothing is there and the hub does not give it, CheckpointError naming file and field when the folder or file is
    damaged, lacks tensors, holds numbers that are not finite, or has other words than its model learned.
    """
    processor, model = _from_file(Path(weights)) if weights.endswith(".pth") else _from_folder(weights)
    return processor, model.to(device).eval()


def _from_file(path: Path) -> tuple[Any, Any]:
    model = load_official(existing(path))
    vocabulary = vocabulary_of(path)
    processor = official_processor(vocabulary)
    check_words(processor.tokenizer, model, str(vocabulary))
    if len(processor.tokenizer) == BERT_WORDS and _words_digest(processor.tokenizer) != BERT_DIGEST:
        raise CheckpointError(
            f"{vocabulary} has as many words as bert-base-uncased, but not the same or in another order"
        )
    return processor, model


def _from_folder(weights: str) -> tuple[Any, Any]:
    from transformers import (
        AutoModelForZeroShotObjectDetection,
        AutoProcessor,
        PreTrainedTokenizerFast,
    )

    folder = local_folder(weights)
    check_stored(folder)
    try:
        with _quietly(), panics_told():
            processor = AutoProcessor.from_pretrained(folder, trust_remote_code=False)
            if (folder / "tokenizer.json").is_file():
                # As it stands: transformers 5 builds a BertTokenizer anew from the words in it alone.
                processor.tokenizer = PreTrainedTokenizerFast.from_pretrained(folder, trust_remote_code=False)
    except Exception as error:  # tokenizers raises nothing more exact
        need_fact(error)
        raise CheckpointError(
            f"GroundingDINO folder {shown_path(folder)}: what prepares pictures and words (processor_config.json or "
            f"preprocessor_config.json, tokenizer.json or vocab.txt) cannot be loaded: {first_line(error)}"
        ) from None
    try:
        with _quietly(), panics_told():
            model, info = AutoModelForZeroShotObjectDetection.from_pretrained(
                folder,
                output_loading_info=True,
                ignore_mismatched_sizes=True,
                dtype=torch.float32,
                trust_remote_code=False,
                use_safetensors=True,
            )
    except Exception as error:  # whatever a part of the library that an entry leads to raises
        need_fact(error)
        raise CheckpointError(
            f"GroundingDINO folder {shown_path(folder)} cannot be loaded: {first_line(error)}"
        ) from None
    other_shapes = sorted(name for name, *_ in info["mismatched_keys"])
    for fault, names in (("lacks", sorted(info["missing_keys"])), ("has other shapes of", other_shapes)):
        if names:
            raise CheckpointError(
                f"GroundingDINO folder {shown_path(folder)} {fault} {len(names)} tensors, first {names[0]}"
            )
    _take_out_of_file(model)
    damaged = first_not_finite(model.state_dict())
    if damaged is not None:
        raise CheckpointError(
            f"GroundingDINO folder {shown_path(folder)}: tensor {damaged} holds numbers that are not finite"
        )
    check_sizes(processor.image_processor, folder)
    check_preparation(processor.image_processor, folder)
    check_words(
        processor.tokenizer, model, f"GroundingDINO folder {shown_path(folder)}: tokenizer.json or vocab.txt"
    )
    return processor, model


def _take_out_of_file(model: torch.nn.Module) -> None:
    """Give its tensors memory of their own. What the library loaded are the pages of the file: other weights copied
    over that while frames are looked at would become this model's."""
    for tensor in (*model.parameters(), *model.buffers()):
        tensor.data = tensor.data.clone()


def check_sizes(image_processor: Any, folder: Path) -> None:
    """Raise CheckpointError unless pictures are scaled by their edges, as GroundingDINO's are."""
    size = image_processor.size
    edges = [size.get(name) for name in ("shortest_edge", "longest_edge")]
    if not all(
        isinstance(edge, int) and not isinstance(edge, bool) and 0 < edge <= _LONGEST_EDGE for edge in edges
    ):
        raise CheckpointError(
            f"{_preparing_file(folder)}: size is {shown(dict(size))}, where GroundingDINO needs shortest_edge and "
            f"longest_edge in pixels, {_LONGEST_EDGE} at most"
        )


def check_preparation(image_processor: Any, folder: Path) -> None:
    """Raise CheckpointError unless pictures are prepared as `io.prepare_images` does.

    Means and deviations are the folder's own.
    """
    needed = {"do_resize": True, "resample": 2, "do_rescale": True, "do_normalize": True}
    for name, value in needed.items():
        found = getattr(image_processor, name, value)
        if found != value:
            raise CheckpointError(
                f"{_preparing_file(folder)}: {name} is {shown(found)}, where only {shown(value)} is known"
            )
    factor = getattr(image_processor, "rescale_factor", 1 / 255)
    if type(factor) not in (int, float) or not abs(factor * 255 - 1) <= 1e-6:
        raise CheckpointError(
            f"{_preparing_file(folder)}: rescale_factor is {shown(factor)}, where only 1 / 255 is known"
        )
    for name in ("image_mean", "image_std"):
        values = getattr(image_processor, name)
        usable = isinstance(values, list | tuple) and all(
            type(value) in (int, float) and math.isfinite(value) for value in values
        )
        if not usable or len(values) != 3 or (name == "image_std" and min(values) <= 0):
            raise CheckpointError(
                f"{_preparing_file(folder)}: {name} must be three finite numbers, got {shown(values)}"
            )


def _preparing_file(folder: Path) -> Path:
    names = ("processor_config.json", "preprocessor_config.json")
    return next((folder / name for name in names if (folder / name).is_file()), folder)


def check_words(tokenizer: Any, model: Any, where: str) -> None:
    """Raise CheckpointError unless these are the words that the model learned, and those of CALVIN's targets are
    among them. `where`: the file that they are from."""
    ids = _ids(tokenizer, "block", where)
    if [*ids[:1], *ids[-2:]] != [CLS_ID, STOP_ID, SEP_ID]:
        raise CheckpointError(
            f"{where} is missing or another one's: these are not the words of bert-base-uncased"
        )
    known, learned = len(tokenizer), model.config.text_config.vocab_size
    if known != learned:
        raise CheckpointError(
            f"{where} has {known} words, the model learned {learned}: it is cut off or another one's"
        )
    word, number = max(tokenizer.get_vocab().items(), key=lambda item: item[1])
    if number >= learned:
        raise CheckpointError(
            f"{where} gives {shown(word)} the id {number}, the model learned {learned} words"
        )
    for phrase in sorted({target.phrase for phases in TASK_PHASES.values() for target in phases}):
        words = _ids(tokenizer, phrase, where)[1:-2]
        if all(word == tokenizer.unk_token_id for word in words):
            raise CheckpointError(
                f"{where} knows no word of {shown(phrase)}, which is one of CALVIN's targets"
            )


def _ids(tokenizer: Any, phrase: str, where: str) -> list[int]:
    try:
        with panics_told():
            ids: list[int] = tokenizer(caption(phrase))["input_ids"]
            tokenizer.decode(ids)
    except Exception as error:  # tokenizers raises nothing more exact
        raise CheckpointError(f"{where} cannot be used: {first_line(error)}") from None
    return ids


def _words_digest(tokenizer: Any) -> str:
    """The SHA-256 of the `vocab.txt` that these words would make, whatever ends its lines."""
    numbers = tokenizer.get_vocab()
    return hashlib.sha256(
        "".join(f"{word}\n" for word in sorted(numbers, key=numbers.get)).encode()
    ).hexdigest()


@contextmanager
def _quietly() -> Iterator[None]:
    """Without transformers' bars and tables: what is wrong with a folder is said in one sentence."""
    from transformers.utils import logging

    verbosity, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if bars:
            logging.enable_progress_bar()
