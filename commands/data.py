"""`data`: check a dataset; extract it as the original scripts do. `commands.conversion` writes others."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from commands.conversion import convert_command, generate_command
from commands.dataset_options import reading_of, said_of_sets, tell_left_out, with_progress
from commands.fetching import fetched
from commands.groups import Suggesting
from commands.model_options import DETECTOR
from commands.place_type import PLACE, Folder
from errors import DatasetError, InvalidInput, Stopped
from settings import files
from settings.faults import need_mistake
from settings.shown import shown_path
from settings.streams import say

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
@click.option(
    "--preview",
    type=PLACE,
    metavar="FILE.png",
    default=None,
    help="Write a picture of some demonstrations with their instructions.",
)
@said_of_sets
def check(folder: Path, split: str | None, as_json: bool, preview: Path | None, **said: Any) -> int:
    """Read every annotated frame of DIR. Exit code 1 when something is wrong, 2 when DIR is no dataset."""
    from calvin.preview import contact_sheet
    from calvin.split import check_place, known_format, splits_at
    from commands.data_check import notes_on_both, result_of, surveyed_split, told_once
    from commands.data_tables import print_overview, print_ranges

    if preview is not None:
        _check_preview(preview)
    splits = (split,) if split else SPLITS
    if not set(splits) & set(splits_at(folder)):
        if not folder.is_dir() or known_format(folder) == "lerobot":
            check_place(folder, splits[0])  # says what is missing
        wanted = " or ".join(f"{name}/" for name in splits)
        raise DatasetError(
            f"{folder} is no CALVIN dataset: it has no {wanted}, and no meta/ of a LeRobot set"
        )
    reading = reading_of(**said)
    surveyed = {name: surveyed_split(folder, name, reading) for name in splits}
    checked = {name: result_of(*survey) for name, survey in surveyed.items()}
    results = {name: result for name, (result, _) in checked.items()}
    if split is None:
        results["validation"]["notes"] += notes_on_both(*(opened for opened, _ in surveyed.values()))
    sound = not any(result["problems"] for result in results.values())
    if preview is not None:
        opened_splits = [opened for opened, _ in surveyed.values() if opened is not None]
        sheet = contact_sheet(opened_splits)
        try:
            files.write(preview, sheet)
        except OSError as error:
            need_mistake(error)
            raise InvalidInput(
                f"--preview: {shown_path(preview)} cannot be written: {error.strerror}"
            ) from None
    if as_json:
        say(json.dumps({"folder": str(folder), "sound": sound, "splits": results}))
    else:
        opened_none = all(opened is None for opened, _ in surveyed.values())
        for name, (result, overview) in told_once(checked, opened_none).items():
            say(f"{name}: {result['demonstrations']} demonstrations of {result['tasks']} tasks, "
                  f"{result['frames']} annotated frames, {len(result['problems'])} problems")  # fmt: skip
            for problem in result["problems"]:
                say(f"  {problem}")
            for note in result["notes"]:
                say(f"  note: {note}")
            if result["renderer"] is not None:
                told = result["renderer"]
                say(f"  note: drawn by {told['drawn_by'] or 'unknown'}: {told['basis']}")
            if overview is not None:
                for sentence in overview.odd:
                    say(f"  note: odd: {sentence}")
                print_overview(name, overview)
        print_ranges({name: overview for name, (_, overview) in checked.items() if overview is not None})
        if preview is not None:
            say(f"{preview}: some demonstrations with their instructions")
    return 0 if sound else 1


@command.command("extract")
@click.argument("folder", metavar="DIR", type=Folder("dataset"))
@click.argument("out", metavar="OUT", type=PLACE)
@click.option("--split", type=click.Choice(SPLITS), default=None, help="Only this split [default: both].")
@click.option("--detector", type=DETECTOR, default="colour", show_default=True, metavar="NAME",
              help="Finds the gaze regions.")  # fmt: skip
@said_of_sets
def extract_command(folder: Path, out: Path, split: str | None, detector: str, **said: Any) -> None:
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
    reading = reading_of(**said)
    opened = {name: open_split(folder, name, reading) for name in names if name not in there}
    for dataset in opened.values():
        check_sample(dataset)
        tell_left_out(dataset)
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
@click.option(
    "--episodes", metavar="LIST", help="Only these of a LeRobot set, by number or task (0-99,open_drawer)."
)
def fetch(name: str, model: bool, episodes: str | None) -> None:
    """Fetch NAME, hub:OWNER/NAME[@REVISION][/PATH], and print its folder here. Broken off, it goes on at the byte."""
    say(str(fetched(name, "model" if model else "dataset", episodes)))


def _check_preview(file: Path) -> None:
    """Before frames are read for minutes. Raises InvalidInput."""
    if file.suffix.lower() != ".png":
        raise InvalidInput(f"--preview: {shown_path(file)} is no name of a PNG file")
    if file.is_dir() or not file.absolute().parent.is_dir():
        raise InvalidInput(f"--preview: {shown_path(file)} cannot be written: there is no such folder")
