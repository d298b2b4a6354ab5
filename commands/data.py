"""`data`: check a dataset; extract it as the original scripts do. `commands.conversion` writes others."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from commands.conversion import convert_command, generate_command
from commands.dataset_options import reading_of, said_of_sets, with_progress
from commands.fetching import Folder, fetched
from commands.groups import Suggesting
from commands.place_type import PLACE
from errors import DatasetError, InvalidInput, Stopped
from settings.streams import say

if TYPE_CHECKING:
    from calvin.split import Reading, Split

SPLITS = ("training", "validation")


@click.group("data", cls=Suggesting)
def command() -> None:
    """Check, convert, extract, generate or fetch a dataset: CALVIN's format, or a LeRobot set."""


command.add_command(convert_command)
command.add_command(generate_command)


@command.command("check")
@click.argument("folder", metavar="DIR", type=Folder("dataset"))
@click.option("--split", type=click.Choice(SPLITS), default=None, help="Only this split [default: both].")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@said_of_sets
def check(
    folder: Path,
    split: str | None,
    as_json: bool,
    columns: tuple[str, ...],
    validation_episodes: str | None,
    validation_root: Path | None,
) -> int:
    """Read every annotated frame of DIR. Exit code 1 when something is wrong, 2 when DIR is no dataset."""
    from calvin.split import check_place, known_format, splits_at

    splits = (split,) if split else SPLITS
    if not set(splits) & set(splits_at(folder)):
        if known_format(folder) == "lerobot":
            check_place(folder, splits[0])  # says what is missing
        wanted = " or ".join(f"{name}/" for name in splits)
        raise DatasetError(
            f"{folder} is no CALVIN dataset: it has no {wanted}, and no meta/ of a LeRobot set"
        )
    reading = reading_of(columns, validation_episodes, validation_root)
    surveyed = {name: _surveyed(folder, name, reading) for name in splits}
    results = {name: _result_of(*survey) for name, survey in surveyed.items()}
    if split is None:
        results["validation"]["notes"] += _notes_on_both(*(opened for opened, _ in surveyed.values()))
    sound = not any(result["problems"] for result in results.values())
    if as_json:
        say(json.dumps({"folder": str(folder), "sound": sound, "splits": results}))
    else:
        for name, result in results.items():
            say(f"{name}: {result['demonstrations']} demonstrations of {result['tasks']} tasks, "
                  f"{result['frames']} annotated frames, {len(result['problems'])} problems")  # fmt: skip
            for problem in result["problems"]:
                say(f"  {problem}")
            for note in result["notes"]:
                say(f"  note: {note}")
            if result["renderer"] is not None:
                told = result["renderer"]
                say(f"  note: drawn by {told['drawn_by'] or 'unknown'}: {told['basis']}")
    return 0 if sound else 1


@command.command("extract")
@click.argument("folder", metavar="DIR", type=Folder("dataset"))
@click.argument("out", metavar="OUT", type=PLACE)
@click.option("--split", type=click.Choice(SPLITS), default=None, help="Only this split [default: both].")
@click.option("--detector", default="colour", show_default=True, help="Finds the gaze regions.")
@said_of_sets
def extract_command(
    folder: Path,
    out: Path,
    split: str | None,
    detector: str,
    columns: tuple[str, ...],
    validation_episodes: str | None,
    validation_root: Path | None,
) -> None:
    """Write DIR as the folders of ReconVLA's original scripts: img/, crop/, lang_ann.yaml, pictures, JSON.

    Broken off, the same command goes on where it ended.
    """
    from calvin.sampled_check import check_sample
    from calvin.split import open_split
    from detectors.registry import make_detector
    from tasks.data.extract import extract, items_file

    finder = make_detector(detector)
    names = (split,) if split else SPLITS
    there = [name for name in names if items_file(out, name).exists()]
    if len(there) == len(names):
        raise InvalidInput(
            f"{out} already holds an extracted {' and '.join(there)} split; name another folder"
        )
    reading = reading_of(columns, validation_episodes, validation_root)
    opened = {name: open_split(folder, name, reading) for name in names if name not in there}
    for dataset in opened.values():
        check_sample(dataset)
    for name in there:
        say(f"{items_file(out, name)} is there already and is left as it is")
    for name, dataset in opened.items():
        total, counts = len(dataset.demonstrations), []
        try:
            for count in with_progress(f"{name} demonstrations", extract(dataset, out, finder), total):
                counts.append(count)
        except KeyboardInterrupt:
            raise Stopped(
                f"stopped after {len(counts)} of {total} {name} demonstrations; the same command goes on from there"
            ) from None
        frames, crops = (sum(count[key] for count in counts) for key in ("frames", "crops"))
        say(f"{items_file(out, name)}: {crops} items of {total} demonstrations; {frames - crops} of {frames} "
              "frames have no gaze region and no item")  # fmt: skip


@command.command("fetch")
@click.argument("name", metavar="NAME")
@click.option("--model", is_flag=True, help="A repository of a model, not of a dataset.")
def fetch(name: str, model: bool) -> None:
    """Fetch NAME, hub:OWNER/NAME[@REVISION][/PATH], and print its folder here. Broken off, it goes on at the byte."""
    say(str(fetched(name, "model" if model else "dataset")))


def _surveyed(folder: Path, split: str, reading: Reading) -> tuple[Split | None, list[str]]:
    """The split, None where it cannot be opened, and what is wrong so far."""
    from calvin.split import survey_split

    try:
        opened, faults = survey_split(folder, split, reading)
    except DatasetError as error:
        return None, [str(error)]
    return opened, list(map(str, faults))


def _result_of(opened: Split | None, faults: list[str]) -> dict[str, Any]:
    from calvin.split import annotated_frames

    if opened is None:
        nothing = {"demonstrations": 0, "tasks": 0, "frames": 0}
        return {**nothing, "problems": faults, "notes": [], "renderer": None}
    frames = annotated_frames(opened)
    findings = opened.examine(with_progress(f"{opened.split} frames", frames, len(frames)))
    return {
        "demonstrations": len(opened.demonstrations),
        "tasks": len({demonstration.task for demonstration in opened.demonstrations}),
        "frames": len(frames),
        "problems": [*faults, *findings.problems],
        "notes": list(findings.notes),
        "renderer": _renderer(opened),
    }


def _notes_on_both(trained: Split | None, held_out: Split | None) -> list[str]:
    from calvin.shared_frames import told_shared

    if trained is None or held_out is None:  # a problem already
        return []
    note = told_shared(held_out, trained)
    return [] if note is None else [note]


def _renderer(split: Split) -> dict[str, str | None] | None:
    """What drew the frames, and what that rests on; None where the configuration cannot be read, a problem already."""
    try:
        recording = split.recording()
    except DatasetError:
        return None
    return {"drawn_by": recording.renderer, "basis": recording.basis}
