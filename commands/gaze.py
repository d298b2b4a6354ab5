"""`gaze`: detect, score and preview gaze regions of a CALVIN dataset, without the queue."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from commands.data import SPLITS
from commands.dataset_options import tell_left_out
from commands.model_options import DETECTOR
from commands.options import home_option, resolve_home, threads_option
from commands.place_type import PLACE, PLACE_TEXT, Folder, Named
from errors import DatasetError, InvalidInput
from settings.faults import need_mistake
from settings.streams import say

if TYPE_CHECKING:
    from calvin.episode import Episode
    from calvin.split import Split
    from detectors.base import Detector
    from tasks.gaze.run import Regions


@click.command("gaze")
@click.argument("folder", metavar="DIR", type=Folder("dataset"))
@click.option("--split", type=click.Choice(SPLITS), default=None, help="Only this split [default: both].")
@click.option(
    "--detector",
    "name",
    type=DETECTOR,
    default="colour",
    show_default=True,
    help="Its name (see doctor), or a class of yours.",
)
@click.option(
    "--weights",
    default=None,
    metavar="PATH",
    type=Named("model"),
    help="Hub name, folder or .pth (GroundingDINO).",
)
@click.option(
    "--precision",
    default=None,
    type=click.Choice(("auto", "fp32", "bf16", "fp16")),
    help="Of GroundingDINO's products [default: auto, fp16 on a GPU].",
)
@click.option(
    "--python", type=PLACE_TEXT, default=None, metavar="PATH", help="Interpreter that has groundingdino-py."
)
@click.option("--stages", default=None, metavar="A,B", help="Stages of the pipeline, or none [default: all].")
@click.option(
    "--unknown-wording",
    default="no_target",
    show_default=True,
    type=click.Choice(("no_target", "task")),
    help="What an instruction that is not understood gives: no region, or that of its task.",
)
@click.option("--by-stage", is_flag=True, help="Switch the stages on one after the other and compare.")
@click.option("--score", is_flag=True, help="Print how right the regions are, where true boxes are known.")
@click.option("--preview", is_flag=True, help="Write a contact sheet of each demonstration.")
@click.option("--out", default="gaze-preview", show_default=True, type=PLACE, metavar="DIR")
@click.option(
    "--limit", default=None, type=click.IntRange(1), metavar="N", help="Only the first N of a split."
)
@click.option(
    "--cache",
    default=None,
    type=PLACE,
    metavar="FILE",
    help="Keep the detector's answers here [default: in the home, where there is one].",
)
@threads_option
@home_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.pass_context
def command(
    context: click.Context, folder: Path, split: str | None, name: str, weights: str | None,
    precision: str | None, python: str | None, stages: str | None, unknown_wording: str, by_stage: bool, score: bool,
    preview: bool, out: Path, limit: int | None, cache: Path | None, threads: int, home_path: str | None, as_json: bool,
) -> None:  # fmt: skip
    """Detect gaze regions in every annotated frame of DIR, a dataset in CALVIN's format."""
    from detectors.cache import FinderCache, shared_cache
    from detectors.pipeline import STAGES, check_stages
    from detectors.registry import is_direct
    from experiments.reconvla.own_classes import named
    from tasks.fixed_state import FixedState, arithmetic

    given = {"weights": weights, "precision": precision, "python": python}
    options = {key: value for key, value in given.items() if value is not None}
    runs = [None if stages is None else _stage_list(stages)]
    name = named(name, Path.cwd(), "--detector")
    if by_stage:
        if is_direct(name):
            raise InvalidInput(f"detector {name!r} has no stages to switch on")
        wanted = STAGES if runs[0] is None else check_stages(runs[0])
        runs = [list(wanted[:count]) for count in range(len(wanted) + 1)]
    home = resolve_home(context, home_path)
    _make(name, runs[0], None, options).check()  # what cannot be used is said before anything is written
    FixedState().establish(threads)  # after the detector's libraries are imported
    splits = _open(folder, split)
    answers = FinderCache(cache) if cache else shared_cache(home.cache if home.exists else None)
    answers.arithmetic = arithmetic()
    if preview:
        _make_folder(out)
    results: list[dict[str, Any]] = []
    sheets: list[str] = []
    frames_shown = 0
    for number, run in enumerate(runs):
        detector = _make(name, run, answers, options)
        regions = []
        for episode, found in _detect(splits, detector, limit, unknown_wording):
            regions.append(found)
            if preview and number == len(runs) - 1:
                sheet, shown = _write_sheet(out, episode, found)
                sheets.append(str(sheet))
                frames_shown += shown
        results.append(_summary(detector, run, regions) | {"threads": threads})
    if preview:
        results[-1] |= {"sheets": sheets, "frames_shown": frames_shown}
    if answers.path is not None:
        results[-1]["cache"] = {"file": str(answers.path), "known": answers.hits, "new": answers.misses}
    if as_json:
        say(json.dumps(results if by_stage else results[0]))
        return
    _show(results, by_stage, score)
    if preview:
        of_all = f"{frames_shown} of {results[-1]['frames']} frames shown"
        say(
            f"{len(sheets)} contact sheets in {out}: {of_all}, of long demonstrations those that failed first"
        )
    if answers.path is not None and not is_direct(name):
        say(f"{answers.hits} answers known before, {answers.misses} new, kept in {answers.path}")


