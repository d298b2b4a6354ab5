"""Paths on the command line: `~` and variables mean what they mean in a shell, also where one did not look (quotes,
`--out=~/x`, an environment file)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from settings.places import expanded


class _Place(click.ParamType):
    """is_text: as text, for what may be a word or an address too."""

    name = "path"

    def __init__(self, is_text: bool) -> None:
        self._is_text = is_text

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if isinstance(value, Path):
            return value
        if not self._is_text:
            return expanded(value, _called(param))
        is_path = "://" not in value and not value.startswith("{") and (value[:1] == "~" or "$" in value)
        return str(expanded(value, _called(param))) if is_path else value


def _called(param: click.Parameter | None) -> str:
    if isinstance(param, click.Option):
        return param.opts[0]
    return "path" if param is None else param.make_metavar(click.Context(click.Command(""))).strip("[]")


PLACE = _Place(is_text=False)
#: Of what may also be a hub's name, a digest, an address or a word of the command.
PLACE_TEXT = _Place(is_text=True)
