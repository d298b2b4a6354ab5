"""Options that make up the configuration of an ablation, for the commands that plan one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from commands.place_type import PLACE
from errors import ChangesNothing, ConfigError
from settings.places import expanded
from settings.typed import typed

if TYPE_CHECKING:
    from pydantic import BaseModel

    from settings.home import Home


_BEFORE = f"{__name__}.vary_before"


class InOrder(click.Command):
    """A command with these options: what `--vary-with` varies with is the `--vary` before it, so their order counts."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        _, _, order = self.make_parser(ctx).parse_args(list(args))
        names = [option.name for option in order]
        ctx.meta[_BEFORE] = tuple(
            names[:place].count("vary") for place, name in enumerate(names) if name == "vary_with"
        )
        return super().parse_args(ctx, args)


@dataclass(frozen=True)
class Configuration:
    """The options as they were given."""

    preset: str | None
    config_file: Path | None
    overrides: tuple[str, ...]
    arms: str | None
    seeds: str | None
    vary: tuple[str, ...]
    vary_with: tuple[str, ...]
    vary_before: tuple[int, ...]
    data_root: str | None
    name: str | None

    def load(self) -> BaseModel:
        """The settings of the experiment that the file names. Raises ConfigError with one sentence that names the place
        and the key."""
        from experiments.registry import Written, experiment_in

        written = Written(
            self.preset,
            self.config_file,
            self.overrides,
            self.vary,
            self.vary_with,
            self.vary_before,
            arms=_named(self.arms) if self.arms else None,
            seeds=_named(self.seeds) if self.seeds else None,
            data=_root(self.data_root) if self.data_root else None,
            name=self.name,
        )
        return experiment_in(self.config_file).load(written)


@contextmanager
def told_how_it_goes_on(home: Home) -> Iterator[None]:
    """Where a row that decides nothing is refused, and an ablation of the home began with it before that was so, the
    sentence says how that one goes on."""
    try:
        yield
    except ChangesNothing as error:
        if not home.exists or not (begun := _begun_with(home, error.row)):
            raise
        raise ConfigError(f"{error}; {begun}") from None


def _begun_with(home: Home, row: str) -> str:
    """Of an unfinished ablation that has a row of this name; empty where there is none."""
    from db import queries, standings
    from db.migrate import look_at_state
    from views.attended import is_nobody_there

    with closing(look_at_state(home)) as database:
        unfinished = {entry.id for entry in standings.open_ablations(database)}
        rows = [one for one in queries.ablation_rows(database) if one.id in unfinished]
        goes_on = f"goes on with: {typed('up --until-done', home)}"
        if not is_nobody_there(database):
            goes_on = f"is worked on; watch it with: {typed('status --watch', home)}"
    for one in reversed(rows):
        arms = one.config.get("arms")
        if isinstance(arms, Mapping) and arms.get(row) is not None:
            return f"ablation {one.name} ({one.id}), which has it, {goes_on}"
    return ""


def _named(listed: str) -> list[str]:
    return [part.strip() for part in listed.split(",")]


def _root(text: str) -> str:
    from hub.names import is_hub_name, parse_name

    return str(parse_name(text, "--data")) if is_hub_name(text) else str(expanded(text, "--data").absolute())


def configuration_options(function: Any) -> Any:
    """The options, collected into the argument `configuration`."""
    names = tuple(name for name in Configuration.__dataclass_fields__ if name != "vary_before")

    @wraps(function)
    def collect(*args: Any, **given: Any) -> Any:
        said = {name: given.pop(name) for name in names}
        before = click.get_current_context().meta.get(_BEFORE, ())
        configuration = Configuration(**said, vary_before=before)
        return function(*args, configuration=configuration, **given)

    for decorator in (
        click.option("--name", default=None, help="Name of the ablation; one that is there grows."),
        click.option("--data", "data_root", default=None, metavar="DIR",
                     help="A CALVIN dataset or LeRobot set; also hub:OWNER/NAME."),
        click.option("--vary-with", multiple=True, metavar="KEY.PATH=V,V", help="Varies with the --vary before it."),
        click.option("--vary", multiple=True, metavar="KEY.PATH=V,V",
                     help="A row for each value; several: for each combination."),
        click.option("--seeds", default=None, metavar="0,1", help="Seeds per arm."),
        click.option("--arms", default=None, metavar="A,B", help="Arms of the table."),
        click.option("--set", "overrides", multiple=True, metavar="KEY.PATH=VALUE", help="Override one value."),
        click.option("--config", "config_file", type=PLACE, help="YAML file over the preset."),
        click.option("--preset", default=None, help="smoke, quick, ... [default: quick, without --config]."),
    ):  # fmt: skip
        collect = decorator(collect)
    return collect
