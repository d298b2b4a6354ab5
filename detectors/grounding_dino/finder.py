"""GroundingDINO (Liu et al. 2023) through transformers: open-vocabulary boxes for the target's noun phrase.

Caption rules and thresholds follow the official code (`groundingdino/util/inference.py`, README): lower case,
a full stop at the end, box threshold 0.35, text threshold 0.25.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from detectors.base import Box, Candidate, NoTarget, Reason, Target
from detectors.grounding_dino.files import DEFAULT_WEIGHTS, vocabulary_of, weights_digest
from detectors.grounding_dino.forward import OnePhraseForward
from detectors.grounding_dino.io import Prediction, caption, prepare_images, read_predictions
from detectors.grounding_dino.model import load_model
from detectors.tiles import cut, to_frame, windows
from errors import CheckpointError, ConfigError
from settings.shown import shown, shown_path

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
            raise ConfigError(f"unknown precision {shown(precision)} of GroundingDINO: known are {known}")
        self.weights = weights or DEFAULT_WEIGHTS
        self.threshold = box_threshold
        self.text_threshold = text_threshold
        self.device = device or ("cuda" if torch.cuda.is_available() else "cpu")
        self.batch_size = batch_size
        self._planned_precision = precision
        self.precision = self._resolved(precision)
        self._loaded: tuple[Any, OnePhraseForward] | None = None

    @cached_property
    def version(self) -> str:
        """Code version, digest of weights and words, thresholds, precision as it was asked for: all that decides the
        boxes but what `auto` means here, as a job is planned on one machine and runs on another.

        Raises WeightsMissing when the weights or their words cannot be had.
        """
        official = Path(self.weights)
        words = [vocabulary_of(official)] if self.weights.endswith(".pth") and official.is_file() else []
        thresholds = f"{self.threshold:g} {self.text_threshold:g}"
        return f"5 {weights_digest(self.weights, *words)} {thresholds} {self._planned_precision}"

    def check(self) -> None:
        """See `Finder.check`: loads the weights into main memory and drops them."""
        load_model(self.weights, "cpu")

    def find(self, images: Sequence[NDArray[np.uint8]], target: Target) -> list[list[Candidate] | NoTarget]:
        """See `Finder.find`. Boxes down to half the threshold are given: they may prove right later.

        Raises WeightsMissing when the weights cannot be had, CheckpointError when they do not fit the model or what
        they give is not finite.
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
        processor, forward = self._load()
        pictures = processor.image_processor
        edges = pictures.size["shortest_edge"], pictures.size["longest_edge"]
        pixels = prepare_images(images, *edges, pictures.image_mean, pictures.image_std)  # (N, 3, h, w)
        ids = processor.tokenizer(caption(target.phrase))["input_ids"]
        with self._computing():
            told, places_told = forward(pixels.to(self.device), ids)
        logits, boxes = told.float().cpu(), places_told.float().cpu()
        self._check_finite(logits, boxes, target.phrase)
        found: list[list[Candidate] | NoTarget] = []
        for image, row, places in zip(images, logits, boxes, strict=True):
            predictions = read_predictions(
                row, places, ids, processor.tokenizer, self.threshold / 2, self.text_threshold
            )
            candidates = [one for p in predictions if (one := _to_candidate(p, image)) is not None]
            found.append(candidates or NoTarget(Reason.BELOW_THRESHOLD, target.phrase))
        return found

    def _check_finite(self, logits: torch.Tensor, boxes: torch.Tensor, phrase: str) -> None:
        if bool(logits.isfinite().all()) and bool(boxes.isfinite().all()):
            return
        remedy = (
            "its weights are of no use" if self.precision == "fp32" else "set gaze.precision to bf16 or fp32"
        )
        raise CheckpointError(
            f"GroundingDINO {shown_path(self.weights)} gives numbers that are not finite for {shown(phrase)} in "
            f"{self.precision}: {remedy}"
        )

    def _load(self) -> tuple[Any, OnePhraseForward]:
        if self._loaded is None:
            processor, model = load_model(self.weights, self.device)
            self._loaded = processor, OnePhraseForward(model)
        return self._loaded

    def _computing(self) -> AbstractContextManager[Any]:
        if self.precision == "fp32":
            return nullcontext()
        return torch.autocast(torch.device(self.device).type, PRECISIONS[self.precision])

    def _resolved(self, precision: str) -> str:
        if precision != AUTO:
            return precision
        return "fp16" if torch.device(self.device).type == "cuda" else "fp32"


def _to_candidate(prediction: Prediction, image: NDArray[np.uint8]) -> Candidate | None:
    """In pixels, clamped to the image; None where nothing of the box lies in it."""
    height, width = image.shape[:2]
    cx, cy, w, h = prediction.box
    x0, y0 = max(0.0, (cx - w / 2) * width), max(0.0, (cy - h / 2) * height)
    x1, y1 = min(float(width), (cx + w / 2) * width), min(float(height), (cy + h / 2) * height)
    if x0 >= x1 or y0 >= y1:
        return None
    return Candidate((x0, y0, x1, y1), prediction.score, prediction.phrase)
