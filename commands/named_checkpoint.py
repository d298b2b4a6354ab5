"""What people call a checkpoint: a folder, or the digest of one in the home."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from commands.model_options import RUN, is_run
from commands.near_run import near_run
from errors import InvalidInput
from settings.home import Home
from settings.names import tidy
from settings.near_files import near_place

if TYPE_CHECKING:
    from commands.own_protocol import OwnProtocol
    from models.recipe import Recipe
    from models.reconvla import ReconVLA
    from models.spec import ModelSpec
    from policies.registry import ReconVLAFolder
    from policies.weights_spec import ReconVLAWeights


@dataclass(frozen=True)
class Checkpoint:
    """A folder, or weights in the home with the `model` of the job that made them. drawn_by: the renderer of the frames
    that it was trained on, None where nothing tells; drawn_basis: what that rests on. protocol: by which its own
    ablation judges it, where it was named as a run of that.
    """

    place: Path
    model: ModelSpec | None = None
    sha256: str | None = None
    drawn_by: str | None = None
    drawn_basis: str | None = None
    protocol: OwnProtocol | None = None

    def identity(self) -> str:
        """SHA-256 of the weights, or of a folder's model files. Raises CheckpointError, WeightsMissing."""
        from policies.checkpoint_folder import identity_of

        return identity_of(self.place) if self.sha256 is None else self.sha256

    def open(self, precision: str) -> tuple[ReconVLA, Recipe]:
        """The model and how to ask it. precision: a value of `model_options.precision_option`."""
        from policies.checkpoint_folder import open_folder, open_weights

        if self.model is None:
            return open_folder(self.place, precision)
        return open_weights(self.model, self.place, precision)

    def policy(
        self, precision: str, batch: int, detector: str, official_compat: bool
    ) -> ReconVLAFolder | ReconVLAWeights:
        """The checkpoint as a policy. detector: finds the gaze region for a model that is shown it."""
        from detectors.spec import any_version
        from policies.registry import ReconVLAFolder
        from policies.weights_spec import ReconVLAWeights

        place = str(self.place)
        if self.model is None:
            return ReconVLAFolder(place, precision, batch, detector, official_compat)
        return ReconVLAWeights(self.model, place, precision, batch, any_version(detector), official_compat)


def holds_openvla(name: str) -> bool:
    """Whether `name` is the folder of an OpenVLA, which is evaluated and served, but not trained here."""
    if not Path(name).is_dir():
        return False
    from models.openvla_checkpoint import is_openvla

    return is_openvla(Path(name))


def find_run(home: Home, name: str) -> Checkpoint:
    """The final weights of a run (`is_run`). Raises InvalidInput, naming what there is; ArtifactDamaged."""
    from commands.trained_run import named_run, trained_run

    said = RUN.fullmatch(tidy(name))
    assert said is not None
    if not home.exists:
        raise InvalidInput(f"there is no folder {name}, and no home at {home.root} whose run it could be")
    ablation, arm = named_run(home, said["words"])
    run = trained_run(home, arm, int(said["seed"]), ablation, in_words=True)
    return Checkpoint(run.weights, run.model, run.sha256, run.drawn_by, run.drawn_basis, run.protocol)


def find_named(home: Home, name: str) -> Checkpoint:
    """Raises InvalidInput when nothing, or more than one thing, has this name."""
    if is_run(name):
        return find_run(home, name)
    if Path(name).is_dir():
        return Checkpoint(Path(name))
    if Path(name).is_file():
        raise InvalidInput(
            f"{name} is a file; name the folder that it lies in, or the first digits of its digest"
        )
    if not re.fullmatch(r"[0-9a-f]{4,64}", name):
        near = near_place(Path(name), folders=True) or near_run(home, name)
        raise InvalidInput(
            f"there is no folder {name}, and it is no digest of a checkpoint either; a run is named as in status: "
            f"'recon seed 0'{near}"
        )
    if not home.exists:
        raise InvalidInput(
            f"there is no folder {name}, and no home at {home.root} whose checkpoint it could be"
        )
    from db.checkpoints import find_weights
    from db.migrate import look_at_state
    from db.shared_store import open_store
    from tasks.registry import TRAIN
    from tasks.specs import NOT_LOOKED_AT

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
    spec = TRAIN.spec_of(entry.spec)
    drawn_by = None if spec.drawn_by == NOT_LOOKED_AT else spec.drawn_by
    return Checkpoint(weights, spec.model, entry.sha256, drawn_by, spec.drawn_basis)
