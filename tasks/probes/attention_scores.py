"""Where a model looks while it acts on held-out frames, and how that meets what it should look at."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypedDict, get_args

import numpy as np
from numpy.typing import NDArray

from calvin.training_index import IndexItem
from errors import NotFinite
from models.attention import (
    action_attention,
    centre_prior,
    composed_box,
    entropy_bits,
    gaze_coverage,
    mass_in_gaze,
    points_at_gaze,
    static_coverage,
)
from models.generation import generate_actions
from models.recipe import Recipe
from models.reconvla import ReconVLA
from tasks.data.index_reader import Index
from tasks.data.samples import STATIC_FRAME, question_of

_BATCH = 8

#: Frames whose maps are kept for people to look at; of all others only the figures.
PANELS = 4

#: Demonstrations are drawn this often for an interval.
_DRAWS = 2000
_SEED = 7

Figure = Literal["mass_in_gaze", "pointing_accuracy", "entropy_bits", "static_share"]
CentreFigure = Literal["centre_mass_in_gaze", "centre_pointing_accuracy", "centre_entropy_bits"]
FIGURES: tuple[Figure, ...] = get_args(Figure)
CENTRE_FIGURES: tuple[CentreFigure, ...] = get_args(CentreFigure)


@dataclass(frozen=True)
class Region:
    """What a frame's attention is judged by, in px of the static picture. `true`: the simulator said so."""

    box: tuple[float, float, float, float]
    true: bool


@dataclass
class AttentionScores:
    """Figures per frame, by name (`FIGURES`, `CENTRE_FIGURES`), and maps of a few frames.

    maps (P, grid, grid), images (P, S, S, 3) and boxes (P, 4; px of the image) belong to `panel_rows`.
    """

    rows: list[int] = field(default_factory=list)
    demonstrations: list[int] = field(default_factory=list)
    true_boxes: int = 0
    figures: dict[str, list[float]] = field(
        default_factory=lambda: {name: [] for name in (*FIGURES, *CENTRE_FIGURES)}
    )
    panel_rows: list[int] = field(default_factory=list)
    maps: list[NDArray[np.float32]] = field(default_factory=list)
    images: list[NDArray[np.uint8]] = field(default_factory=list)
    boxes: list[tuple[float, float, float, float]] = field(default_factory=list)


def region_of(item: IndexItem) -> Region | None:
    """The simulator's box where there is one, else the detector's; None where the target is not in sight."""
    is_true = "true_box" in item
    box = item["true_box"] if "true_box" in item else item["gaze"]["box"]
    if box is None:
        return None
    x0, y0, x1, y1 = box
    return Region((x0, y0, x1, y1), is_true)


def look(
    model: ReconVLA,
    recipe: Recipe,
    index: Index,
    rows: Sequence[int],
    layer: int = -1,
    heads: Sequence[int] | None = None,
    report: Callable[[int, int], None] = lambda done, total: None,
    should_stop: Callable[[], str | None] = lambda: None,
) -> AttentionScores | None:
    """Attention of the action tokens on `rows`, each of which has a region; None when told to stop.

    Memory does not grow with the number of rows beyond a few numbers for each. Raises InvalidInput for a
    layer or a head that the model has not, NotFinite where the model gives NaN, infinities, or no attention.
    """
    looks = AttentionScores()
    panels = {
        rows[place] for place in np.linspace(0, len(rows) - 1, min(PANELS, len(rows))).round().astype(int)
    }
    vision = recipe.config.vision
    centre = centre_prior(vision.grid, vision.image_size, vision.patch_size)
    static = static_coverage(vision.grid, vision.image_size, vision.patch_size)
    for start in range(0, len(rows), _BATCH):
        if should_stop():
            return None
        part = rows[start : start + _BATCH]
        for row, attention in zip(part, _maps(model, recipe, index, part, layer, heads), strict=True):
            region = region_of(index.items[row])
            assert region is not None
            coverage = gaze_coverage(region.box, STATIC_FRAME, vision.image_size, vision.patch_size)
            looks.rows.append(row)
            looks.demonstrations.append(index.items[row]["demonstration"])
            looks.true_boxes += region.true
            for name, value in (
                ("mass_in_gaze", mass_in_gaze(attention, coverage)),
                ("pointing_accuracy", points_at_gaze(attention, coverage)),
                ("entropy_bits", entropy_bits(attention)),
                ("static_share", mass_in_gaze(attention, static)),
                ("centre_mass_in_gaze", mass_in_gaze(centre, coverage)),
                ("centre_pointing_accuracy", points_at_gaze(centre, coverage)),
                ("centre_entropy_bits", entropy_bits(centre)),
            ):
                looks.figures[name].append(float(value))
            if row in panels:
                looks.panel_rows.append(row)
                looks.maps.append(attention)
                looks.images.append(np.asarray(index.images[row]))
                looks.boxes.append(composed_box(region.box, STATIC_FRAME, vision.image_size))
        report(min(start + _BATCH, len(rows)), len(rows))
    return looks


