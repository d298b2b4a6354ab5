"""Ranges of numbers that options take, each with an upper end that what follows can hold."""

from __future__ import annotations

import math
from typing import Any

import click

from settings.whole_numbers import MOST

#: As of `training.threads` and `evaluation.simulators_per_batch`.
THREADS = SIMULATORS = click.IntRange(1, 1024)
WORKERS = click.IntRange(0, 1024)
#: Rows of a table, and their ids.
ROWS, ROW_ID = click.IntRange(1, MOST), click.IntRange(0, MOST)
_DAY_SECONDS = 86_400.0


class Seconds(click.FloatRange):
    """Up to a day; `nan`, which is in every range to click, is in none."""

    def __init__(self, least: float, *, least_open: bool = False) -> None:
        super().__init__(least, _DAY_SECONDS, min_open=least_open)

    def convert(self, value: Any, parameter: click.Parameter | None, context: click.Context | None) -> float:
        number: float = super().convert(value, parameter, context)
        if math.isnan(number):
            self.fail(f"{value} is no number of seconds.", parameter, context)
        return number
