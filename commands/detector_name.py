"""Detectors on the command line: a name that is none is told before anything else is done."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click


class _DetectorName(click.ParamType):
    """A name of `detectors.registry`, or a class of the user's own beside the working folder, which gets its digest."""

    name = "detector"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        from detectors.registry import check_detector
        from experiments.reconvla.own_classes import named

        name = named(str(value), Path.cwd(), "--detector")
        check_detector(name)
        return name


DETECTOR = _DetectorName()


def detector_option(command: Any) -> Any:
    """`--detector`, of commands that open a checkpoint."""
    return click.option(
        "--detector",
        type=DETECTOR,
        default="colour",
        show_default=True,
        metavar="NAME",
        help="For a model that is shown gaze regions.",
    )(command)