def _stage_list(text: str) -> list[str]:
    return [] if text == "none" else [stage.strip() for stage in text.split(",") if stage.strip()]


def _make_folder(out: Path) -> None:
    """Before anything is detected: what cannot hold the sheets shall not cost the work."""
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        need_mistake(error)
        raise InvalidInput(f"--out {out} cannot be a folder for contact sheets: {error.strerror}") from None


def _make(name: str, stages: list[str] | None, cache: Any, options: dict[str, Any]) -> Detector:
    from detectors.registry import is_direct, make_detector

    if is_direct(name):
        if stages is not None:
            raise InvalidInput(f"detector {name!r} has no stages")
        return make_detector(name, **options)
    return make_detector(name, stages=stages, cache=cache, **options)


def _open(folder: Path, split: str | None) -> list[Split]:
    from calvin.split import check_place, open_split, splits_at

    if not folder.is_dir():
        check_place(folder, SPLITS[0])  # says so
    names = (split,) if split else splits_at(folder)
    if not names:
        raise DatasetError(f"{folder} is no CALVIN dataset: it has no {' or '.join(f'{s}/' for s in SPLITS)}")
    return [open_split(folder, name) for name in names]


def _detect(
    splits: list[Split], detector: Detector, limit: int | None, unknown_wording: str
) -> Iterator[tuple[Episode, Regions]]:
    from detectors.targets.table import BY_TASK
    from tasks.gaze.run import find_regions
    from tasks.gaze.truth import check_true_boxes

    for opened in splits:
        tell_left_out(opened)
        if detector.name == "oracle":
            check_true_boxes(opened, unknown_wording == BY_TASK)
        for demonstration in opened.demonstrations[:limit]:
            episode = opened.read(demonstration)
            yield episode, find_regions(episode, detector, unknown_wording)


def _summary(detector: Detector, stages: list[str] | None, regions: list[Regions]) -> dict[str, Any]:
    from tasks.gaze.run import summary_of

    about = {"detector": f"{detector.name}-{detector.version}", "demonstrations": len(regions)}
    if stages is not None:
        about["stages"] = stages
    return about | {key: value for key, value in summary_of(regions).items() if key != "iou_sum"}


def _write_sheet(out: Path, episode: Episode, regions: Regions) -> tuple[Path, int]:
    """The sheet's file, and how many frames it shows."""
    from detectors.contact_sheet import Shot, contact_sheet, shown_places
    from settings import files

    frames = zip(episode.rgb_static, regions.results, regions.truths, regions.scored, strict=True)
    shots = [
        Shot(image, result, truth.box if truth else None, scored.outcome, frame, scored.has_failed)
        for frame, (image, result, truth, scored) in enumerate(frames, episode.start)
    ]
    path = out / f"{episode.split}_{episode.start:07d}_{episode.task}.png"
    with files.whole(path) as stream:
        contact_sheet(shots, f"{episode.task}: {episode.instruction}").save(stream, "PNG")
    return path, len(shown_places([shot.failed for shot in shots]))


def _show(results: list[dict[str, Any]], by_stage: bool, score: bool) -> None:
    from commands.gaze_tables import (
        difficulty_table,
        object_table,
        source_table,
        stage_table,
        wording_sentence,
    )
    from views.console import Console

    console = Console()
    last = results[-1]
    say(
        f"{last['frames']} frames of {last['demonstrations']} demonstrations, {last['trusted']} with a trusted region"
    )
    tables = [source_table(last)]
    if score and not any(entry["visible"] for entry in last["objects"].values()):
        say("no true boxes are known here: nothing can be scored")
    elif score:
        tables += [object_table(last), difficulty_table(last)]
    if by_stage:
        tables.append(stage_table(results))
    for number, table in enumerate(tables):
        say()
        console.print(table)
        if number == 0 and (sentence := wording_sentence(last)):
            say(sentence)
    say()
