"""Gaze regions in hard scenes: the stages of the pipeline switched on one after the other, and each left out.

Scores every object of `gaze_scenes.TARGETS` in every frame against the simulator's boxes, until at least
`--frames` (object, frame) pairs are complex by the definition in `detectors/scoring.py`. `--calibrate` prints
calibrations fitted to these frames instead; use another seed for that than for the table.

python -m benchmarks.gaze_complex [--frames 2000] [--seed 0] [--detector colour] [--assets CALVIN_ENV] [--calibrate]
"""

from __future__ import annotations

import argparse
import json
from importlib import import_module
from pathlib import Path
from typing import Any

from benchmarks.gaze_scenes import TARGETS, Scenery, episodes, truths
from benchmarks.machine import describe
from detectors.cache import FinderCache
from detectors.calibration import fit_calibration
from detectors.pipeline import STAGES
from detectors.registry import FINDERS, make_detector
from detectors.scoring import MIN_IOU, ScoredFrame, difficulty, iou, score_frame, summarise, summarise_objects

_RESULTS = Path(__file__).parent / "results"
_MOST_EPISODES = 1000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--detector", default="colour")
    parser.add_argument("--weights")
    parser.add_argument("--assets")
    parser.add_argument("--calibrate", action="store_true")
    arguments = parser.parse_args()
    options = {} if arguments.weights is None else {"weights": arguments.weights}
    scenery = collect(arguments.frames, arguments.seed, arguments.assets)
    cache = FinderCache()
    if arguments.calibrate:
        print(json.dumps(calibrate(scenery, arguments.detector, cache, options), indent=1))
        return
    runs = [STAGES[:count] for count in range(len(STAGES) + 1)]
    table = []
    for stages in runs:
        row = measure(scenery, stages, arguments.detector, cache, options)
        table.append(row)
        name = f"+ {stages[-1]}" if stages else "none"
        print(
            f"{name:14} simple {row['simple']['rate']:.3f} complex {row['complex']['rate']:.3f} "
            f"IoU {row['all']['mean_iou']:.3f} false targets {row['all']['false_targets']} of {row['all']['frames']} "
            f"guesses {row['all']['guesses']}"
        )
    for name, entry in table[-1]["objects"].items():
        print(
            f"  {name:14} {entry['detected']} of {entry['visible']}, false targets {entry['false_targets']}"
        )
    document = {
        "machine": describe(),
        "seed": arguments.seed,
        "detector": arguments.detector,
        "scenes": "calvin_env" if arguments.assets else "playtable",
        "frames": sum(len(one.images) for one in scenery),
        "stages": table,
    }
    _RESULTS.mkdir(exist_ok=True)
    name = f"gaze_complex_{arguments.detector}{'_calvin' if arguments.assets else ''}.json"
    (_RESULTS / name).write_text(json.dumps(document, indent=1) + "\n")


def collect(complex_frames: int, seed: int, assets: str | None) -> list[Scenery]:
    """As many episodes as hold this many complex (object, frame) pairs."""
    count, found = 4, []
    while True:
        found = list(episodes(count, seed, assets))
        have = sum(
            difficulty(truth, image.shape[0] * image.shape[1]) == "complex"
            for one in found
            for target in TARGETS
            for truth, image in zip(truths(one, target.object), one.images, strict=True)
        )
        if have >= complex_frames or count >= _MOST_EPISODES:
            return found
        count = min(_MOST_EPISODES, max(count + 4, -(-count * complex_frames // max(have, 1)) + 4))


def measure(
    scenery: list[Scenery], stages: tuple[str, ...], name: str, cache: FinderCache, options: dict[str, Any]
) -> dict[str, Any]:
    detector = make_detector(name, stages=stages, cache=cache, **options)
    scored: list[ScoredFrame] = []
    for one in scenery:
        area = one.images.shape[1] * one.images.shape[2]
        for target in TARGETS:
            found = detector.detect(one.images, [target] * len(one.images))
            known = truths(one, target.object)
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
            for candidates, truth in zip(raw, truths(one, target.object), strict=True):
                if isinstance(candidates, list):
                    best = max(candidates, key=lambda candidate: candidate.score)
                    scores.append(best.score)
                    right.append(truth.box is not None and iou(best.box, truth.box) >= MIN_IOU)
        if scores:
            fitted[target.object] = list(fit_calibration(scores, right).knots)
    return fitted


if __name__ == "__main__":
    main()