def _maps(
    model: ReconVLA,
    recipe: Recipe,
    index: Index,
    rows: Sequence[int],
    layer: int,
    heads: Sequence[int] | None,
) -> NDArray[np.float32]:
    """(B, grid, grid), averaged over the tokens of the actions, after the tokens the model itself gives."""
    questions = [question_of(recipe, index, row) for row in rows]
    images = [question.image for question in questions]
    prompts = [question.prompt for question in questions]
    crops = [question.crop for question in questions]
    answers = generate_actions(model, images, prompts, crops=crops).token_ids
    maps = action_attention(model, images, prompts, answers, crops, layer, heads)
    averaged: NDArray[np.float32] = maps[:, recipe.config.box_tokens :].mean(axis=1)
    blind = np.flatnonzero(averaged.sum(axis=(1, 2)) == 0)
    if len(blind):
        raise NotFinite(
            f"{model.source} pays the picture of held-out row {rows[blind[0]]} no attention at all in layer {layer}: "
            "which share of it goes to the gaze region cannot be told; look at another layer"
        )
    return averaged


class AttentionFigures(TypedDict):
    """See `figures_of`; intervals are None of a single demonstration."""

    frames: int
    demonstrations: int
    true_boxes: int
    mass_in_gaze: float
    mass_in_gaze_ci95: list[float] | None
    pointing_accuracy: float
    pointing_accuracy_ci95: list[float] | None
    entropy_bits: float
    entropy_bits_ci95: list[float] | None
    static_share: float
    static_share_ci95: list[float] | None
    centre_mass_in_gaze: float
    centre_pointing_accuracy: float
    centre_entropy_bits: float
    mass_over_centre_ci95: list[float] | None
    pointing_over_centre_ci95: list[float] | None
    by_demonstration: dict[str, list[float]]


def figures_of(looks: AttentionScores) -> AttentionFigures:
    """Means, and intervals (95 %) that draw demonstrations anew, as the frames of one are alike.

    `mass_over_centre_ci95` and `pointing_over_centre_ci95` are of the difference to the centre prior, frame by
    frame; the prior's entropy is the same in every frame. `by_demonstration`: means within each.
    """
    values = {name: np.array(column) for name, column in looks.figures.items()}
    groups = np.array(looks.demonstrations)

    def mean(name: Figure | CentreFigure) -> float:
        return float(values[name].mean())

    def interval(name: Figure) -> list[float] | None:
        return grouped_interval(values[name], groups)

    def over_centre(name: Figure, centre: CentreFigure) -> list[float] | None:
        return grouped_interval(values[name] - values[centre], groups)

    return {
        "frames": len(looks.rows),
        "demonstrations": len(set(looks.demonstrations)),
        "true_boxes": looks.true_boxes,
        "mass_in_gaze": mean("mass_in_gaze"),
        "mass_in_gaze_ci95": interval("mass_in_gaze"),
        "pointing_accuracy": mean("pointing_accuracy"),
        "pointing_accuracy_ci95": interval("pointing_accuracy"),
        "entropy_bits": mean("entropy_bits"),
        "entropy_bits_ci95": interval("entropy_bits"),
        "static_share": mean("static_share"),
        "static_share_ci95": interval("static_share"),
        "centre_mass_in_gaze": mean("centre_mass_in_gaze"),
        "centre_pointing_accuracy": mean("centre_pointing_accuracy"),
        "centre_entropy_bits": mean("centre_entropy_bits"),
        "mass_over_centre_ci95": over_centre("mass_in_gaze", "centre_mass_in_gaze"),
        "pointing_over_centre_ci95": over_centre("pointing_accuracy", "centre_pointing_accuracy"),
        "by_demonstration": _by_demonstration(values, groups),
    }


def _by_demonstration(
    values: Mapping[str, NDArray[np.float64]], groups: NDArray[np.int64]
) -> dict[str, list[float]]:
    """Columns of equal length: `demonstration` (its number), `frames`, and the mean of each figure over them."""
    numbers, places = np.unique(groups, return_inverse=True)
    frames = np.bincount(places)
    means = {name: (np.bincount(places, column) / frames).tolist() for name, column in values.items()}
    return {"demonstration": numbers.tolist(), "frames": frames.tolist(), **means}


def grouped_interval(values: NDArray[np.float64], groups: NDArray[np.int64]) -> list[float] | None:
    """Percentile bootstrap of the mean over whole groups; None of a single group, which shows no spread."""
    names, places = np.unique(groups, return_inverse=True)
    if len(names) < 2:
        return None
    sums, counts = np.bincount(places, weights=values), np.bincount(places)
    drawn = np.random.default_rng(_SEED).integers(len(names), size=(_DRAWS, len(names)))
    means = sums[drawn].sum(axis=1) / counts[drawn].sum(axis=1)
    low, high = np.percentile(means, [2.5, 97.5])
    return [float(low), float(high)]
