"""GroundingDINO (Liu et al. 2023) through transformers: open-vocabulary boxes for the target's noun phrase.

Caption rules and thresholds follow the official code (`groundingdino/util/inference.py`, README): lower case,
a full stop at the end, box threshold 0.35, text threshold 0.25.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from detectors.base import Box, Detection, FrameContext, NoTarget, Reason, Target, check_frames, is_blank
from detectors.carried import resolve_blocks
from detectors.grounding_dino_official import load_official
from detectors.targets import COLOURS, block
from errors import CheckpointError, ConfigError, WeightsMissing

DEFAULT_WEIGHTS = "IDEA-Research/grounding-dino-tiny"
OFFICIAL_TOKENIZER = "google-bert/bert-base-uncased"
HUB_TIMEOUT_SECONDS = 10


@dataclass(frozen=True)
class _Candidate:
    box: Box
    score: float
    text: str


class GroundingDinoDetector:
    """The best box of each frame for its target's phrase; weights load at the first detection.

    `weights`: a hub name, a local folder in transformers' format, or an official `.pth` file. `device`: `cpu`,
    `cuda`, ..., by default `cuda` where there is one. Raises ConfigError when a threshold lies outside 0..1.
    """

    name = "grounding_dino"

    def __init__(
        self,
        weights: str | None = None,
        box_threshold: float = 0.35,
        text_threshold: float = 0.25,
        device: str | None = None,
        batch_size: int = 8,
    ) -> None:
        for field, value in (("box_threshold", box_threshold), ("text_threshold", text_threshold)):
            if not 0.0 <= value <= 1.0:
                raise ConfigError(f"{field} is {value}, it must lie in 0..1")
        if batch_size < 1:
            raise ConfigError(f"batch_size is {batch_size}, it must be at least 1")
        self.weights = weights or DEFAULT_WEIGHTS
        self.box_threshold = box_threshold
        self.text_threshold = text_threshold
        self.device = device or ("cuda" if torch.cuda.is_available() else "cpu")
        self.batch_size = batch_size
        self._loaded: tuple[Any, Any] | None = None

    @property
    def version(self) -> str:
        """Code version, weights and thresholds: all that decides the boxes."""
        return f"1 {self.weights} {self.box_threshold:g} {self.text_threshold:g}"

    def detect(
        self, images: NDArray[np.uint8], targets: Sequence[Target], context: FrameContext | None = None
    ) -> list[Detection | NoTarget]:
        """See `Detector.detect`. NoTarget(below_threshold) where no box of the phrase scores high enough.

        Raises WeightsMissing when the weights cannot be had, CheckpointError when they do not fit the model.
        """
        check_frames(images, targets, context)
        resolved = self._resolve(images, targets, context)
        results: list[Detection | NoTarget] = [
            target if isinstance(target, NoTarget) else NoTarget(Reason.BLANK_FRAME) for target in resolved
        ]
        usable = [
            (index, target)
            for index, target in enumerate(resolved)
            if not isinstance(target, NoTarget) and not is_blank(images[index])
        ]
        for start in range(0, len(usable), self.batch_size):
            batch = usable[start : start + self.batch_size]
            frames = images[[index for index, _ in batch]]
            found = self._candidates(frames, [target.phrase for _, target in batch])
            for (index, target), candidates in zip(batch, found, strict=True):
                results[index] = best_candidate(candidates, target)
        return results

    def _resolve(
        self, images: NDArray[np.uint8], targets: Sequence[Target], context: FrameContext | None
    ) -> list[Target | NoTarget]:
        """Name the block that a carrying task handles, from the boxes of all three."""
        tracks: dict[str, list[Box | None]] = {}
        unnamed = any(target.object in ("block", "other_block") for target in targets)
        if unnamed and context is not None and context.gripper_xyz is not None:
            for colour in COLOURS:
                found = self.detect(images, [block(colour)] * len(images))
                tracks[f"{colour}_block"] = [hit.box if isinstance(hit, Detection) else None for hit in found]
        return resolve_blocks(targets, tracks, context, images.shape[2])

    @torch.inference_mode()
    def _candidates(self, frames: NDArray[np.uint8], phrases: Sequence[str]) -> list[list[_Candidate]]:
        """Boxes above the thresholds, clamped to the image, for each of a few (H, W, 3) frames."""
        processor, model = self._load()
        height, width = frames.shape[1:3]
        captions = [caption(phrase) for phrase in phrases]
        inputs = processor(images=list(frames), text=captions, return_tensors="pt", padding=True).to(
            self.device
        )
        outputs = model(**inputs)
        results = processor.post_process_grounded_object_detection(
            outputs,
            inputs["input_ids"],
            threshold=self.box_threshold,
            text_threshold=self.text_threshold,
            target_sizes=[(height, width)] * len(frames),
        )
        return [_to_candidates(result, height, width) for result in results]

    def _load(self) -> tuple[Any, Any]:
        if self._loaded is None:
            self._loaded = load_model(self.weights, self.device)
        return self._loaded


def load_model(weights: str, device: str) -> tuple[Any, Any]:
    """(processor, model in evaluation mode) from a hub name, a local folder or an official `.pth` file.

    Beside a `.pth` file lies bert-base-uncased's `vocab.txt`, or it comes from the hub. Raises
    WeightsMissing when nothing is there and the hub does not give it, CheckpointError when the folder or file is
    damaged or lacks tensors.
    """
    from safetensors import SafetensorError
    from transformers import AutoModelForZeroShotObjectDetection, AutoProcessor

    if weights.endswith(".pth"):
        checkpoint = Path(weights)
        if not checkpoint.is_file():
            raise WeightsMissing(f"GroundingDINO checkpoint {weights!r} does not exist")
        vocabulary = checkpoint.parent / "vocab.txt"
        if not vocabulary.is_file():
            vocabulary = local_folder(OFFICIAL_TOKENIZER, ("vocab.txt",)) / "vocab.txt"
        processor, model = load_official(checkpoint, vocabulary)
        return processor, model.to(device).eval()
    folder = local_folder(weights)
    try:
        processor = AutoProcessor.from_pretrained(folder)
        model, info = AutoModelForZeroShotObjectDetection.from_pretrained(
            folder, output_loading_info=True, dtype=torch.float32
        )
    except (OSError, ValueError, SafetensorError) as error:
        reason = str(error).splitlines()[0]
        raise CheckpointError(f"GroundingDINO folder {str(folder)!r} cannot be loaded: {reason}") from None
    if info["missing_keys"]:
        missing = sorted(info["missing_keys"])
        raise CheckpointError(
            f"GroundingDINO folder {str(folder)!r} lacks {len(missing)} tensors, first {missing[0]}"
        )
    return processor, model.to(device).eval()


def local_folder(weights: str, files: Sequence[str] = ("*.json", "*.txt", "*.safetensors")) -> Path:
    """The folder itself, or that of a hub name: brought up to date where the hub answers, else as cached.

    Asks the hub one question first, as its client would retry every file for minutes without a network.
    """
    from huggingface_hub import HfApi, snapshot_download

    if Path(weights).is_dir():
        return Path(weights)
    try:
        HfApi().model_info(weights, timeout=HUB_TIMEOUT_SECONDS)
        return Path(snapshot_download(weights, allow_patterns=list(files)))
    except Exception as error:  # the client's errors share no base class, and all mean "not from the hub"
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
    try:
        return Path(snapshot_download(weights, local_files_only=True))
    except (OSError, ValueError):
        raise WeightsMissing(
            f"weights {weights!r} are neither a folder here, nor cached, nor to be had from the hub ({reason}): "
            "download them on a connected machine and name their folder, or use the colour detector"
        ) from None


def caption(phrase: str) -> str:
    """The caption of one noun phrase: lower case, single spaces, one full stop at the end."""
    return " ".join(phrase.lower().split()).rstrip(". ") + "."


def best_candidate(candidates: Sequence[_Candidate], target: Target) -> Detection | NoTarget:
    """The highest score; for a coloured target only among boxes whose own words name the colour."""
    named = [c for c in candidates if target.colour is None or target.colour in c.text.split()]
    if not named:
        return NoTarget(Reason.BELOW_THRESHOLD, target.phrase)
    best = max(named, key=lambda candidate: candidate.score)
    return Detection(best.box, best.score, target.phrase)


def _to_candidates(result: Any, height: int, width: int) -> list[_Candidate]:
    candidates = []
    for box, score, text in zip(result["boxes"].tolist(), result["scores"].tolist(), result["text_labels"]):
        x0, y0, x1, y1 = box
        clamped = (max(0.0, x0), max(0.0, y0), min(float(width), x1), min(float(height), y1))
        if clamped[0] < clamped[2] and clamped[1] < clamped[3]:
            candidates.append(_Candidate(clamped, score, text))
    return candidates
