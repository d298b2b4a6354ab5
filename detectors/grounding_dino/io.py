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


def prepare_image(
    image: NDArray[np.uint8],
    shortest: int = SHORTEST_EDGE,
    longest: int = LONGEST_EDGE,
    mean: Sequence[float] = IMAGENET_MEAN,
    std: Sequence[float] = IMAGENET_STD,
) -> torch.Tensor:
    """(H, W, 3) uint8 RGB -> (3, h, w) float32: resized by Pillow's bilinear filter and normalised.

    mean, std: of values 0 to 1, by colour; ImageNet's unless a folder says otherwise.
    """
    height, width = resized_shape(image.shape[0], image.shape[1], shortest, longest)
    resized = Image.fromarray(image).resize((width, height), Image.Resampling.BILINEAR)
    pixels = torch.from_numpy(np.array(resized)).permute(2, 0, 1).float() / 255
    means, deviations = (torch.tensor(values).view(3, 1, 1) for values in (mean, std))
    return (pixels - means) / deviations


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

    `logits` (Q, 256) and `boxes` (Q, 4) are one sample of the model's output, `input_ids` the caption's
    tokens without padding. A query's words are the tokens above `text_threshold`; with `remove_combined` only
    those of the sub-sentence that holds its best token.
    """
    scores = logits.float().sigmoid()
    best, places = scores.max(dim=1)
    kept = (best > box_threshold).nonzero().flatten().tolist()
    ends = [place for place, token in enumerate(input_ids) if token in SEPARATOR_IDS]
    found = []
    for query in kept:
        first, last = 0, LAST_PLACE
        if remove_combined:
            end = bisect_left(ends, int(places[query]))
            first, last = ends[end - 1], ends[end]
        words = (scores[query, first + 1 : last] > text_threshold).nonzero().flatten() + first + 1
        cx, cy, width, height = boxes[query].tolist()
        phrase = _decode(tokenizer, [input_ids[place] for place in words.tolist()])
        found.append(Prediction((cx, cy, width, height), float(best[query]), phrase))
    return found


def _decode(tokenizer: Any, token_ids: list[int]) -> str:
    text: str = tokenizer.decode(token_ids, clean_up_tokenization_spaces=True)
    return text.replace(".", "")
