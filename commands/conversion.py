"""`data convert` and `data generate`: demonstrations into CALVIN's layout or a LeRobot set."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from benchmark.tasks import SCENES, Scene
from commands.dataset_options import reading_of, said_of_sets, with_progress
from commands.fetching import Before, fetched
from commands.place_type import PLACE, Unfetched
from errors import EnvironmentLacks, InvalidInput, Stopped
from settings.shown import size_told
from settings.streams import say

if TYPE_CHECKING:
    from calvin.conversion.source import Source
    from calvin.conversion.target import Target
    from hub.copies import Copy
    from hub.files import HubFile

TARGETS = ("calvin", "lerobot-v3", "lerobot-v2.1")

Command = TypeVar("Command", bound=Callable[..., Any])


def _of_target(default: str | None) -> Callable[[Command], Command]:
    """How it is written."""
    said: dict[str, Any] = (
        {"required": True} if default is None else {"default": default, "show_default": True}
    )

    def add(command: Command) -> Command:
        for option in (
            click.option(
                "--float32",
                is_flag=True,
                help="With --lossless: states and actions as float32, as most readers expect [default: float64].",
            ),
            click.option(
                "--lossless",
                is_flag=True,
                help="LeRobot: PNG pictures and float64 numbers [default: AV1 films and float32]. CALVIN's layout is.",
            ),
            click.option("--to", "form", type=click.Choice(TARGETS), help="What is written.", **said),
        ):
            command = option(command)
        return command

    return add


@click.command("convert")
@click.argument("src", metavar="SRC", type=Unfetched())
@click.argument("dst", metavar="DST", type=PLACE)
@_of_target(default=None)
@click.option(
    "--all", "everything", is_flag=True, help="With depth and tactile pictures, where SRC has them."
)
@said_of_sets
def convert_command(
    src: Path | str,
    dst: Path,
    form: str,
    lossless: bool,
    float32: bool,
    everything: bool,
    **said: Any,
) -> None:
    """Write the demonstrations of SRC, a dataset of any format, as DST.

    Broken off, the same command goes on where it ended. DST is there when all of it is.
    """
    from calvin.conversion.source import opened_source

    _need_sense(dst, form, lossless, float32)
    if isinstance(src, str):
        src = fetched(src, "dataset", said["episodes"], _room_for_both(dst, _kept_as(form, lossless)))
    source = opened_source(src, reading_of(**said), everything)
    frames = sum(item.frames or 0 for item in source.items)
    say(f"{src}: {_told_splits(source)}, {frames} frames")
    _write(source, dst, form, lossless, float32)


@click.command("generate")
@click.argument("folder", metavar="DIR", type=PLACE)
@click.option("--demonstrations-per-task", default=20, show_default=True, type=click.IntRange(1), metavar="N")
@click.option("--tasks", default=None, metavar="A,B", help="Tasks, by CALVIN's names [default: all 34].")
@click.option("--scene", default="D", show_default=True, type=click.Choice(SCENES), help="CALVIN's scene.")
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0), help="Decides every start.")
@click.option(
    "--validation",
    default=1,
    show_default=True,
    type=click.IntRange(0),
    metavar="N",
    help="Demonstrations per task of the validation split; 0 leaves it out.",
)
@_of_target(default="calvin")
def generate_command(
    folder: Path,
    demonstrations_per_task: int,
    tasks: str | None,
    scene: Scene,
    seed: int,
    validation: int,
    form: str,
    lossless: bool,
    float32: bool,
) -> None:
    """Have the scripted expert solve CALVIN's tasks and write them as DIR.

    Broken off, the same command goes on where it ended. DIR is there when all of it is.
    """
    from calvin.instructions import evaluation_instruction
    from experiments.reconvla.demonstrations import generated, known_tasks
    from experiments.reconvla.sections import Data
    from tasks.data.made_source import made_source
    from tasks.specs import SplitName

    _need_sense(folder, form, lossless, float32)
    data = Data(
        tasks=tuple(tasks.split(",")) if tasks else (),
        training_scenes=(scene,),
        seed=seed,
        demonstrations_per_task=demonstrations_per_task,
        validation_demonstrations_per_task=max(1, validation),
    )
    known = known_tasks(data)
    wanted: tuple[SplitName, ...] = ("training", "validation") if validation else ("training",)
    entries = {split: generated(data, split).entries for split in wanted}
    source = made_source(entries, {task: evaluation_instruction(task) for task in known})
    _write(source, folder, form, lossless, float32)
    for split, made in entries.items():
        say(f"{split}: {len(made)} demonstrations of {len(known)} tasks")


def _kept_as(form: str, lossless: bool) -> str:
    """As `calvin.conversion.room` calls it."""
    return "npz" if form == "calvin" else "png" if lossless else "film"


def _room_for_both(dst: Path, kept_as: str) -> Before:
    """Whether the disk holds what is fetched and what is made of it, before anything is."""

    def check(copy: Copy, files: Sequence[HubFile], frames: int | None) -> None:
        from calvin.conversion.room import bytes_guessed
        from settings.disks import free_at, same_disk

        to_come = copy.to_come(files)
        if frames is None or not to_come:
            return
        made, free = bytes_guessed(frames, kept_as), free_at(dst.absolute())
        both = same_disk(copy.folder, dst.absolute())
        need = made + (to_come if both else 0)
        told = f"{copy.told(files)}; {dst} takes some {size_told(made)} of {frames} frames"
        if need > free:
            raise EnvironmentLacks(
                f"{told}: {size_told(need)} {'in all on one disk' if both else 'there'}, and {size_told(free)} are "
                "free: name fewer in --episodes, or another disk"
            )
        say(f"{told}, {size_told(free)} are free")

    return check


def _need_sense(dst: Path, form: str, lossless: bool, float32: bool) -> None:
    from calvin.conversion.convert import need_new_or_ours

    if float32 and not lossless:
        raise InvalidInput("--float32 belongs to --lossless; films come with float32 anyway")
    if float32 and form == "calvin":
        raise InvalidInput("--float32 is of LeRobot sets; CALVIN's layout has float64")
    need_new_or_ours(dst)


def _write(source: Source, dst: Path, form: str, lossless: bool, float32: bool) -> None:
    from calvin.conversion.convert import convert
    from calvin.conversion.room import bytes_needed, need_room
    from tasks.data.rounding import RoundedTokens

    for sentence in source.left_out:
        say(f"  left out: {sentence}")
    is_film = _kept_as(form, lossless) == "film"
    needed = bytes_needed(source, _kept_as(form, lossless))
    more, free = need_room(needed, dst)
    say(f"{dst}: up to {size_told(more)} are written, {size_told(free)} are free")
    rounded = RoundedTokens() if form != "calvin" and (is_film or float32) else None
    target = _target(source, form, lossless, float32)
    if rounded is not None:
        source = _counting(source, rounded)
    total, done, was_there, frames = len(source.items), 0, 0, 0
    parts = convert(source, target, dst)
    try:
        for part in with_progress("demonstrations", parts, total, lambda part: part.demonstrations):
            done, frames = done + part.demonstrations, frames + part.frames
            was_there += part.demonstrations if part.was_there else 0
    except KeyboardInterrupt:
        parts.close()
        kept = "; the same command goes on from there" if done else ": nothing is left of it"
        raise Stopped(f"stopped after {done} of {total} demonstrations{kept}") from None
    found = f", {was_there} of them there already" if was_there else ""
    say(f"{dst}: {total} demonstrations, {frames} frames, as {form}{found}")
    if is_film:
        say("  pictures are AV1 films (yuv420p) and lost detail; --lossless keeps them")
    if rounded is not None and rounded.states:
        say(f"  float32: {rounded.changed_states} of {rounded.states} state tokens and {rounded.changed_actions} of "
            f"{rounded.actions} action tokens are others than of float64")  # fmt: skip


def _target(source: Source, form: str, lossless: bool, float32: bool) -> Target:
    from calvin.conversion.calvin_target import CalvinTarget
    from calvin.episode import OPTIONAL_FIELDS
    from calvin.lerobot_writer.layout import Layout
    from calvin.lerobot_writer.target import LeRobotTarget

    if form == "calvin":
        for field in OPTIONAL_FIELDS:
            if field not in source.arrays:
                raise InvalidInput(
                    f"the demonstrations have no {field}, which CALVIN's layout has of each frame; write a LeRobot set"
                )
        return CalvinTarget(source.digits, tuple(source.extras), source.records, source.instructions)
    layout = Layout(
        "v3.0" if form == "lerobot-v3" else "v2.1",
        "png" if lossless else "film",
        "float64" if lossless and not float32 else "float32",
        source.arrays,
        source.extras,
        source.has_boxes,
    )
    return LeRobotTarget(layout, source.records, source.instructions)


def _counting(source: Source, rounded: Any) -> Source:
    """Episodes are counted as they pass by."""

    def counted(read: Callable[[int], Any], before: int) -> Any:
        piece = read(before)
        rounded.add(piece.episode)
        return piece

    from functools import partial

    return replace(
        source, items=tuple(replace(item, read=partial(counted, item.read)) for item in source.items)
    )


def _told_splits(source: Source) -> str:
    counts: dict[str, int] = {}
    for item in source.items:
        counts[item.split] = counts.get(item.split, 0) + 1
    return ", ".join(f"{count} {split} demonstrations" for split, count in counts.items())
