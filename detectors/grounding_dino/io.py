"""What goes into GroundingDINO and how its output is read, as the official code does it.

Rules and constants: IDEA-Research/GroundingDINO `groundingdino/util/inference.py` (load_image, predict),
`groundingdino/util/utils.py` (phrases), `groundingdino/datasets/transforms.py` (resize).
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

SHORTEST_EDGE, LONGEST_EDGE = 800, 1333
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)

#: bert-base-uncased: [CLS], [SEP] and the full stop end a sub-sentence of the caption.
CLS_ID, SEP_ID, STOP_ID = SEPARATOR_IDS = (101, 102, 1012)
#: The model's text axis has 256 places; neither the first nor the last is ever part of a phrase.
LAST_PLACE = 255


@dataclass(frozen=True)
class Prediction:
    """One query above the box threshold: its box (cx, cy, w, h) in shares of the image, score and words."""

    box: tuple[float, float, float, float]
    score: float
    phrase: str


def caption(phrase: str) -> str:
    """The caption of one noun phrase: lower case, single spaces, one full stop at the end."""
    return " ".join(phrase.lower().split()).rstrip(". ") + "."


def resized_shape(
    height: int, width: int, shortest: int = SHORTEST_EDGE, longest: int = LONGEST_EDGE
) -> tuple[int, int]:
    """(height, width) in pixels after scaling the shorter edge to `shortest`, or less to respect `longest`."""
    low, high = min(height, width), max(height, width)
    if high / low * shortest > longest:
        shortest = round(longest * low / high)
    if low == shortest:
        return height, width
    other = int(shortest * high / low)
    return (other, shortest) if width < height else (shortest, other)


def prepare_images(
    images: Sequence[NDArray[np.uint8]],
    shortest: int = SHORTEST_EDGE,
    longest: int = LONGEST_EDGE,
    mean: Sequence[float] = IMAGENET_MEAN,
    std: Sequence[float] = IMAGENET_STD,
) -> torch.Tensor:
    """N images (H, W, 3) uint8 RGB of one size -> (N, 3, h, w) float32: resized by Pillow's bilinear filter and
    normalised; a pixel's colours lie side by side.

    mean, std: of values 0 to 1, by colour; ImageNet's unless a folder says otherwise.
    """
    height, width = resized_shape(images[0].shape[0], images[0].shape[1], shortest, longest)
    pictures = (Image.fromarray(image).resize((width, height), Image.Resampling.BILINEAR) for image in images)
    resized = np.stack([np.asarray(picture) for picture in pictures])
    pixels = torch.from_numpy(resized).float().div_(255)  # (N, h, w, 3)
    return pixels.sub_(torch.tensor(mean)).div_(torch.tensor(std)).permute(0, 3, 1, 2)


def read_predictions(
    logits: torch.Tensor,
    boxes: torch.Tensor,
    input_ids: Sequence[int],
    tokenizer: Any,
    box_threshold: float,
    text_threshold: float,
    remove_combined: bool = False,
) -> list[Prediction]:
    """Queries of one image whose best token scores above `box_threshold`, in the model's order.

    `logits` (Q, 256 or the caption's tokens) and `boxes` (Q, 4) are one sample of the model's output, `input_ids` the
    caption's tokens without padding. A query's words are the tokens above `text_threshold`; with `remove_combined` only
    those of the sub-sentence that holds its best token.
    """
    scores = logits.float().sigmoid()
    best, places = scores.max(dim=1)
    kept = (best > box_threshold).nonzero().flatten()
    ends = [place for place, token in enumerate(input_ids) if token in SEPARATOR_IDS]
    told = zip(
        (scores[kept] > text_threshold).tolist(),
        boxes[kept].tolist(),
        best[kept].tolist(),
        places[kept].tolist(),
        strict=True,
    )
    found = []
    phrases: dict[tuple[int, ...], str] = {}  # most queries see the same words
    for words, (cx, cy, width, height), score, place in told:
        first, last = 0, LAST_PLACE
        if remove_combined:
            end = bisect_left(ends, place)
            first, last = ends[end - 1], ends[end]
        ids = tuple(input_ids[at] for at in range(first + 1, min(last, len(words))) if words[at])
        if ids not in phrases:
            phrases[ids] = _decode(tokenizer, list(ids))
        found.append(Prediction((cx, cy, width, height), score, phrases[ids]))
    return found


def _decode(tokenizer: Any, token_ids: list[int]) -> str:
    text: str = tokenizer.decode(token_ids, clean_up_tokenization_spaces=True)
    return text.replace(".", "")
