"""How commands are told of a trained model: by which names, and how it is opened."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from errors import InvalidInput
from settings.names import tidy

HELP = (
    "a folder (Hugging Face layout), hub:OWNER/NAME, the first digits of a checkpoint's SHA-256 in the home, or a run "
    "of it: recon seed 0 of the newest ablation, NAME recon seed 0 of another"
)
#: A run of the home, as its jobs are labelled. words: an arm, or an ablation and its arm; names
#: may have blanks in them.
RUN = re.compile(r"(?P<words>\S.*) seed (?P<seed>\d{1,9})")
#: The detector unless one is named.
_USUAL = "colour"


def is_run(name: str) -> bool:
    """Whether a checkpoint is named as a run: `recon seed 0`. A folder that is called so comes first."""
    return RUN.fullmatch(tidy(name)) is not None and not Path(name).exists()


def precision_option(command: Callable[..., None]) -> Callable[..., None]:
    """`--precision`, one of `policies.registry.PRECISIONS`."""
    return click.option(
        "--precision",
        type=click.Choice(("auto", "fp32", "bf16", "fp16", "4bit")),
        default="auto",
        show_default=True,
        help="auto: as a folder stores it, fp32 for a checkpoint of the home. 4bit: a ReconVLA only.",
    )(command)


def crop_option(command: Callable[..., None]) -> Callable[..., None]:
    """`--center-crop`, as `policies.openvla` takes it."""
    return click.option(
        "--center-crop/--no-center-crop",
        default=None,
        help="Show an OpenVLA the middle of pictures [default: where its folder's name says image_aug].",
    )(command)


def refuse_crop(center_crop: bool | None, name: str) -> None:
    """Raises InvalidInput where an option of OpenVLA was given for another policy."""
    if center_crop is not None:
        option = "--center-crop" if center_crop else "--no-center-crop"
        raise InvalidInput(f"{option} is for a folder of OpenVLA, which {name} is not")


class _DetectorName(click.ParamType):
    """A name of `detectors.registry`, or of a class of the user's own, which is looked for later: what is neither is
    told before anything else is done."""

    name = "detector"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if value != _USUAL:
            from detectors.registry import check_detector

            check_detector(str(value))
        return str(value)


DETECTOR = _DetectorName()


def detector_option(command: Any) -> Any:
    """`--detector`, of commands that open a checkpoint."""
    return click.option(
        "--detector",
        type=DETECTOR,
        default=_USUAL,
        show_default=True,
        metavar="NAME",
        help="For a model that is shown gaze regions.",
    )(command)
