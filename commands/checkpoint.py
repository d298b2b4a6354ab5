"""`checkpoint`: final weights as people keep them."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from commands.groups import Suggesting
from commands.options import existing_home, home_option, named_home
from commands.place_type import PLACE, Folder
from commands.ranges import ROW_ID
from errors import InvalidInput
from settings.faults import need_mistake
from settings.streams import say
from settings.typed import typed

if TYPE_CHECKING:
    from commands.trained_run import TrainedRun
    from models.export import Exported


@click.group("checkpoint", cls=Suggesting)
@home_option
@click.pass_context
def command(context: click.Context, home_path: str | None) -> None:
    """Take final weights out of the home."""
    context.obj = named_home(context, home_path)


@command.command("export")
@home_option
@click.argument("arm")
@click.argument("seed", type=ROW_ID)
@click.argument("folder", metavar="DIR", type=PLACE)
@click.option("--ablation", default=None, metavar="ID|NAME", help="Of which ablation [default: the newest].")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.pass_context
def export_command(
    context: click.Context,
    home_path: str | None,
    arm: str,
    seed: int,
    folder: Path,
    ablation: str | None,
    as_json: bool,
) -> None:
    """Write the final weights of ARM with SEED into the new folder DIR, in the official Hugging Face layout.

    `evaluate DIR`, `serve DIR` and `attention DIR` take it, and Qwen2ForCausalLM.from_pretrained its language model.
    """
    from commands.trained_run import trained_run
    from models.export import export_model
    from settings.folders import need_free, whole_folder

    home = existing_home(context, home_path)
    with _told(folder):
        need_free(folder)
    run = trained_run(home, arm, seed, ablation)
    with _told(folder), whole_folder(folder) as aside:
        made = export_model(run.model, run.weights, run.judged_in, aside, _about(run))
    how = _how_to_evaluate(run, folder, made)
    if as_json:
        say(json.dumps(_document(run, folder, made, how)))
        return
    say(f"{folder}: {run.label} of {run.ablation.name} after {run.step} steps, weights in {made.precision}")
    say(f"it is {made.note}")
    say(f"evaluate it: {how}")


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
