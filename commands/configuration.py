"""Options that make up the configuration of an ablation, for the commands that plan one."""

from __future__ import annotations

from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from commands.place_type import PLACE
from settings.places import expanded

if TYPE_CHECKING:
    from pydantic import BaseModel


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
            arms=_named(self.arms) if self.arms else None,
            seeds=_named(self.seeds) if self.seeds else None,
            data=_root(self.data_root) if self.data_root else None,
            name=self.name,
        )
        return experiment_in(self.config_file).load(written)


def _named(listed: str) -> list[str]:
    return [part.strip() for part in listed.split(",")]


def _root(text: str) -> str:
    from hub.names import is_hub_name, parse_name

    return str(parse_name(text, "--data")) if is_hub_name(text) else str(expanded(text, "--data").absolute())


def configuration_options(function: Any) -> Any:
    """The options, collected into the argument `configuration`."""
    names = tuple(Configuration.__dataclass_fields__)

    @wraps(function)
    def collect(*args: Any, **given: Any) -> Any:
        configuration = Configuration(**{name: given.pop(name) for name in names})
        return function(*args, configuration=configuration, **given)

    for decorator in (
        click.option("--name", default=None, help="Name of the ablation; one that is there grows."),
        click.option("--data", "data_root", default=None, metavar="DIR",
                     help="A CALVIN dataset or LeRobot set; also hub:OWNER/NAME."),
        click.option("--vary-with", multiple=True, metavar="KEY.PATH=V,V", help="Varies with the last --vary."),
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
