"""A model in training, and where it comes from: the worker's memory, a checkpoint, or the beginning."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import torch
from torch import Tensor, nn

from models.adapters import add_adapters, has_adapters, load_trained, merged_weights, trained_weights
from models.checkpoint import weights_of
from models.precision import DTYPES, load_scaler, make_scaler, scaler_state
from models.randomness import weight_seed
from models.recipe import Recipe, check_folders, initial_model, load_model, recipe_of, start_from
from models.reconvla import ReconVLA
from models.short_training import is_short
from models.weight_files import open_file
from models.weights import read_file
from tasks.context import InputFile, TaskContext, inputs_of, one_input
from tasks.data.index_reader import Index, load_index
from tasks.memory import Memory, kept
from tasks.specs import TrainSpec
from tasks.train.checkpoints import Snapshot
from tasks.train.optimizer import load_optimizer, make_optimizer, optimizer_state

WEIGHTS, OPTIMIZER = "weights", "optimizer"

_MEMORY = "training"


@dataclass
class TrainState:
    """A model in training. `step` steps are done. work: what it is trained for, as `_work_of` tells it. short: its
    losses are computed in few operations (`models.short_training`)."""

    recipe: Recipe
    index: Index
    validation: Index | None
    model: ReconVLA
    optimizer: torch.optim.AdamW
    scaler: torch.amp.GradScaler
    device: torch.device
    step: int
    checkpoint: str  # SHA-256 of the weights last published or loaded; "" before the first
    work: str = ""
    snapshot: Snapshot = field(default_factory=Snapshot)
    short: bool = False

    @cached_property
    def parameters(self) -> list[nn.Parameter]:
        """Those that a step changes."""
        return self.model.trained_parameters()

    @property
    def updates(self) -> int:
        """Steps that changed the weights: those whose gradients overflowed in fp16 did not."""
        steps = (int(state["step"]) for state in self.optimizer.state.values() if "step" in state)
        return max(steps, default=0)

    def checkpoint_files(self) -> dict[str, dict[str, Tensor]]:
        """Tensors of both checkpoint artifacts, not copied. The weights come first.

        With adapters only what is trained is in it: the rest follows from the job.
        """
        weights = trained_weights if has_adapters(self.model) else weights_of
        return {
            WEIGHTS: weights(self.model),
            OPTIMIZER: optimizer_state(self.optimizer, self.model) | scaler_state(self.scaler),
        }

    def final_weights(self) -> dict[str, Tensor]:
        """The tensors of a finished model, adapters merged."""
        return merged_weights(self.model) if has_adapters(self.model) else weights_of(self.model)


def take_up(context: TaskContext[TrainSpec]) -> TrainState:
    """From the worker's memory when it holds exactly the checkpoint to go on from, else from files."""
    files = {file.name: file for file in context.resume if file.name in (WEIGHTS, OPTIMIZER)}
    held = kept(context.memory, _MEMORY, TrainState)
    forget(context.memory)
    if held is not None and files:
        newest = files[WEIGHTS]
        # Jobs that differ in what they measure, stop by or are judged on may have equal weights.
        if (held.checkpoint, held.step, held.work) == (newest.sha256, newest.step, _work_of(context)):
            return held
    del held
    settings = context.spec.training
    recipe = recipe_of(context.spec.model)
    device = torch.device("cuda", 0) if torch.cuda.is_available() else torch.device("cpu")
    model = _model(context, recipe, files, device)
    if settings.gradient_checkpointing:
        model.recompute_activations()
    optimizer = make_optimizer(model, settings.learning_rate, settings.weight_decay)
    scaler = make_scaler(settings.precision, device)
    if OPTIMIZER in files:
        tensors = read_file(files[OPTIMIZER].path)
        load_scaler(scaler, tensors)
        load_optimizer(optimizer, model, tensors, files[OPTIMIZER].path.name)
    size, jpeg = recipe.config.vision.image_size, recipe.config.official_compat
    resample = recipe.config.vision.resample
    index = load_index(context.inputs, size, memory=context.memory, jpeg=jpeg, resample=resample)
    validation = None
    if inputs_of(context, "validation"):
        validation = load_index(context.inputs, size, "validation", context.memory, jpeg, resample)
    step, checkpoint = (files[WEIGHTS].step, files[WEIGHTS].sha256) if files else (0, "")
    return TrainState(
        recipe, index, validation, model, optimizer, scaler, device, step, checkpoint, _work_of(context),
        short=settings.operations == "few" and settings.precision == "fp32" and is_short(model),
    )  # fmt: skip


def _work_of(context: TaskContext[TrainSpec]) -> str:
    """The job's parameters and what it reads, as text."""
    read = sorted((file.role, file.name, file.sha256) for file in context.inputs)
    return json.dumps([context.spec.row(), read], sort_keys=True)


def _model(
    context: TaskContext[TrainSpec], recipe: Recipe, files: Mapping[str, InputFile], device: torch.device
) -> ReconVLA:
    """The model at the step of `files`, or at its beginning, ready to be trained on `device`."""
    settings, seed = context.spec.training, weight_seed(context.spec.seed)
    adapters = settings.lora
    if files:
        check_folders(recipe, context.spec.model)
    if files and adapters is None:
        return load_model(recipe.config, files[WEIGHTS].path).to(device).train()
    frozen = torch.float32 if adapters is None else DTYPES[settings.precision]
    model = initial_model(recipe, context.spec.model, seed, frozen)
    if inputs_of(context, "init"):
        start_from(model, one_input(context.inputs, "init", WEIGHTS).path)
    if adapters is not None:
        add_adapters(
            model,
            adapters.rank,
            adapters.alpha,
            seed,
            four_bit=adapters.four_bit,
            compute_dtype=frozen,
            device=device,
        )
        if files:
            load_trained(model, open_file(files[WEIGHTS].path), files[WEIGHTS].path.name)
    return model.to(device).train()


def keep(context: TaskContext[TrainSpec], train_state: TrainState) -> None:
    """Leave the state in the worker's memory for the next slice."""
    context.memory[_MEMORY] = train_state


def forget(memory: Memory) -> None:
    memory.pop(_MEMORY, None)
