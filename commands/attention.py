"""`attention`: where one checkpoint looks, without the queue."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import click

from commands.model_options import DETECTOR, HELP, precision_option
from commands.named_checkpoint import find_named
from commands.options import existing_home, home_option, resolve_home, threads_option
from commands.place_type import PLACE_TEXT, Folder, Named
from errors import InvalidInput
from settings.shown import as_file_name, shown
from settings.streams import say


@click.command("attention", help=f"Figures and maps of where CHECKPOINT looks: {HELP}.")
@click.argument("words", nargs=-1, required=True, type=Named("model"), metavar="CHECKPOINT")
@home_option
@click.option("--data", "data_root", metavar="DIR", default=None, type=Folder("dataset"),
              help="A CALVIN dataset's validation split [default: the home's own held-out frames].")  # fmt: skip
@click.option("--demonstrations", type=click.IntRange(1), default=None, help="Only so many of --data.")
@precision_option
@threads_option
@click.option("--detector", type=DETECTOR, default="colour", show_default=True, metavar="NAME",
              help="Finds the gaze regions of --data.")  # fmt: skip
@click.option(
    "--frames", type=click.IntRange(0), default=64, show_default=True, help="Evenly spaced; 0: all."
)
@click.option("--layer", type=int, default=-1, show_default=True, help="Of the language model; -1: the last.")
@click.option("--heads", default=None, metavar="0,3", help="Averaged over [default: all].")
@click.option(
    "--out",
    type=PLACE_TEXT,
    metavar="DIR",
    default=None,
    help="Pictures of a few frames, and figures of every one.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.pass_context
def command(
    context: click.Context,
    words: tuple[str, ...],
    home_path: str | None,
    data_root: Path | None,
    demonstrations: int | None,
    detector: str,
    precision: str,
    threads: int,
    frames: int,
    layer: int,
    heads: str | None,
    out: str | None,
    as_json: bool,
) -> None:
    checkpoint, chosen = " ".join(words), _heads(heads)
    found = find_named(resolve_home(context, home_path), checkpoint)
    say(f"loading {checkpoint}", error=True)

    from experiments.reconvla.held_out import frames_of_dataset
    from experiments.reconvla.report.attention_scores import over_demonstrations
    from tasks.data.index_reader import load_index
    from tasks.fixed_state import FixedState
    from tasks.probes.attention import chosen_rows, write_looks
    from tasks.probes.attention_scores import figures_of, look

    model, recipe = found.open(precision)
    FixedState().establish(threads)
    with tempfile.TemporaryDirectory(prefix="baton-attention-") as folder:
        if data_root is not None:
            files = frames_of_dataset(data_root, demonstrations, detector, Path(folder))
        else:
            files = _frames_of_home(existing_home(context, home_path))
        index = load_index(files, recipe.config.vision.image_size, resample=recipe.config.vision.resample)
        rows = chosen_rows(index, frames)
        if not rows:
            raise InvalidInput("no held-out frame has a gaze region to judge attention by")
        looks = look(model.eval(), recipe, index, rows, layer, chosen)
        assert looks is not None
        measured = figures_of(looks)
        figures: dict[str, Any] = {
            **measured,
            **over_demonstrations(measured["by_demonstration"]),
            "layer": layer,
            "heads": chosen or [],
            "threads": threads,
        }
        if out is not None:
            Path(out).mkdir(parents=True, exist_ok=True)
            write_looks(looks, index, Path(out) / "attention.safetensors")
            _write_pictures(looks, index, Path(out))
    if as_json:
        say(json.dumps(figures))
        return
    for name in ("mass_in_gaze", "pointing_accuracy", "entropy_bits", "static_share"):
        interval = figures.get(f"{name}_ci95")
        bounds = f"  [{interval[0]:.3f}, {interval[1]:.3f}]" if interval else ""
        centre = figures.get(f"centre_{name}")
        beside = "" if centre is None else f"  (centre prior {centre:.3f})"
        say(f"{name.replace('_', ' '):<18} {figures[name]:.3f}{bounds}{beside}")
    say(f"{figures['frames']} frames of {figures['demonstrations']} demonstrations")


def _heads(text: str | None) -> list[int] | None:
    if text is None:
        return None
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise InvalidInput(f"--heads {shown(text)} is not numbers separated by commas") from None


def _frames_of_home(home: Any) -> Any:
    from db.migrate import look_at_state
    from db.shared_store import open_store
    from experiments.reconvla.held_out import frames_of_home

    database = look_at_state(home)
    files = frames_of_home(database, open_store(home, database))
    database.close()
    return files


def _write_pictures(looks: Any, index: Any, folder: Path) -> None:
    from reports.pictures import YELLOW, boxed_png, heat_png
    from settings import files

    for place, row in enumerate(looks.panel_rows):
        image, box = looks.images[place], (looks.boxes[place], YELLOW)
        name = as_file_name(index.items[row]["id"])
        files.write(folder / f"{name}_frame.png", boxed_png(image, box))
        files.write(folder / f"{name}_attention.png", heat_png(image, looks.maps[place], box))
