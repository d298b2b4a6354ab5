"""A trained model as the jobs that judge it load it: on their worker's device, in the precision they are told."""

from __future__ import annotations

from models.recipe import Recipe, device, load_model
from models.reconvla import ReconVLA
from tasks.context import TaskContext, one_input
from tasks.specs import JudgedSpec
from tasks.train.state import WEIGHTS


def judged_model(context: TaskContext[JudgedSpec], recipe: Recipe) -> ReconVLA:
    """The model of the job's checkpoint, in the precision that its parameters name.

    Raises CheckpointError when the weights do not fit, EnvironmentLacks for 4 bits without bitsandbytes.
    """
    weights = one_input(context.inputs, "checkpoint", WEIGHTS).path
    return load_model(recipe.config, weights, context.spec.precision, device()).eval()
