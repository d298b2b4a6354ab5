"""Gaze regions a second: the pipeline against a loop that detects every frame, as the original scripts do.

Both run here, one after the other, on the same frames with the same detector. The loop takes one frame at a time,
and with GroundingDINO encodes the phrase with every frame. Told beside the ratio: the overlap of both ways' boxes
where both found one, and the overlap of each with the true box over all frames that show the target (0 where no
box was found). Without --data the scripted expert makes the demonstrations; GroundingDINO is the small model of this
folder unless others' weights are named.

python -m benchmarks.gaze_throughput [--detector colour] [--demonstrations 34] [--data CALVIN_DIR [--split NAME]]
                                     [--weights PATH] [--repeats 5]
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from statistics import median
from typing import Any

import cv2
import numpy as np
import torch

from benchmark.observations import GRIPPER_COMMAND, POSITION
from benchmarks.gaze_scenes import SMALL_MODEL
from benchmarks.machine import describe
from calvin.episode import Episode
from detectors.base import Box, Detection, FrameContext, NoTarget, Target
from detectors.pipeline import STAGES, GazePipeline
from detectors.registry import make_detector
from detectors.scoring import iou
from detectors.targets.phases import frame_targets
from detectors.targets.table import phases_for

_SPLITS = ("training", "validation")
_RESULTS = Path(__file__).parent / "results"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--detector", default="colour", choices=["colour", "grounding_dino"])
    parser.add_argument("--demonstrations", type=int, default=34)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--split", choices=_SPLITS, help="of --data; by default both")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--weights")
    arguments = parser.parse_args()
    cv2.setNumThreads(1)  # processor time is compared
    episodes = list(islice(demonstrations(arguments.data, arguments.split), arguments.demonstrations))
    options: dict[str, Any] = {}
    if arguments.detector == "grounding_dino":
        torch.set_num_threads(1)
        options = {"weights": arguments.weights or str(SMALL_MODEL)}
    result = compare(arguments.detector, episodes, options, arguments.repeats)
    document = {"machine": describe(), "detector": arguments.detector, **result}
    # Each set of frames has a file of its own: their ratios differ, and neither shall replace the other's.
    name = "expert" if arguments.data is None else arguments.data.resolve().name
    document["data"] = "_".join([name, *([arguments.split] if arguments.split else [])])
    print(json.dumps(result, indent=1))
    _RESULTS.mkdir(exist_ok=True)
    file = _RESULTS / f"gaze_throughput_{arguments.detector}_{document['data']}.json"
    file.write_text(json.dumps(document, indent=1) + "\n")


def demonstrations(data: Path | None, split: str | None) -> Iterator[Episode]:
    if data is not None:
        from calvin.dataset import open_dataset

        for name in (split,) if split else _SPLITS:
            opened = open_dataset(data, name)
            yield from map(opened.read, opened.demonstrations)
        return
    from experiments.reconvla.demonstrations import TRAINING, generated
    from experiments.reconvla.sections import Data
    from tasks.data.generate import generate

    entries = generated(Data(demonstrations_per_task=1), TRAINING).entries
    yield from generate(entries, TRAINING)


def compare(name: str, episodes: list[Episode], options: dict[str, Any], repeats: int) -> dict[str, Any]:
    """Frames a second of both ways, their ratio (medians of `repeats` turns), and how right their boxes are."""
    work = [(np.asarray(episode.rgb_static), *_looked_for(episode)) for episode in episodes]
    each = per_frame(name, options)
    each(work[0][0][0], work[0][1][0])  # weights load here
    loop_seconds, our_seconds = [], []
    for _ in range(repeats):
        pipeline = make_detector(name, **options)  # a new one remembers no answers
        pipeline.detect(work[0][0][:1], work[0][1][:1], None)
        started = time.process_time()
        loop = [
            each(image, target)
            for images, targets, _ in work
            for image, target in zip(images, targets, strict=True)
        ]
        between = time.process_time()
        ours = [one for images, targets, known in work for one in pipeline.detect(images, targets, known)]
        loop_seconds.append(between - started)
        our_seconds.append(time.process_time() - between)
    both = [
        iou(a.box, b) for a, b in zip(ours, loop, strict=True) if isinstance(a, Detection) and b is not None
    ]
    agree = sum(isinstance(a, Detection) == (b is not None) for a, b in zip(ours, loop, strict=True))
    true = [
        (episode.boxes or [{}] * len(targets))[frame].get(target.object)
        for episode, (_, targets, _) in zip(episodes, work, strict=True)
        for frame, target in enumerate(targets)
    ]
    found = [one.box if isinstance(one, Detection) else None for one in ours]
    per_frame_iou, our_iou = mean_overlap(loop, true), mean_overlap(found, true)
    return {
        "version": pipeline.version,
        "demonstrations": len(episodes),
        "frames": len(loop),
        "repeats": repeats,
        "loop_frames_per_second": round(len(loop) / median(loop_seconds), 1),
        "pipeline_frames_per_second": round(len(ours) / median(our_seconds), 1),
        "ratio": round(median(np.divide(loop_seconds, our_seconds)), 2),
        "mean_iou": round(float(np.mean(both)), 4) if both else None,
        "frames_with_both": len(both),
        "true_iou_of_loop": per_frame_iou,
        "true_iou_of_pipeline": our_iou,
        "share_of_true_iou": round(our_iou / per_frame_iou, 4) if our_iou and per_frame_iou else None,
        "found_or_not_alike": round(agree / len(loop), 4),
    }


def mean_overlap(boxes: Sequence[Box | None], true: Sequence[Box | None]) -> float | None:
    """With the true boxes, where there is one; a frame without a box counts as 0."""
    overlaps = [
        0.0 if box is None else iou(box, truth)
        for box, truth in zip(boxes, true, strict=True)
        if truth is not None
    ]
    return round(float(np.mean(overlaps)), 4) if overlaps else None


def per_frame(name: str, options: dict[str, Any]) -> Callable[[np.ndarray, Target], Any]:
    """The best box of one frame, or None, found without knowing any other frame."""
    if name == "grounding_dino":
        return _original_predict(options["weights"])
    single = make_detector(name, stages=(), **options)

    def detect(image: np.ndarray, target: Target) -> Any:
        [result] = single.detect(image[None], [target])
        return result.box if isinstance(result, Detection) else None

    return detect


def _original_predict(weights: str) -> Callable[[np.ndarray, Target], Any]:
    from detectors.grounding_dino.finder import load_model
    from detectors.grounding_dino.io import caption, prepare_image, read_predictions

    processor, model = load_model(weights, "cuda" if torch.cuda.is_available() else "cpu")
    size = processor.image_processor.size

    @torch.inference_mode()
    def detect(image: np.ndarray, target: Target) -> Any:
        pixels = prepare_image(image, size["shortest_edge"], size["longest_edge"])[None].to(model.device)
        tokens = processor.tokenizer(caption(target.phrase), return_tensors="pt").to(model.device)
        outputs = model(pixel_values=pixels, **tokens)
        ids = tokens["input_ids"][0].tolist()
        found = read_predictions(
            outputs.logits[0].cpu(), outputs.pred_boxes[0].cpu(), ids, processor.tokenizer, 0.35, 0.25
        )
        if not found:
            return None
        cx, cy, w, h = max(found, key=lambda one: one.score).box
        height, width = image.shape[:2]
        return ((cx - w / 2) * width, (cy - h / 2) * height, (cx + w / 2) * width, (cy + h / 2) * height)

    return detect


def _looked_for(episode: Episode) -> tuple[list[Target], FrameContext]:
    """Targets by frame. Which block is carried is settled beforehand, as the loop cannot tell."""
    known = FrameContext(
        gripper_xyz=episode.robot_obs[:, POSITION], gripper_action=episode.robot_obs[:, GRIPPER_COMMAND]
    )
    phases = phases_for(episode.task, episode.instruction)
    assert not isinstance(phases, NoTarget)
    targets = frame_targets(phases, known, len(episode))
    pipeline = make_detector("colour", stages=STAGES)
    assert isinstance(pipeline, GazePipeline)
    resolved = pipeline.resolve(np.asarray(episode.rgb_static), targets, known)
    named = [phases[-1] if isinstance(target, NoTarget) else target for target in resolved]
    return named, known


if __name__ == "__main__":
    main()
