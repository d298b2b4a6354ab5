"""The arms of the paper's table that this version trains, by name."""

from __future__ import annotations

from dataclasses import dataclass

from errors import ConfigError


@dataclass(frozen=True)
class Arm:
    """What distinguishes one row of the ablation table.

    reconstruction: the gaze region's latents are denoised beside the action loss.
    pretrained: training starts from a checkpoint pretrained on the other scenes.
    """

    name: str
    title: str
    reconstruction: bool
    pretrained: bool


ARMS = {
    arm.name: arm
    for arm in (
        Arm("baseline", "baseline", reconstruction=False, pretrained=False),
        Arm("recon", "+ reconstruction loss", reconstruction=True, pretrained=False),
        Arm("recon_pretrain", "+ pretraining", reconstruction=True, pretrained=True),
    )
}


def arm_named(name: str) -> Arm:
    """Raises ConfigError, naming the known arms."""
    try:
        return ARMS[name]
    except KeyError:
        raise ConfigError(f"unknown arm {name!r}; known arms: {', '.join(ARMS)}") from None
