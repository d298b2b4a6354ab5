"""What people call a checkpoint: a folder, or the digest of one in the home."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from errors import InvalidInput
from settings.home import Home

if TYPE_CHECKING:
    from models.recipe import Recipe
    from models.reconvla import ReconVLA

HELP = "a folder (Hugging Face layout), or the first digits of a checkpoint's SHA-256 in the home"


def precision_option(command: Callable[..., None]) -> Callable[..., None]:
    """`--precision`, as `policies.checkpoint_folder` takes it."""
    return click.option(
        "--precision",
        type=click.Choice(("auto", "fp32", "bf16", "fp16", "4bit")),
        default="auto",
        show_default=True,
        help="auto: as a folder stores it, fp32 for a checkpoint of the home. 4bit: a ReconVLA only.",
    )(command)


def crop_option(command: Callable[..., None]) -> Callable[..., None]:
    """`--center-crop`, as `policies.openvla` takes it."""
    return click.option(
        "--center-crop/--no-center-crop",
        default=None,
        help="Show an OpenVLA the middle of pictures [default: where its folder's name says image_aug].",
    )(command)


def refuse_crop(center_crop: bool | None, name: str) -> None:
    """Raises InvalidInput where an option of OpenVLA was given for another policy."""
    if center_crop is not None:
        option = "--center-crop" if center_crop else "--no-center-crop"
        raise InvalidInput(f"{option} is for a folder of OpenVLA, which {name} is not")


@dataclass(frozen=True)
class Checkpoint:
    """identity: SHA-256 of the weights, or of a folder's model files. drawn_by: the renderer of the frames that it
    was trained on, None where nothing tells; drawn_basis: what that rests on.
    """

    model: ReconVLA
    recipe: Recipe
    identity: str
    drawn_by: str | None
    drawn_basis: str | None = None


def holds_openvla(name: str) -> bool:
    """Whether `name` is the folder of an OpenVLA, which is evaluated and served, but not trained here."""
    if not Path(name).is_dir():
        return False
    from models.openvla_checkpoint import is_openvla

    return is_openvla(Path(name))


def open_named(home: Home, name: str, precision: str = "auto") -> Checkpoint:
    """The model and how to ask it. Raises InvalidInput when nothing, or more than one thing, has this name.

    precision: a value of `precision_option`.
    """
    from db.checkpoints import find_weights
    from db.migrate import look_at_state
    from db.shared_store import open_store
    from policies.checkpoint_folder import identity_of, open_folder, open_weights

    if Path(name).is_dir():
        return Checkpoint(*open_folder(Path(name), precision), identity_of(Path(name)), None)
    if Path(name).is_file():
        raise InvalidInput(
            f"{name} is a file; name the folder that it lies in, or the first digits of its digest"
        )
    if not re.fullmatch(r"[0-9a-f]{4,64}", name):
        raise InvalidInput(f"there is no folder {name}, and it is no digest of a checkpoint either")
    if not home.exists:
        raise InvalidInput(
            f"there is no folder {name}, and no home at {home.root} whose checkpoint it could be"
        )
    database = look_at_state(home)
    found = find_weights(database, name)
    store = open_store(home, database)
    database.close()
    if not found:
        raise InvalidInput(
            f"no checkpoint in {home.root} has a digest that begins with {name}; see artifacts"
        )
    if len(found) > 1:
        listed = ", ".join(f"{entry.sha256[:12]} ({entry.label})" for entry in found)
        raise InvalidInput(f"several digests begin with {name}: {listed}")
    (entry,) = found
    weights = store.verified(entry.path, entry.sha256)
    model, recipe = open_weights(entry.model, weights, precision)
    return Checkpoint(model, recipe, entry.sha256, entry.drawn_by, entry.drawn_basis)
