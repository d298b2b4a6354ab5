"""Checkpoints of a home, named by the first digits of their digest."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from commands.named_checkpoint import find_named
from db import jobs
from db.engine import Database
from db.jobs import Ending, StoredArtifact
from db.states import SUCCEEDED
from db.store import ArtifactStore
from errors import ArtifactDamaged, InvalidInput
from models.checkpoint import weights_of
from models.recipe import recipe_of
from models.reconvla import ReconVLA
from models.weights import write_weights
from settings.home import Home
from tests.support import NOW, planned, start, stored, submit, worker
from tests.training import model_spec, training_spec


def add(database: Database, store: ArtifactStore, folder: Path, label: str, content: bytes) -> str:
    """A finished training job with `content` as its weights. Returns their digest."""
    spec = {**training_spec(steps=1), "drawn_by": "egl"}
    submit(database, planned(label, kind="train", spec=spec), key=label)
    claim = start(database, label, worker(database, label))
    artifact = stored(store, folder, "weights", content)
    jobs.succeed(database, claim, Ending(SUCCEEDED, 1, artifacts=[artifact]), NOW)
    return artifact.sha256


def test_the_model_of_a_home_is_built_from_its_jobs_parameters(
    home: Home, database: Database, store: ArtifactStore, tmp_path: Path
) -> None:
    recipe = recipe_of(model_spec(training_spec(steps=1)))
    model = ReconVLA(recipe.config, seed=8)
    file = tmp_path / "made.safetensors"
    write_weights(weights_of(model), file)
    digest = add(database, store, tmp_path, "train recon seed 0", file.read_bytes())
    found = find_named(home, digest[:8])
    assert (found.identity(), found.drawn_by) == (digest, "egl")
    opened, its = found.open("auto")
    assert its.config == recipe.config
    for name, tensor in weights_of(model).items():
        np.testing.assert_array_equal(weights_of(opened)[name].cpu().numpy(), tensor.numpy())


def test_names_that_say_nothing_or_too_much(
    home: Home, database: Database, store: ArtifactStore, tmp_path: Path
) -> None:
    with pytest.raises(
        InvalidInput, match=r"no checkpoint in .* has a digest that begins with 0123; see artifacts"
    ):
        find_named(home, "0123")
    with pytest.raises(InvalidInput, match="it is no digest"):
        find_named(home, "ab")  # too short to mean one
    file = tmp_path / "model.safetensors"
    file.touch()
    with pytest.raises(InvalidInput, match=r"model\.safetensors is a file; name the folder .* digest"):
        find_named(home, str(file))
    for name, digest in (("train a", "abcd1" + "0" * 59), ("train b", "abcd2" + "0" * 59)):
        submit(database, planned(name, kind="train", spec=training_spec(steps=1)), key=name)
        claim = start(database, name, worker(database, name))
        artifact = StoredArtifact("checkpoint", "weights", digest, f"artifacts/ab/{digest}.safetensors", 5)
        jobs.succeed(database, claim, Ending(SUCCEEDED, 1, artifacts=[artifact]), NOW)
    with pytest.raises(
        InvalidInput, match=r"several digests begin with abcd: abcd1.* \(train a\), abcd2.* \(train b\)"
    ):
        find_named(home, "abcd")
    with pytest.raises(ArtifactDamaged, match="is missing"):
        find_named(home, "abcd1")
