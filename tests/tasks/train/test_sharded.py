"""Training over two gloo ranks: what one process computes, the same bits every time, and from a checkpoint on."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from errors import CheckpointError
from models.checkpoint import weights_of
from models.reconvla import ReconVLA
from models.sharded_checkpoint import MANIFEST, load_sharded, read_manifest
from models.weight_files import open_file
from models.weights import write_sharded, write_weights
from tests.support import REPOSITORY
from tests.tasks.train.one_process import SEED, alone, apart
from tests.tasks.train.rank_process import SAVED_AT, WAYS, crop_config, parts_of, small_config

RANKS = 2
#: Of losses, relative; and of weights: the norm of their difference as a share of what training moved them.
LOSSES, WEIGHTS = {"fp32": 1e-5, "bf16": 2e-3}, {"fp32": 1e-4, "bf16": 0.05}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where two ranks left what they found; they begin with the weights of one process."""
    place = tmp_path_factory.mktemp("ranks")
    for frozen in (False, True):
        model = ReconVLA(small_config(frozen), SEED)
        write_weights(weights_of(model), place / f"start-{frozen}.safetensors")
    command = [sys.executable, "-m", "tests.tasks.train.rank_process", str(place)]
    ranks = [
        subprocess.Popen([*command, str(rank), str(RANKS)], cwd=REPOSITORY, stderr=subprocess.PIPE)
        for rank in range(RANKS)
    ]
    try:
        said = [rank.communicate(timeout=300)[1].decode() for rank in ranks]
    finally:
        for rank in ranks:
            rank.kill()
    assert [rank.returncode for rank in ranks] == [0] * RANKS, "\n".join(said)
    return place


@pytest.fixture(scope="module")
def found(folder: Path) -> list[dict[str, Any]]:
    return [json.loads((folder / f"rank-{rank}.json").read_text()) for rank in range(RANKS)]


@pytest.mark.parametrize("way", WAYS)
def test_losses_and_weights_are_those_of_one_process(
    way: str, folder: Path, found: Sequence[dict[str, Any]]
) -> None:
    model, losses = alone(way)
    precision = WAYS[way][0]
    told = [step["total"] for step in found[0][f"{way} losses"]]
    assert told == pytest.approx(losses, rel=LOSSES[precision])
    assert found[1][f"{way} losses"] == found[0][f"{way} losses"], "every rank tells the same"
    written = open_file(folder / f"{way}-1" / "model.safetensors")
    start = weights_of(ReconVLA(model.config, SEED))
    assert set(written) == set(start)
    assert apart(weights_of(model), written, start) < WEIGHTS[precision]
    tower = "vision_tower.encoder.layers.0.mlp.fc1.weight"
    assert torch.equal(written[tower], start[tower]) is WAYS[way][1], "only a frozen tower is as it was"


def test_a_rank_without_a_second_picture_gathers_what_the_others_do(
    folder: Path, found: Sequence[dict[str, Any]]
) -> None:
    """Of a micro-batch whose prompts have none the tower sees the first pictures alone, in one process."""
    model = ReconVLA(crop_config(), SEED)
    parts, total = parts_of(crop_config(), 0), 0.0
    labels = sum(part.labels for part in parts)
    with torch.no_grad():
        for part in parts:
            total += model(part.batch, part.draws).action.item() * part.labels / labels
    assert any(part.batch.crops is None for part in parts) and parts[0].batch.crops is not None
    assert [each["crops"]["action"] for each in found] == [pytest.approx(total, rel=1e-5)] * RANKS


def test_equal_topologies_give_equal_bits(found: Sequence[dict[str, Any]]) -> None:
    one, two = found
    undisturbed = [one["bf16 losses"], one["bf16 digest"]]
    assert one["again"] == two["again"] == undisturbed
    assert one["kept"] == undisturbed, "when parameters are gathered changes nothing"
    assert one["by torch"] == undisturbed, "clipping and AdamW are torch's own, of the same parts"
    assert one["bf16 digest"] != one["fp32 digest"]


def test_from_a_checkpoint_on_the_bits_are_those_of_an_undisturbed_run(
    found: Sequence[dict[str, Any]],
) -> None:
    losses, digest = found[0]["resumed"]
    assert (losses, digest) == (found[0]["bf16 losses"][SAVED_AT:], found[0]["bf16 digest"])
    one, two = found[0]["saved"]
    assert one == two == found[1]["saved"][0], "equal states have equal digests"
    assert "File exists" in found[0]["taken"] and "File exists" in found[1]["taken"]


def test_what_is_written_beside_steps_is_what_was_there_when_it_began(
    found: Sequence[dict[str, Any]],
) -> None:
    for each in found:
        inline, beside, later = each["beside"]["digests"]
        assert beside == inline != later
        assert each["beside"]["steps"] == [SAVED_AT, SAVED_AT + 1], "not the one whose folder was taken"
        assert "File exists" in each["beside"]["ended"] and not each["beside"]["busy"]


