"""Paths on the command line: `~` and variables mean what they mean in a shell, also where one did not look (quotes,
`--out=~/x`, an environment file). Some may be on the Hub: these are fetched."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from hub.names import RepoKind, is_hub_name
from settings.places import expanded
from settings.shown import shown


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


class NewFile(click.ParamType):
    """A path as `PLACE` has it, which no path does that ends as a folder's: it would lose that end. example: a file's
    name."""

    name = "path"

    def __init__(self, example: str) -> None:
        self._example = example

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if isinstance(value, str) and value.endswith("/"):
            self.fail(f"{shown(value)} is a folder; name the file in it: {value}{self._example}", param, ctx)
        return PLACE.convert(value, param, ctx)


class Folder(click.ParamType):
    """A path as `PLACE` has it, or `hub:owner/name[@revision][/path]`, which is fetched: the folder here. Where the
    command has `--episodes`, which is told before, of these alone."""

    name = "path"

    def __init__(self, of: RepoKind) -> None:
        self._of = of

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if isinstance(value, str) and is_hub_name(value):
            from commands.fetching import fetched

            of_others = param is not None and param.name == "validation_root"
            said = None if ctx is None or of_others else ctx.params.get("episodes")
            return fetched(value, self._of, said if isinstance(said, str) else None)
        return PLACE.convert(value, param, ctx)


class Unfetched(click.ParamType):
    """As `Folder`, but what is on the Hub stays a text, for commands that have to look at something first."""

    name = "path"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        return value if isinstance(value, str) and is_hub_name(value) else PLACE.convert(value, param, ctx)


class Named(click.ParamType):
    """As `PLACE_TEXT` has it; but the folder of what `hub:owner/name[@revision][/path]` means, which is fetched."""

    name = "text"

    def __init__(self, of: RepoKind) -> None:
        self._of = of

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if isinstance(value, str) and is_hub_name(value):
            from commands.fetching import fetched

            return str(fetched(value, self._of))
        return PLACE_TEXT.convert(value, param, ctx)
