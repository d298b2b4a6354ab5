"""GroundingDINO (Liu et al. 2023) through transformers: open-vocabulary boxes for the target's noun phrase.

Caption rules and thresholds follow the official code (`groundingdino/util/inference.py`, README): lower case,
a full stop at the end, box threshold 0.35, text threshold 0.25.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from detectors.base import Box, Candidate, NoTarget, Reason, Target
from detectors.grounding_dino_files import existing, local_folder, weights_digest
from detectors.grounding_dino_io import (
    CLS_ID,
    SEP_ID,
    STOP_ID,
    Prediction,
    caption,
    prepare_image,
    read_predictions,
)
from detectors.grounding_dino_official import load_official, official_processor
from detectors.tiles import cut, to_frame, windows
from errors import CheckpointError, ConfigError

DEFAULT_WEIGHTS = "IDEA-Research/grounding-dino-tiny"
OFFICIAL_TOKENIZER = "google-bert/bert-base-uncased"
#: Which products are computed in what. Weights stay in float32, and so do boxes as they are refined step by step:
#: eight bits of bf16 would round them to a pixel.
PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
AUTO = "auto"


class GroundingDinoFinder:
    """Boxes of each frame for the target's phrase; weights load at the first use.

    `weights`: a hub name, a local folder in transformers' format, or an official `.pth` file. `device`: `cpu`,
    `cuda`, ..., by default `cuda` where there is one. `precision`: fp32, bf16, fp16, or auto, which is fp16 on a
    GPU and fp32 elsewhere. Raises ConfigError when a threshold lies outside 0..1 or a precision is none of these.
    """

    name = "grounding_dino"
    zooms = True

    def __init__(
        self,
        weights: str | None = None,
        box_threshold: float = 0.35,
        text_threshold: float = 0.25,
        device: str | None = None,
        batch_size: int = 8,
        precision: str = AUTO,
    ) -> None:
        for field, value in (("box_threshold", box_threshold), ("text_threshold", text_threshold)):
            if not 0.0 <= value <= 1.0:
                raise ConfigError(f"{field} is {value}, it must lie in 0..1")
        if batch_size < 1:
            raise ConfigError(f"batch_size is {batch_size}, it must be at least 1")
        if precision not in (AUTO, *PRECISIONS):
            known = ", ".join((AUTO, *PRECISIONS))
            raise ConfigError(f"unknown precision {precision!r} of GroundingDINO: known are {known}")
        self.weights = weights or DEFAULT_WEIGHTS
        self.threshold = box_threshold
        self.text_threshold = text_threshold
        self.device = device or ("cuda" if torch.cuda.is_available() else "cpu")
        self.batch_size = batch_size
        self._planned_precision = precision
        self.precision = self._resolved(precision)
        self._loaded: tuple[Any, Any] | None = None

    @cached_property
    def version(self) -> str:
        """Code version, digest of the weights, thresholds, precision as it was asked for: all that decides the boxes
        but what `auto` means here, as a job is planned on one machine and runs on another.

        Raises WeightsMissing when the weights cannot be had.
        """
        thresholds = f"{self.threshold:g} {self.text_threshold:g}"
        return f"3 {weights_digest(self.weights)} {thresholds} {self._planned_precision}"

    def check(self) -> None:
        """See `Finder.check`: loads the weights into main memory and drops them."""
        load_model(self.weights, "cpu")

    def find(self, images: Sequence[NDArray[np.uint8]], target: Target) -> list[list[Candidate] | NoTarget]:
        """See `Finder.find`. Boxes down to half the threshold are given: they may prove right later.

        Raises WeightsMissing when the weights cannot be had, CheckpointError when they do not fit the model.
        """
        # A batch holds pictures of one size: padding would change what is seen near the edges.
        places_of: dict[tuple[int, ...], list[int]] = defaultdict(list)
        for place, image in enumerate(images):
            places_of[image.shape].append(place)
        found: dict[int, list[Candidate] | NoTarget] = {}
        for places in places_of.values():
            for start in range(0, len(places), self.batch_size):
                batch = places[start : start + self.batch_size]
                found.update(zip(batch, self._candidates([images[i] for i in batch], target), strict=True))
        return [found[place] for place in range(len(images))]

    def find_thoroughly(
        self, images: Sequence[NDArray[np.uint8]], target: Target
    ) -> list[list[Candidate] | NoTarget]:
        """See `Finder.find_thoroughly`: in overlapping tiles at two larger scales."""
        places = [
            (index, window) for index, image in enumerate(images) for window in windows(*image.shape[:2])
        ]
        tiles = [cut(images[index], window) for index, window in places]
        merged: list[list[Candidate]] = [[] for _ in images]
        for (index, window), found in zip(places, self.find(tiles, target), strict=True):
            if not isinstance(found, NoTarget):
                merged[index] += to_frame(found, window, images[index].shape)
        return [found or NoTarget(Reason.BELOW_THRESHOLD, target.phrase) for found in merged]

    def finds_near(self, target: Target) -> bool:
        """A part of a frame costs as much as the whole."""
        return False

    def find_near(self, image: NDArray[np.uint8], target: Target, box: Box) -> Box | None:
        """See `Finder.find_near`."""
        return None

    @torch.inference_mode()
    def _candidates(
        self, images: Sequence[NDArray[np.uint8]], target: Target
    ) -> list[list[Candidate] | NoTarget]:
        processor, model = self._load()
        size = processor.image_processor.size
        prepared = [prepare_image(image, size["shortest_edge"], size["longest_edge"]) for image in images]
        ids = processor.tokenizer(caption(target.phrase))["input_ids"]
        pixels = torch.stack(prepared)  # (N, 3, h, w)
        tokens = torch.tensor([ids] * len(images))
        with self._computing():
            outputs = model(
                pixel_values=pixels.to(self.device),
                pixel_mask=torch.ones(len(images), *pixels.shape[2:], dtype=torch.long, device=self.device),
                input_ids=tokens.to(self.device),
                attention_mask=torch.ones_like(tokens).to(self.device),
                token_type_ids=torch.zeros_like(tokens).to(self.device),
            )
        logits, boxes = outputs.logits.float().cpu(), outputs.pred_boxes.float().cpu()
        found: list[list[Candidate] | NoTarget] = []
        for image, row, places in zip(images, logits, boxes, strict=True):
            predictions = read_predictions(
                row, places, ids, processor.tokenizer, self.threshold / 2, self.text_threshold
            )
            candidates = [one for p in predictions if (one := _to_candidate(p, image)) is not None]
            found.append(candidates or NoTarget(Reason.BELOW_THRESHOLD, target.phrase))
        return found

    def _load(self) -> tuple[Any, Any]:
        if self._loaded is None:
            processor, model = load_model(self.weights, self.device)
            encode_text_once(model)
            self._loaded = processor, model
        return self._loaded

    def _computing(self) -> AbstractContextManager[Any]:
        if self.precision == "fp32":
            return nullcontext()
        return torch.autocast(torch.device(self.device).type, PRECISIONS[self.precision])

    def _resolved(self, precision: str) -> str:
        if precision != AUTO:
            return precision
        return "fp16" if torch.device(self.device).type == "cuda" else "fp32"


def encode_text_once(model: Any) -> None:
    """Make a transformers GroundingDINO encode each phrase once, whatever number of frames ask for it."""
    model.model.text_backbone = OncePerPhrase(model.model.text_backbone)


class OncePerPhrase(torch.nn.Module):
    """A text encoder that remembers its answers. All rows of a batch must be the same phrase."""

    def __init__(self, encoder: torch.nn.Module) -> None:
        super().__init__()
        self.encoder = encoder
        self.calls = 0
        self._known: dict[tuple[int, ...], torch.Tensor] = {}

    def forward(
        self,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor,
        token_type_ids: torch.Tensor,
        position_ids: torch.Tensor,
        return_dict: bool = True,
    ) -> Any:
        from transformers.modeling_outputs import BaseModelOutput

        phrase = tuple(input_ids[0].tolist())
        if phrase not in self._known:
            self.calls += 1
            first = (part[:1] for part in (input_ids, attention_mask, token_type_ids, position_ids))
            self._known[phrase] = self.encoder(*first, return_dict=True).last_hidden_state
        state = self._known[phrase].expand(len(input_ids), -1, -1)
        return BaseModelOutput(last_hidden_state=state) if return_dict else (state,)


def load_model(weights: str, device: str) -> tuple[Any, Any]:
    """(processor, model in evaluation mode) from a hub name, a local folder or an official `.pth` file.

    Beside a `.pth` file lies bert-base-uncased's `vocab.txt`, or it comes from the hub. Raises
    WeightsMissing when nothing is there and the hub does not give it, CheckpointError when the folder or file is
    damaged or lacks tensors.
    """
    from safetensors import SafetensorError
    from transformers import AutoModelForZeroShotObjectDetection, AutoProcessor

    if weights.endswith(".pth"):
        checkpoint = existing(Path(weights))
        model = load_official(checkpoint)
        vocabulary = checkpoint.parent / "vocab.txt"
        if not vocabulary.is_file():
            vocabulary = local_folder(OFFICIAL_TOKENIZER, ("vocab.txt",)) / "vocab.txt"
        return official_processor(vocabulary), model.to(device).eval()
    folder = local_folder(weights)
    try:
        with _quietly():
            processor = AutoProcessor.from_pretrained(folder)
            model, info = AutoModelForZeroShotObjectDetection.from_pretrained(
                folder, output_loading_info=True, ignore_mismatched_sizes=True, dtype=torch.float32
            )
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RuntimeError, SafetensorError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise CheckpointError(f"GroundingDINO folder {str(folder)!r} cannot be loaded: {reason}") from None
    other_shapes = sorted(name for name, *_ in info["mismatched_keys"])
    for fault, names in (("lacks", sorted(info["missing_keys"])), ("has other shapes of", other_shapes)):
        if names:
            raise CheckpointError(
                f"GroundingDINO folder {str(folder)!r} {fault} {len(names)} tensors, first {names[0]}"
            )
    ids = processor.tokenizer(caption("block"))["input_ids"]
    if [*ids[:1], *ids[-2:]] != [CLS_ID, STOP_ID, SEP_ID]:
        raise CheckpointError(
            f"GroundingDINO folder {str(folder)!r} has not the words of bert-base-uncased: tokenizer.json or vocab.txt"
            " is missing or another one's"
        )
    return processor, model.to(device).eval()


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


def _to_candidate(prediction: Prediction, image: NDArray[np.uint8]) -> Candidate | None:
    """In pixels, clamped to the image; None where nothing of the box lies in it."""
    height, width = image.shape[:2]
    cx, cy, w, h = prediction.box
    x0, y0 = max(0.0, (cx - w / 2) * width), max(0.0, (cy - h / 2) * height)
    x1, y1 = min(float(width), (cx + w / 2) * width), min(float(height), (cy + h / 2) * height)
    if x0 >= x1 or y0 >= y1:
        return None
    return Candidate((x0, y0, x1, y1), prediction.score, prediction.phrase)
