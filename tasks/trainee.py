"""A model in training, and where it comes from: the worker's memory, a checkpoint, or the beginning."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from models.checkpoint import weights_of
from models.reconvla import ReconVLA
from tasks.checkpoints import Snapshot
from tasks.context import TaskContext, inputs_of, one_input
from tasks.index_reader import Index, load_index
from tasks.modelling import Recipe, initial_model, load_model, recipe_of, start_from
from tasks.optimizer import load_optimizer, make_optimizer, optimizer_state
from tasks.randomness import weight_seed

WEIGHTS, OPTIMIZER = "weights", "optimizer"

_MEMORY = "training"


@dataclass
class Trainee:
    """A model in training. `step` steps are done."""

    recipe: Recipe
    index: Index
    validation: Index | None
    model: ReconVLA
    optimizer: torch.optim.AdamW
    device: torch.device
    step: int
    checkpoint: str  # SHA-256 of the weights last published or loaded; "" before the first
    snapshot: Snapshot = field(default_factory=Snapshot)

    def checkpoint_files(self) -> dict[str, dict[str, Tensor]]:
        """Tensors of both checkpoint artifacts, not copied. The weights come first."""
        return {
            WEIGHTS: weights_of(self.model),
            OPTIMIZER: optimizer_state(self.optimizer, self.model),
        }


def take_up(context: TaskContext) -> Trainee:
    """From the worker's memory when it holds exactly the checkpoint to go on from, else from files."""
    files = {file.name: file for file in context.resume if file.name in (WEIGHTS, OPTIMIZER)}
    held = context.memory.pop(_MEMORY, None)
    if isinstance(held, Trainee) and files:
        newest = files[WEIGHTS]
        if (held.checkpoint, held.step) == (newest.sha256, newest.step):
            return held
    del held
    settings, seed = context.spec["training"], context.spec["seed"]
    recipe = recipe_of(context.spec)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    step, checkpoint = 0, ""
    if files:
        step, checkpoint = files[WEIGHTS].step, files[WEIGHTS].sha256
        model = load_model(recipe.config, files[WEIGHTS].path)
    else:
        model = initial_model(recipe, context.spec, weight_seed(seed))
        if inputs_of(context, "init"):
            start_from(model, one_input(context.inputs, "init", WEIGHTS).path)
    model.to(device).train()
    optimizer = make_optimizer(model, settings["learning_rate"], settings["weight_decay"])
    if OPTIMIZER in files:
        load_optimizer(optimizer, model, files[OPTIMIZER].path)
    size, memory = recipe.config.vision.image_size, context.memory
    index = load_index(context.inputs, size, memory=memory)
    validation = None
    if inputs_of(context, "validation"):
        validation = load_index(context.inputs, size, "validation", memory)
    return Trainee(recipe, index, validation, model, optimizer, device, step, checkpoint)


def keep(context: TaskContext, trainee: Trainee) -> None:
    """Leave the trainee in the worker's memory for the next slice."""
    context.memory[_MEMORY] = trainee


def forget(memory: Any) -> None:
    memory.pop(_MEMORY, None)
