"""The arms of the paper's table (ReconVLA, arXiv 2508.10333), by name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from errors import ConfigError
from settings.shown import shown


@dataclass(frozen=True)
class Arm:
    """What distinguishes one row of the ablation table.

    reconstruction: what is denoised beside the action loss: nothing, the gaze region, or the whole picture.
    grounding: how the policy is told where to look: not at all, by a second picture of the gaze region in its
    prompt (found by the ablation's detector, in training and in evaluation), or by having to say the region's
    box before its actions.
    pretrained: training starts from a checkpoint of the `pretraining` stage (docs/model.md says on which data).
    """

    name: str
    title: str
    reconstruction: Literal["none", "gaze", "image"] = "none"
    grounding: Literal["none", "crop", "box"] = "none"
    pretrained: bool = False


ARMS = {
    arm.name: arm
    for arm in (
        Arm("baseline", "baseline"),
        Arm("explicit_grounding", "explicit grounding", grounding="crop"),
        Arm("cot_grounding", "CoT grounding", grounding="box"),
        Arm("whole_image_recon", "+ whole-image reconstruction", reconstruction="image"),
        Arm("recon", "+ reconstruction loss", reconstruction="gaze"),
        Arm("recon_pretrain", "+ pretraining", reconstruction="gaze", pretrained=True),
    )
}


def arm_named(name: str) -> Arm:
    """Raises ConfigError, naming the known arms."""
    try:
        return ARMS[name]
    except KeyError:
        raise ConfigError(f"unknown arm {shown(name)}; known arms: {', '.join(ARMS)}") from None
