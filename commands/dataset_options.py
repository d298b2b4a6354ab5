"""What commands on datasets share: what users say of a LeRobot set, and a bar while one is read."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from commands.place_type import Folder
from errors import InvalidInput
from settings.shown import shown
from settings.streams import say
from views.terminal import redraws

if TYPE_CHECKING:
    from calvin.split import Reading, Split

Item = TypeVar("Item")
Command = TypeVar("Command", bound=Callable[..., Any])


def said_of_sets(command: Command) -> Command:
    """What a LeRobot set may not say itself; the settings of an ablation are `data.columns` and so on."""
    for option in (
        click.option(
            "--scenes",
            metavar="LIST",
            help="Scenes that episodes of a LeRobot set show (D, or A=0-5;B=6-8) [default: told by pictures].",
        ),
        click.option(
            "--validation-root",
            type=Folder("dataset"),
            metavar="DIR",
            help="A validation set, whose demonstrations are none of DIR's training.",
        ),
        click.option(
            "--validation-episodes",
            metavar="LIST",
            help="Episodes of a LeRobot set that are its validation (6-8,12), or none.",
        ),
        click.option(
            "--episodes",
            is_eager=True,  # what is fetched from the Hub depends on it
            metavar="LIST",
            help="Episodes of a LeRobot set that are used, by number or task (0-99,open_drawer) [default: all].",
        ),
        click.option(
            "--column",
            "columns",
            multiple=True,
            metavar="ARRAY=COLUMN",
            help="Which column of a LeRobot set is robot_obs, rgb_static, ... [default: found out].",
        ),
    ):
        command = option(command)
    return command


def reading_of(
    columns: tuple[str, ...],
    validation_episodes: str | None,
    validation_root: Path | None,
    scenes: str | None,
    episodes: str | None,
) -> Reading:
    """Of the options of `said_of_sets`. Raises InvalidInput."""
    from calvin.episode import FRAME_SHAPES
    from calvin.split import Reading

    said = []
    for text in columns:
        array, separator, column = text.partition("=")
        if not separator or array not in FRAME_SHAPES or not column:
            raise InvalidInput(
                f"--column {shown(text)} is not ARRAY=COLUMN, where ARRAY is one of {', '.join(FRAME_SHAPES)}"
            )
        said.append((array, column))
    root = None if validation_root is None else str(validation_root)
    return Reading(tuple(said), validation_episodes, root, scenes, episodes)


def tell_left_out(split: Split) -> None:
    """What of the dataset is not used, on standard error."""
    from calvin.split import left_out

    for sentence in left_out(split):
        say(f"not of {split.split}: {sentence}", error=True)


def with_progress(
    title: str, items: Iterable[Item], total: int, weight: Callable[[Item], int] = lambda _: 1
) -> Iterator[Item]:
    """`items`, with a bar on standard error where that is a terminal. weight: of an item in `total`."""
    from rich.progress import Progress

    from views.console import Console

    with Progress(console=Console(stderr=True), disable=not redraws(sys.stderr)) as progress:
        task = progress.add_task(title, total=total)
        for item in items:
            yield item
            progress.advance(task, weight(item))
