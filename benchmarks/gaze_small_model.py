"""A small GroundingDINO that has learned the play table: with it the path through transformers can be measured
where the released weights cannot be had.

Architecture and loss are transformers' own, sizes a hundredth of the released model's, from random weights. It
learns from hard scenes (`gaze_scenes`) and from demonstrations of the scripted expert, with true boxes; their seeds
are none that the other benchmarks use. Pictures are cut to a random window half of the time, as the pipeline's
second pass shows it tiles. A FOLDER that holds such a model already is trained on.

python -m benchmarks.gaze_small_model FOLDER [--minutes 30] [--episodes 120] [--demonstrations 2] [--size 200]
"""

from __future__ import annotations

import argparse
import functools
import json
import math
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from transformers.image_transforms import center_to_corners_format
from transformers.loss.loss_for_object_detection import generalized_box_iou
from transformers.loss.loss_grounding_dino import sigmoid_focal_loss

from benchmarks.gaze_scenes import TARGETS, episodes
from detectors.base import Box, Target
from detectors.grounding_dino_io import caption, prepare_image
from detectors.scoring import MIN_IOU, iou
from detectors.targets import CABINET

#: Seeds of hard scenes and of the expert's demonstrations; held-out frames have the next one.
_SCENES_SEED, _DATA_SEED = 7000, 7000
_LEARNED: tuple[Target, ...] = (*TARGETS, CABINET)
_WORDS = sorted({word for target in _LEARNED for word in target.phrase.split()})
_BATCH, _LEARNING_RATE, _WARMUP_STEPS = 4, 4e-4, 200
#: A picture cut to a window no smaller than this share of its edges; what is left of a box to count.
_SMALLEST_WINDOW, _LEAST_LEFT = 0.45, 0.3
_HELD_OUT = 40