def test_a_rank_holds_its_part_and_gathers_no_more_than_needed(found: Sequence[dict[str, Any]]) -> None:
    model = ReconVLA(small_config(), SEED)
    whole = sum(parameter.numel() for parameter in model.parameters())
    assert sum(each["held elements"] for each in found) == pytest.approx(whole, rel=0.01)
    each_time, once = found[0]["gathers"]
    ran = found[0]["units"] - 1  # the tower's last layer never runs
    assert once == ran
    assert each_time > 2 * once, "three micro-batches, forward and backward"


def test_what_several_ranks_cannot_do_is_refused_by_all(found: Sequence[dict[str, Any]]) -> None:
    for each in found:
        assert "training.lora is trained on one device" in each["adapters"]
        assert "computes in fp32 or bf16, not in fp16" in each["fp16"]
        assert each["one rank fails"].startswith("OSError: [Errno 28]"), "the machine's fault stays one"
    assert "rank 1: " in found[0]["one rank fails"]
    assert [each["one rank plans nothing"] for each in found] == [
        "CheckpointError: rank 1: ValueError: no plan",
        "CheckpointError: ValueError: no plan",
    ], "nobody waits for it"


def test_final_weights_are_the_bytes_of_one_process(folder: Path, tmp_path: Path) -> None:
    written = folder / "bf16-1" / "model.safetensors"
    write_sharded(dict(open_file(written)), tmp_path)
    digests = [hashlib.sha256(file.read_bytes()).hexdigest() for file in (written, tmp_path / written.name)]
    assert digests[0] == digests[1]


def as_saved(checkpoint: Path) -> dict[str, Tensor]:
    manifest = read_manifest(checkpoint)
    return {
        name: torch.empty(shape, dtype=getattr(torch, kind))
        for name, (kind, shape) in manifest.tensors.items()
    }


def test_a_process_without_ranks_reads_what_two_wrote(folder: Path) -> None:
    model, _ = alone("bf16", SAVED_AT)
    tensors = as_saved(folder / "one")
    manifest = load_sharded(folder / "one", tensors)
    assert (manifest.step, manifest.ranks) == (SAVED_AT, RANKS)
    weights = {
        name.removeprefix("weights/"): each for name, each in tensors.items() if name.startswith("weights/")
    }
    assert apart(weights_of(model), weights, weights_of(ReconVLA(model.config, SEED))) < WEIGHTS["bf16"]
    assert {int(tensors[name]) for name in tensors if name.endswith("/step")} == {SAVED_AT}


def flip(checkpoint: Path) -> None:
    file = next(checkpoint.glob("*.safetensors"))
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)


def cut(checkpoint: Path) -> None:
    file = next(checkpoint.glob("*.safetensors"))
    file.write_bytes(file.read_bytes()[:-4])


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (flip, "is damaged: it has not the digest"),
        (cut, "is damaged: it has not the size"),
        (lambda place: next(place.glob("*.safetensors")).unlink(), "is missing"),
        (lambda place: (place / "shard-9.safetensors").write_bytes(b""), "is not of this checkpoint"),
        (lambda place: (place / MANIFEST).unlink(), "cannot be read"),
        (lambda place: (place / MANIFEST).write_text("{}"), "is not the manifest of a checkpoint"),
        (lambda place: (place / MANIFEST).write_text('{"format": 2}'), "this build knows 1"),
    ],
)
def test_a_torn_checkpoint_is_never_used(damage: Any, said: str, folder: Path, tmp_path: Path) -> None:
    tensors = {name: torch.full_like(tensor, 7) for name, tensor in as_saved(folder / "one").items()}
    torn = tmp_path / "torn"
    shutil.copytree(folder / "one", torn)
    damage(torn)
    with pytest.raises(CheckpointError, match=said):
        load_sharded(torn, tensors)
    untouched = all((tensor == 7).all() for tensor in tensors.values())
    assert untouched or damage is flip, "a digest alone is known only when all of a file was read"


def test_other_tensors_than_were_saved_are_refused(folder: Path) -> None:
    tensors = as_saved(folder / "one")
    name = next(iter(tensors))
    with pytest.raises(CheckpointError, match="is loaded"):
        load_sharded(folder / "one", {**tensors, name: tensors[name].double()})
    with pytest.raises(CheckpointError, match="more is missing"):
        load_sharded(folder / "one", {**tensors, "more": torch.zeros(1)})
    del tensors[name]
    with pytest.raises(CheckpointError, match="is not part of what is loaded"):
        load_sharded(folder / "one", tensors)
