"""Gaze regions in hard scenes: the stages of the pipeline switched on one after the other, and each left out.

Scores every object of `gaze_scenes.TARGETS` in every frame against the simulator's boxes, until at least
`--frames` pictures are complex: they show an object that is, by the definition in `detectors/scoring.py`.
GroundingDINO is the small model of this folder unless others' weights are named. `--calibrate` writes calibrations
fitted to these frames to a file instead; use another seed for that than for the table.

python -m benchmarks.gaze_complex [--frames 2000] [--seed 0] [--detector colour] [--weights PATH]
    [--assets CALVIN_ENV] [--calibrate FILE]
"""

from __future__ import annotations

import argparse
import json
import time
from importlib import import_module
from pathlib import Path
from typing import Any

import cv2

from benchmark.tasks import SCENES
from benchmarks.gaze_calibration import fit_calibration
from benchmarks.gaze_scenes import SMALL_MODEL, TARGETS, Scenery, episodes
from benchmarks.machine import describe
from detectors.cache import FinderCache
from detectors.pipeline import STAGES
from detectors.registry import FINDERS, make_detector
from detectors.scoring import (
    MIN_IOU,
    ScoredFrame,
    difficulty,
    iou,
    score_frame,
    summarise,
    summarise_objects,
)

_RESULTS = Path(__file__).parent / "results"
_FIRST_EPISODES, _MOST_EPISODES = 4, 1000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--detector", default="colour")
    parser.add_argument("--weights")
    parser.add_argument("--assets")
    parser.add_argument("--calibrate", type=Path)
    arguments = parser.parse_args()
    options = {}
    if arguments.weights or arguments.detector == "grounding_dino":
        options["weights"] = arguments.weights or str(SMALL_MODEL)
    cv2.setNumThreads(1)
    started = time.perf_counter()
    scenery = collect(arguments.frames, arguments.seed, arguments.assets)
    drawn = time.perf_counter()
    cache = FinderCache()
    if arguments.calibrate:
        fitted = calibrate(scenery, arguments.detector, cache, options)
        arguments.calibrate.write_text(json.dumps(fitted, indent=1) + "\n")
        return
    pictures = sum(len(one.images) for one in scenery)
    print(f"{pictures} frames, {complex_pictures(scenery)} of them complex, drawn in {drawn - started:.0f} s")
    runs = [STAGES[:count] for count in range(len(STAGES) + 1)]
    left_out = [tuple(stage for stage in STAGES if stage != one) for one in STAGES[:-1]]
    table = []
    for stages in (*runs, *left_out):
        began = time.perf_counter()
        row = measure(scenery, stages, arguments.detector, cache, options)
        row["seconds"] = round(time.perf_counter() - began, 2)
        table.append(row)
        show(row, runs)
    for name, entry in table[len(runs) - 1]["objects"].items():
        print(
            f"  {name:14} {entry['detected']} of {entry['visible']}, false targets {entry['false_targets']}"
        )
    document = {
        "machine": describe(),
        "seed": arguments.seed,
        "detector": arguments.detector,
        "version": make_detector(arguments.detector, **options).version,
        "scenes": "calvin_env" if arguments.assets else "playtable",
        "frames": pictures,
        "complex_frames": complex_pictures(scenery),
        "seconds": round(time.perf_counter() - started, 1),
        "stages": table,
    }
    _RESULTS.mkdir(exist_ok=True)
    name = f"gaze_complex_{arguments.detector}{'_calvin' if arguments.assets else ''}.json"
    (_RESULTS / name).write_text(json.dumps(document, indent=1) + "\n")


def show(row: dict[str, Any], runs: list[tuple[str, ...]]) -> None:
    stages = tuple(row["stages"])
    if stages not in runs:
        [missing] = set(STAGES) - set(stages)
        name = f"without {missing}"
    else:
        name = f"+ {stages[-1]}" if stages else "none"
    print(
        f"{name:20} "
        + "  ".join(
            f"{level} {row[level]['detected']}/{row[level]['frames']} {row[level]['rate'] or 0:.4f}"
            for level in ("simple", "complex")
        )
        + f"  IoU {row['all']['mean_iou'] or 0:.3f}"
        f"  trusted and right {row['all']['trusted_right']}, wrong {row['all']['trusted_wrong']}"
        f"  false targets {row['all']['false_targets']} of {row['all']['frames']}"
        f"  guesses {row['all']['guesses']}  {row['seconds']:.1f} s",
        flush=True,
    )


def collect(wanted: int, seed: int, assets: str | None) -> list[Scenery]:
    """As many episodes as hold this many complex pictures."""
    found: list[Scenery] = []
    count = _FIRST_EPISODES
    while True:
        # The same seed gives the same episodes: only those that are new are drawn.
        found += episodes(count, seed, assets, first=len(found))
        have = complex_pictures(found)
        if have >= wanted or count >= _MOST_EPISODES:
            return found
        more = max(count + 1, -(-count * wanted // max(have, 1)) + 1)
        count = min(_MOST_EPISODES, -(-more // len(SCENES)) * len(SCENES))


def complex_pictures(scenery: list[Scenery]) -> int:
    """Pictures in which at least one object is hard to find."""
    count = 0
    for one in scenery:
        area = one.images.shape[1] * one.images.shape[2]
        known = [one.truths(target.object) for target in TARGETS]
        count += sum(
            any(difficulty(of_object[frame], area) == "complex" for of_object in known)
            for frame in range(len(one.images))
        )
    return count


def measure(
    scenery: list[Scenery], stages: tuple[str, ...], name: str, cache: FinderCache, options: dict[str, Any]
) -> dict[str, Any]:
    detector = make_detector(name, stages=stages, cache=cache, **options)
    scored: list[ScoredFrame] = []
    for one in scenery:
        area = one.images.shape[1] * one.images.shape[2]
        for target in TARGETS:
            found = detector.detect(one.images, [target] * len(one.images))
            known = one.truths(target.object)
            scored += [score_frame(r, t, area, target.object) for r, t in zip(found, known, strict=True)]
    levels, objects = summarise(scored), summarise_objects(scored)
    return {"stages": list(stages), **levels, "objects": objects, "all": objects["all"]}


def calibrate(
    scenery: list[Scenery], name: str, cache: FinderCache, options: dict[str, Any]
) -> dict[str, list[tuple[float, float]]]:
    """Knots by object, from the best candidate of every frame."""
    module, kind = FINDERS[name].split(":")
    fitted = {}
    finder = getattr(import_module(module), kind)(**options)
    for target in TARGETS:
        scores, right = [], []
        for one in scenery:
            raw = cache.find(finder, list(one.images), target, False)
            for candidates, truth in zip(raw, one.truths(target.object), strict=True):
                if isinstance(candidates, list):
                    best = max(candidates, key=lambda candidate: candidate.score)
                    scores.append(best.score)
                    right.append(
                        truth is not None and truth.box is not None and iou(best.box, truth.box) >= MIN_IOU
                    )
        if scores:
            fitted[target.object] = list(fit_calibration(scores, right).knots)
    return fitted


if __name__ == "__main__":
    main()
