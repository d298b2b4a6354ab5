"""Detectors on the command line: a name that is none is told before anything else is done."""

from __future__ import annotations

from typing import Any

import click


class _DetectorName(click.ParamType):
    """A name of `detectors.registry`, or of a class of the user's own, which is looked for later."""

    name = "detector"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        from detectors.registry import check_detector

        check_detector(str(value))
        return str(value)


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
