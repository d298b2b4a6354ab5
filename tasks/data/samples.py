"""Rows of a training index as what a model is taught with, or asked."""

from __future__ import annotations

from calvin.episode import FRAME_SHAPES
from models.batches import Question, Sample
from models.grounding import box_values
from models.images import Picture
from models.recipe import Recipe
from tasks.data.index_reader import Index

#: (width, height) in px of the picture that gaze boxes are given in.
STATIC_FRAME = FRAME_SHAPES["rgb_static"][1], FRAME_SHAPES["rgb_static"][0]


def question_of(recipe: Recipe, index: Index, row: int) -> Question:
    """Row `row` without its answer."""
    item, crop = index.items[row], _crop(recipe, index, row)
    prompt = recipe.prompts.prompt(item["instruction"], item["robot_obs"], crop is not None)
    return Question(index.images[row], prompt, crop)


def sample_of(recipe: Recipe, index: Index, row: int, *, reconstructed: bool = True) -> Sample:
    """Row `row` as a training sample of the arm that `recipe` belongs to. reconstructed: with the picture that the arm
    reconstructs, which takes as long to make as the one it sees."""
    item, crop = index.items[row], _crop(recipe, index, row)
    example = recipe.prompts.example(
        item["instruction"],
        item["robot_obs"],
        item["actions"],
        crop=crop is not None,
        box=box_values(item["gaze"]["box"], STATIC_FRAME) if recipe.config.grounding == "box" else None,
    )
    target, weight = None, 1.0
    if recipe.config.denoiser is None or not reconstructed:
        pass
    elif recipe.reconstructs == "image":
        target = index.images[row]
    else:
        target, weight = index.targets[row], float(item["gaze"].get("weight", 1.0))
    return Sample(example.input_ids, example.labels, index.images[row], target, weight, crop)


def _crop(recipe: Recipe, index: Index, row: int) -> Picture | None:
    """The second picture of a prompt: the gaze region over the gripper's view, which is just what other arms
    reconstruct. Without a region the prompt has one picture.
    """
    return index.targets[row] if recipe.config.grounding == "crop" else None
