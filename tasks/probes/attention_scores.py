"""Where a model looks while it acts on held-out frames, and how that meets what it should look at."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

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

FIGURES = ("mass_in_gaze", "pointing_accuracy", "entropy_bits", "static_share")
CENTRE_FIGURES = ("centre_mass_in_gaze", "centre_pointing_accuracy", "centre_entropy_bits")


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
        default_factory=lambda: {name: [] for name in FIGURES + CENTRE_FIGURES}
    )
    panel_rows: list[int] = field(default_factory=list)
    maps: list[NDArray[np.float32]] = field(default_factory=list)
    images: list[NDArray[np.uint8]] = field(default_factory=list)
    boxes: list[tuple[float, float, float, float]] = field(default_factory=list)


def region_of(item: Mapping[str, Any]) -> Region | None:
    """The simulator's box where there is one, else the detector's; None where the target is not in sight."""
    if "true_box" in item:
        return None if item["true_box"] is None else Region(tuple(item["true_box"]), True)
    box = item["gaze"]["box"]
    return None if box is None else Region(tuple(box), False)


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


def figures_of(looks: AttentionScores) -> dict[str, Any]:
    """Means, and intervals (95 %) that draw demonstrations anew, as the frames of one are alike.

    `mass_over_centre_ci95` and `pointing_over_centre_ci95` are of the difference to the centre prior, frame by
    frame; the prior's entropy is the same in every frame. `by_demonstration`: means within each.
    """
    values = {name: np.array(column) for name, column in looks.figures.items()}
    groups = np.array(looks.demonstrations)
    result: dict[str, Any] = {
        "frames": len(looks.rows),
        "demonstrations": len(set(looks.demonstrations)),
        "true_boxes": looks.true_boxes,
    }
    for name in FIGURES:
        result[name] = float(values[name].mean())
        result[f"{name}_ci95"] = grouped_interval(values[name], groups)
    for name in CENTRE_FIGURES:
        result[name] = float(values[name].mean())
    for name, figure in (("mass", "mass_in_gaze"), ("pointing", "pointing_accuracy")):
        lift = values[figure] - values[f"centre_{figure}"]
        result[f"{name}_over_centre_ci95"] = grouped_interval(lift, groups)
    result["by_demonstration"] = _by_demonstration(values, groups)
    return result


def _by_demonstration(
    values: Mapping[str, NDArray[np.floating]], groups: NDArray[np.integer]
) -> dict[str, list[float]]:
    """Columns of equal length: `demonstration` (its number), `frames`, and the mean of each figure over them."""
    numbers, places = np.unique(groups, return_inverse=True)
    frames = np.bincount(places)
    means = {name: (np.bincount(places, column) / frames).tolist() for name, column in values.items()}
    return {"demonstration": numbers.tolist(), "frames": frames.tolist(), **means}


def grouped_interval(values: NDArray[np.floating], groups: NDArray[np.integer]) -> list[float] | None:
    """Percentile bootstrap of the mean over whole groups; None of a single group, which shows no spread."""
    names, places = np.unique(groups, return_inverse=True)
    if len(names) < 2:
        return None
    sums, counts = np.bincount(places, weights=values), np.bincount(places)
    drawn = np.random.default_rng(_SEED).integers(len(names), size=(_DRAWS, len(names)))
    means = sums[drawn].sum(axis=1) / counts[drawn].sum(axis=1)
    low, high = np.percentile(means, [2.5, 97.5])
    return [float(low), float(high)]
