"""`checkpoint`: final weights as people keep them."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from commands.groups import Suggesting
from commands.options import existing_home, home_option, named_home
from commands.place_type import PLACE, Folder
from errors import InvalidInput
from settings.faults import need_mistake
from settings.shown import shown
from settings.streams import say
from settings.typed import typed

if TYPE_CHECKING:
    from commands.trained_run import TrainedRun
    from models.export import Exported
    from settings.home import Home


@click.group("checkpoint", cls=Suggesting)
@home_option
@click.pass_context
def command(context: click.Context, home_path: str | None) -> None:
    """Take final weights out of the home."""
    context.obj = named_home(context, home_path)


@command.command("export")
@home_option
@click.argument("run", metavar="ARM SEED", nargs=-1, required=True)
@click.argument("folder", metavar="DIR", type=PLACE)
@click.option("--ablation", default=None, metavar="ID|NAME", help="Of which ablation [default: the newest].")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.pass_context
def export_command(
    context: click.Context,
    home_path: str | None,
    run: tuple[str, ...],
    folder: Path,
    ablation: str | None,
    as_json: bool,
) -> None:
    """Write the final weights of ARM with SEED (also as one word, "recon seed 0") into the new folder DIR, in the
    official Hugging Face layout.

    `evaluate DIR`, `serve DIR` and `attention DIR` take it, and Qwen2ForCausalLM.from_pretrained its language model.
    """
    from commands.trained_run import trained_run
    from models.export import export_model
    from settings.folders import need_free, whole_folder

    home = existing_home(context, home_path)
    with _told(folder):
        need_free(folder)
    arm, seed, ablation = _named(home, run, ablation)
    trained = trained_run(home, arm, seed, ablation)
    with _told(folder), whole_folder(folder) as aside:
        made = export_model(trained.model, trained.weights, trained.judged_in, aside, _about(trained))
    how = _how_to_evaluate(trained, folder, made)
    if as_json:
        say(json.dumps(_document(trained, folder, made, how)))
        return
    say(
        f"{folder}: {trained.label} of {trained.ablation.name} after {trained.step} steps, weights in {made.precision}"
    )
    say(f"it is {made.note}")
    say(f"evaluate it: {how}")


def _named(home: Home, words: tuple[str, ...], ablation: str | None) -> tuple[str, int, str | None]:
    """(arm, seed, ablation) of `recon 0`, and of all that `evaluate` takes for a run. Raises InvalidInput."""
    from commands.near_run import near_run
    from commands.trained_run import named_run

    found = re.fullmatch(r"(?P<arm>.+?)(?: +seed)? +(?P<seed>\d{1,18})", " ".join(words).strip())
    if found is None:
        raise InvalidInput(
            f"{shown(' '.join(words))} is no run: an arm and a seed (recon 0, or 'recon seed 0') and a new folder"
            f"{near_run(home, ' '.join(words))}"
        )
    arm, seed = found["arm"], int(found["seed"])
    if ablation is None and len(words) != 2:  # two are an arm with all its blanks, and a seed
        ablation, arm = named_run(home, arm)
    return arm, seed, ablation


@command.command("merge")
@click.argument("base", type=Folder("model"))
@click.argument("adapter", type=Folder("model"))
@click.argument("folder", metavar="DIR", type=PLACE)
def merge_command(base: Path, adapter: Path, folder: Path) -> None:
    """Put the LoRA ADAPTER (a folder of PEFT's, also as LLaVA's code leaves it) into the weights of BASE: the new
    folder DIR is a checkpoint like any other.

    `non_lora_trainables.bin` is read with it. Configuration and tokenizer are the adapter's where it has its own.
    """
    from models.lora import merge_adapter
    from settings.folders import need_free, whole_folder

    with _told(folder):
        need_free(folder)
    with _told(folder), whole_folder(folder) as aside:
        made = merge_adapter(base, adapter, aside)
    whole = f", {made.whole} tensors are its own" if made.whole else ""
    say(f"{folder}: {base} with an adapter of rank {made.rank} in {made.added_to} of its tensors{whole}")
    say(f"evaluate it: {typed(f'evaluate {shlex.quote(str(folder))}')}")


@contextmanager
def _told(folder: Path) -> Iterator[None]:
    """What is wrong with the place that was named, as InvalidInput."""
    try:
        yield
    except FileExistsError:
        raise InvalidInput(f"{folder} is there already and no empty folder; name another") from None
    except BlockingIOError:
        raise InvalidInput(f"another command is writing {folder}; wait for it, or name another") from None
    except OSError as error:
        need_mistake(error)
        raise InvalidInput(f"{folder} cannot be made: {error.strerror}") from None


def _about(run: TrainedRun) -> list[str]:
    """What the folder itself says of the run."""
    return [
        f"{run.label} of ablation {run.ablation.name}, {run.step} steps",
        f"from weights with SHA-256 {run.sha256}",
        f"judged in {run.judged_in}"
        + (f", shown regions that detector {run.detector} finds" if run.detector else ""),
    ]


def _how_to_evaluate(run: TrainedRun, folder: Path, made: Exported) -> str:
    """With the precision and detector of the run's own evaluation."""
    options = "" if made.precision == run.judged_in else f" --precision {run.judged_in}"
    if run.detector is not None:
        options += f" --detector {run.detector}"
    return typed(f"evaluate {shlex.quote(str(folder))}{options}")


def _document(run: TrainedRun, folder: Path, made: Exported, how: str) -> dict[str, object]:
    return {
        "folder": str(folder),
        "ablation": run.ablation.id,
        "name": run.ablation.name,
        "arm": run.run.arm,
        "seed": run.run.seed,
        "step": run.step,
        "weights": {"sha256": run.sha256, "precision": made.precision},
        "identity": made.identity,
        "judged_in": run.judged_in,
        "detector": run.detector,
        "note": made.note,
        "evaluate": how,
    }