Frame = tuple[np.ndarray, Mapping[str, Any]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--episodes", type=int, default=120)
    parser.add_argument("--demonstrations", type=int, default=2, help="of each task")
    parser.add_argument(
        "--size", type=int, default=200, help="shorter edge of what the model sees, in pixels"
    )
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    frames = [
        *hard_frames(arguments.episodes, _SCENES_SEED),
        *expert_frames(arguments.demonstrations, _DATA_SEED),
    ]
    held_out = list(hard_frames(8, _SCENES_SEED + 1))
    held_out = held_out[:: max(1, len(held_out) // _HELD_OUT)]
    print(f"{len(frames)} frames to learn from, {len(held_out)} held out", flush=True)
    processor, model = small_model(arguments.folder, arguments.size)
    train(model, processor, frames, held_out, arguments.minutes * 60, arguments.size)
    processor.save_pretrained(arguments.folder)
    model.save_pretrained(arguments.folder)
    print(json.dumps(found_shares(model, processor, held_out, arguments.size), indent=1))


def hard_frames(count: int, seed: int) -> Iterator[Frame]:
    for scenery in episodes(count, seed):
        yield from zip(scenery.images, scenery.boxes, strict=True)


def expert_frames(per_task: int, seed: int) -> Iterator[Frame]:
    """Every fourth frame of demonstrations in scene D."""
    from settings.ablation import Data
    from tasks.generate import generate
    from workers.demonstrations import TRAINING, generated

    if not per_task:
        return
    entries = generated(Data(demonstrations_per_task=per_task, seed=seed), TRAINING).entries
    for episode in generate(entries, TRAINING):
        assert episode.boxes is not None
        yield from list(zip(np.asarray(episode.rgb_static), episode.boxes, strict=True))[::4]


def small_model(folder: Path, size: int) -> tuple[Any, Any]:
    """Processor and model, as transformers makes them from a configuration; the one in `folder` where it has one."""
    from transformers import (
        BertConfig,
        BertTokenizer,
        GroundingDinoConfig,
        GroundingDinoForObjectDetection,
        GroundingDinoImageProcessor,
        GroundingDinoProcessor,
        SwinConfig,
    )

    if (folder / "config.json").exists():
        known = GroundingDinoProcessor.from_pretrained(folder)
        return known, GroundingDinoForObjectDetection.from_pretrained(folder, disable_custom_kernels=True)
    folder.mkdir(parents=True, exist_ok=True)
    # The places of bert-base-uncased's [CLS], [SEP], full stop and question mark are fixed in the model's code.
    vocabulary = [f"[unused{place}]" for place in range(1030)]
    vocabulary[0], vocabulary[100:104] = "[PAD]", ["[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    vocabulary[104 : 104 + len(_WORDS)] = _WORDS
    vocabulary[1012], vocabulary[1029] = ".", "?"
    file = folder / "vocab.txt"
    file.write_text("\n".join(vocabulary) + "\n")
    processor = GroundingDinoProcessor(
        GroundingDinoImageProcessor(size={"shortest_edge": size, "longest_edge": 2 * size}),
        BertTokenizer(vocab=str(file)),
    )
    torch.manual_seed(0)
    model = GroundingDinoForObjectDetection(
        GroundingDinoConfig(
            backbone_config=SwinConfig(
                embed_dim=24,
                depths=[1, 1, 2, 1],
                num_heads=[1, 2, 4, 8],
                window_size=7,
                drop_path_rate=0.0,
                out_indices=[2, 3, 4],  # type: ignore[call-arg]
            ),
            text_config=BertConfig(
                vocab_size=len(vocabulary),
                hidden_size=64,
                num_hidden_layers=1,
                num_attention_heads=2,
                intermediate_size=128,
                hidden_dropout_prob=0.0,
                attention_probs_dropout_prob=0.0,
            ),
            d_model=64,
            encoder_layers=1,
            decoder_layers=2,
            encoder_attention_heads=4,
            decoder_attention_heads=4,
            encoder_ffn_dim=128,
            decoder_ffn_dim=128,
            num_queries=100,
            num_feature_levels=3,
            dropout=0.0,
            fusion_droppath=0.0,
            auxiliary_loss=True,
            disable_custom_kernels=True,
        )
    )
    for name, parameter in model.named_parameters():
        if name.endswith(("vision_param", "text_param")):
            torch.nn.init.constant_(parameter, 0.3)  # 1e-4 is for a model whose halves are pretrained
    # Scores are products of normalised vectors without a scale: they begin near 0, not saturated.
    torch.nn.init.constant_(model.model.decoder.layer_norm.weight, 0.1)
    torch.nn.init.constant_(model.model.enc_output_norm.weight, 0.1)
    return processor, model


def train(
    model: Any, processor: Any, frames: list[Frame], held_out: list[Frame], seconds: float, size: int
) -> None:
    """Until the processor time is used up; the learning rate falls with it along a cosine."""
    random = np.random.default_rng(0)
    optimizer = torch.optim.AdamW(model.parameters(), lr=_LEARNING_RATE, weight_decay=1e-4)
    started = time.process_time()
    step, next_look, losses = 0, 60.0, []
    while (spent := time.process_time() - started) < seconds:
        rate = (
            _LEARNING_RATE
            * min(1.0, (step + 1) / _WARMUP_STEPS)
            * (1 + math.cos(math.pi * spent / seconds))
            / 2
        )
        for group in optimizer.param_groups:
            group["lr"] = rate
        pixels, tokens, labels = batch(processor, frames, random, size)
        model.train()
        outputs = model(pixel_values=pixels, **tokens, labels=labels)
        loss = outputs.loss + proposal_loss(outputs, tokens["input_ids"], labels, size)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        losses.append(float(loss.detach()))
        step += 1
        if spent > next_look:
            next_look += 180.0
            shares = found_shares(model, processor, held_out, size)
            print(f"{spent:.0f} s, step {step}, loss {np.mean(losses[-50:]):.3f}, found {shares}", flush=True)
    model.eval()


def batch(
    processor: Any, frames: list[Frame], random: np.random.Generator, size: int
) -> tuple[Any, Any, Any]:
    """Pictures, one caption for all of them (of one phrase, as the pipeline asks, or several) and their boxes."""
    many = 1 if random.random() < 0.4 else int(random.integers(2, len(_LEARNED) + 1))
    wanted = [_LEARNED[place] for place in random.permutation(len(_LEARNED))[:many]]
    text = " ".join(caption(target.phrase) for target in wanted)
    tokens = processor.tokenizer([text] * _BATCH, return_tensors="pt")
    pixels, labels = [], []
    for place in random.integers(len(frames), size=_BATCH):
        image, boxes = frames[place]
        window = _window(image, random)
        x0, y0, x1, y1 = window
        pixels.append(prepare_image(_resized(image[y0:y1, x0:x1], size), size, 2 * size))
        known = [(number, _in_window(boxes[target.object], window)) for number, target in enumerate(wanted)]
        seen = [(number, box) for number, box in known if box is not None]
        labels.append(
            {
                "class_labels": torch.tensor([number for number, _ in seen], dtype=torch.long),
                "boxes": torch.tensor([box for _, box in seen], dtype=torch.float32).reshape(-1, 4),
            }
        )
    return torch.stack(pixels), tokens, labels


def proposal_loss(outputs: Any, input_ids: Any, labels: list[dict[str, Any]], size: int) -> torch.Tensor:
    """Every place in the middle of an object shall propose its box and its phrase: the rest learn from that far
    sooner than from the few proposals that the matching in transformers' loss picks.
    """
    from transformers.models.grounding_dino.modeling_grounding_dino import build_label_maps

    classes, boxes = outputs.enc_outputs_class, outputs.enc_outputs_coord_logits
    phrases = build_label_maps(classes, input_ids)
    centres, levels = _places(size)
    wanted = torch.zeros_like(classes)
    proposed, true = [], []
    for picture, label in enumerate(labels):
        for number, box in zip(label["class_labels"].tolist(), label["boxes"], strict=True):
            level = min(2, max(0, round(math.log2(float(box[2:].max()) / 0.1))))
            reach = torch.maximum(box[2:] / 4, torch.tensor(0.6 * 8 * 2**level / size))
            here = ((centres - box[:2]).abs() < reach).all(-1) & (levels == level)
            here &= torch.isfinite(boxes[picture]).all(-1)
            wanted[picture, here] = torch.maximum(wanted[picture, here], phrases[picture][number].float())
            proposed.append(boxes[picture, here].sigmoid())
            true.append(box.expand(int(here.sum()), 4))
    seen = torch.isfinite(classes)
    positive = max(1, sum(map(len, true)))
    loss = sigmoid_focal_loss(classes[seen], wanted[seen], positive)
    if not true:
        return loss
    ours, theirs = torch.cat(proposed), torch.cat(true)
    corners: list[Any] = [center_to_corners_format(boxes) for boxes in (ours, theirs)]  # type: ignore[arg-type]
    overlap = generalized_box_iou(*corners).diagonal()
    return loss + (5 * (ours - theirs).abs().sum() + 2 * (1 - overlap).sum()) / positive


@functools.cache
def _places(size: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Centres (N, 2) in shares of the picture and levels (N,) of the encoder's tokens, strides 8, 16 and 32."""
    centres, levels = [], []
    for level in range(3):
        edge = math.ceil(math.ceil(size / 4) / 2 ** (level + 1))
        steps = (torch.arange(edge) + 0.5) / edge
        y, x = torch.meshgrid(steps, steps, indexing="ij")
        centres.append(torch.stack([x, y], -1).reshape(-1, 2))
        levels.append(torch.full((edge * edge,), level))
    return torch.cat(centres), torch.cat(levels)


def _window(image: np.ndarray, random: np.random.Generator) -> tuple[int, int, int, int]:
    height, width = image.shape[:2]
    if random.random() < 0.5:
        return 0, 0, width, height
    edge = int(random.uniform(_SMALLEST_WINDOW, 1.0) * min(height, width))
    x0, y0 = int(random.integers(width - edge + 1)), int(random.integers(height - edge + 1))
    return x0, y0, x0 + edge, y0 + edge


def _resized(image: np.ndarray, size: int) -> np.ndarray:
    return np.asarray(Image.fromarray(image).resize((size, size), Image.Resampling.BILINEAR))


def _in_window(
    box: Box | None, window: tuple[int, int, int, int]
) -> tuple[float, float, float, float] | None:
    """(cx, cy, w, h) in shares of the window; None where too little of the box lies in it."""
    if box is None:
        return None
    x0, y0, x1, y1 = window
    a, b, c, d = max(box[0], x0), max(box[1], y0), min(box[2], x1), min(box[3], y1)
    whole = (box[2] - box[0]) * (box[3] - box[1])
    if a >= c or b >= d or (c - a) * (d - b) < _LEAST_LEFT * whole:
        return None
    width, height = x1 - x0, y1 - y0
    return ((a + c) / 2 - x0) / width, ((b + d) / 2 - y0) / height, (c - a) / width, (d - b) / height


@torch.inference_mode()
def found_shares(model: Any, processor: Any, frames: list[Frame], size: int) -> dict[str, float]:
    """Share of the held-out frames showing an object in which its best box overlaps enough, by object."""
    model.eval()
    shares = {}
    for target in _LEARNED:
        showing = [
            (image, boxes[target.object]) for image, boxes in frames if boxes[target.object] is not None
        ]
        tokens = processor.tokenizer([caption(target.phrase)] * len(showing), return_tensors="pt")
        pixels = torch.stack([prepare_image(_resized(image, size), size, 2 * size) for image, _ in showing])
        outputs = model(pixel_values=pixels, **tokens)
        best = outputs.logits.sigmoid().amax(-1).argmax(-1)
        right = 0
        for place, (image, truth) in enumerate(showing):
            cx, cy, w, h = (outputs.pred_boxes[place, best[place]] * image.shape[1]).tolist()
            assert truth is not None
            right += iou((cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2), truth) >= MIN_IOU
        shares[target.object] = round(right / len(showing), 2)
    return shares


if __name__ == "__main__":
    main()
