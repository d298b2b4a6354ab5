"""The toy of a preset, trained on a few demonstrations of the expert, and frames of others: for trials of decoding."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from calvin.episode import Episode
from experiments.reconvla.arms import built_in_method
from experiments.reconvla.model_plan import planned_model
from experiments.reconvla.named_config import load_config
from models.batches import Sample, collate
from models.images import compose, to_model_size
from models.recipe import Recipe, initial_model, recipe_of
from models.reconvla import ReconVLA
from policies.reconvla import LENGTH_STEP
from tasks.data.generate import generate
from tasks.specs import Demonstration
from tasks.train.optimizer import learning_rate_at, make_optimizer

#: Seeds of held-out demonstrations begin here.
_HELD_OUT = 5000


@dataclass(frozen=True)
class Toy:
    """Files of a trained toy: a checkpoint's folder, and questions about frames that it has not seen."""

    model: Path
    questions: Path


def trained_toy(folder: Path, preset: str, demonstrations: int, steps: int) -> Toy:
    """What lies in `folder`; where nothing does it is made: the baseline arm after so many steps at the preset's batch
    size and learning rate, and the frames of one demonstration more of each task, in any order. demonstrations: of each
    task.

    The file of questions has images (N, size, size, 3) uint8, prompts (N, tokens), their ends (N,), and the length that
    an evaluation pads them to.
    """
    toy = Toy(folder / "model", folder / "questions.npz")
    if not toy.questions.is_file():
        model, recipe, samples = _trained(preset, demonstrations, steps)
        model.save_pretrained(toy.model)
        _write(toy.questions, samples, recipe.config.vision.patches)
    return toy


def _write(file: Path, samples: Sequence[Sample], patches: int) -> None:
    prompts = [sample.input_ids[sample.labels < 0] for sample in samples]
    ends = np.array([len(prompt) for prompt in prompts])
    padded = np.zeros((len(prompts), ends.max()), dtype=np.int64)
    for row, prompt in enumerate(prompts):
        padded[row, : ends[row]] = prompt
    length = ((ends.max() + patches - 1) // LENGTH_STEP + 1) * LENGTH_STEP
    np.savez(
        file, images=np.stack([sample.image for sample in samples]), prompts=padded, ends=ends, length=length
    )


def _trained(preset: str, demonstrations: int, steps: int) -> tuple[ReconVLA, Recipe, list[Sample]]:
    config = load_config(preset, None, ())
    tasks, settings = list(config.data.tasks or ()), config.training
    seen = list(_episodes(tasks, demonstrations, 0))
    held_out = list(_episodes(tasks, 1, _HELD_OUT))
    words = sorted({episode.instruction for episode in (*seen, *held_out)})
    spec = planned_model(config.model, {}, built_in_method("baseline"), 0.0, words)
    recipe = recipe_of(spec)
    model = initial_model(recipe, spec, 0).train()
    optimizer = make_optimizer(model, settings.learning_rate, settings.weight_decay)
    samples = [sample for episode in seen for sample in _samples(recipe, episode)]
    random = np.random.default_rng(0)
    for step in range(steps):
        chosen = random.integers(0, len(samples), settings.batch_size)
        batch = collate([samples[row] for row in chosen], recipe.config, recipe.pad_id)
        for group in optimizer.param_groups:
            group["lr"] = learning_rate_at(step, steps, settings.learning_rate, settings.warmup_fraction)
        optimizer.zero_grad(set_to_none=True)
        model(batch, None).total.backward()
        torch.nn.utils.clip_grad_norm_(model.trained_parameters(), settings.gradient_clip)
        optimizer.step()
    asked = [sample for episode in held_out for sample in _samples(recipe, episode)]
    return model.eval(), recipe, [asked[row] for row in random.permutation(len(asked))]


def _episodes(tasks: Sequence[str], count: int, seed: int) -> Iterator[Episode]:
    entries = [
        Demonstration(number=number, scene="D", task=task, seed=seed + number, starts="rest")
        for number, task in enumerate(tasks * count)
    ]
    return generate(entries, "training")


def _samples(recipe: Recipe, episode: Episode) -> list[Sample]:
    vision, steps = recipe.config.vision, recipe.config.chunk_steps
    padded = np.concatenate([episode.rel_actions, np.repeat(episode.rel_actions[-1:], steps - 1, axis=0)])
    made = []
    for frame in range(len(episode)):
        views = compose(episode.rgb_static[frame], episode.rgb_gripper[frame])
        example = recipe.prompts.example(
            episode.instruction, episode.robot_obs[frame], padded[frame : frame + steps]
        )
        picture = to_model_size(views, vision.image_size, vision.resample)
        made.append(Sample(example.input_ids, example.labels, picture, None))
    return made
