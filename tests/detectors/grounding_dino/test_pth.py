"""`.pth` files as trainers of GroundingDINO leave them, and what stands in their place."""

from __future__ import annotations

import argparse
import collections
import datetime
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
import torch

from detectors.grounding_dino.pth import official_tensors
from errors import CheckpointError
from tests.hostile.sentences import sentence

WEIGHTS = {
    "backbone.0.patch_embed.proj.weight": torch.arange(6.0).reshape(2, 3),
    "bert.pooler.dense.bias": torch.ones(2),
}
OF_A_PARALLEL_RUN = {f"module.{name}": tensor for name, tensor in WEIGHTS.items()}
ARGUMENTS = argparse.Namespace(
    lr=1e-4, betas=(0.9, 0.99), nested=argparse.Namespace(names=["a"]), resume=None
)

READ = {
    "released": {"model": WEIGHTS},
    "by Open-GroundingDino": {
        "model": WEIGHTS,
        "optimizer": {
            "state": {0: {"exp_avg": torch.zeros(2)}},
            "param_groups": [{"lr": 1e-4, "params": [0]}],
        },
        "lr_scheduler": {"milestones": collections.Counter({11: 1}), "last_epoch": 9},
        "epoch": 9,
        "args": ARGUMENTS,
    },
    "of a parallel run": {"model": OF_A_PARALLEL_RUN, "args": ARGUMENTS},
    "alone": WEIGHTS,
    "alone, of a parallel run": OF_A_PARALLEL_RUN,
    "alone, in order": collections.OrderedDict(WEIGHTS),
}


@pytest.mark.parametrize("case", READ)
@pytest.mark.parametrize("is_archive", [True, False], ids=["archive", "as before torch 1.6"])
def test_weights_are_found_where_trainers_put_them(case: str, is_archive: bool, tmp_path: Path) -> None:
    torch.save(READ[case], tmp_path / "x.pth", _use_new_zipfile_serialization=is_archive)
    read = official_tensors(tmp_path / "x.pth")
    assert list(read) == list(WEIGHTS)
    assert all(torch.equal(read[name], tensor) for name, tensor in WEIGHTS.items())


class Ours:
    """Of a module that can be imported here, and is not."""


@pytest.mark.parametrize(
    ("beside", "named"),
    [
        (PurePosixPath("out"), "pathlib.PurePosixPath"),
        (datetime.timedelta(1), "datetime.timedelta"),
        (Ours(), f"{__name__}.Ours"),
        (argparse.Namespace(inner=Ours()), f"{__name__}.Ours"),
        (print, "print"),
    ],
    ids=["path", "duration", "class", "within the arguments", "function"],
)
def test_anything_else_is_refused_by_name_and_how_to_save_is_told(
    beside: Any, named: str, tmp_path: Path
) -> None:
    torch.save({"model": WEIGHTS, "args": beside}, file := tmp_path / "x.pth")
    with pytest.raises(CheckpointError) as refused:
        official_tensors(file)
    told = sentence(refused, file)
    assert named in told and "torch.save({'model': torch.load(FILE, weights_only=False)['model']}" in told


def test_what_is_admitted_here_is_not_admitted_elsewhere(tmp_path: Path) -> None:
    torch.save(READ["by Open-GroundingDino"], tmp_path / "x.pth")
    official_tensors(tmp_path / "x.pth")
    assert argparse.Namespace not in torch.serialization.get_safe_globals()


def archive(folder: Path) -> bytes:
    torch.save({"model": WEIGHTS}, folder / "whole")
    return (folder / "whole").read_bytes()


INSTEAD = {
    "pointer": (
        lambda _: b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 694\n",
        "Git LFS pointer",
    ),
    "page": (lambda _: b"\n<!DOCTYPE html><html>404</html>", "HTML page"),
    "half": (lambda folder: archive(folder)[:-300], "cut short"),
    "empty": (lambda _: b"", "cut short"),
}


@pytest.mark.parametrize("case", INSTEAD)
def test_what_a_download_left_is_called_that(case: str, tmp_path: Path) -> None:
    content, said = INSTEAD[case]
    (file := tmp_path / "x.pth").write_bytes(content(tmp_path))
    with pytest.raises(CheckpointError, match=said) as refused:
        official_tensors(file)
    sentence(refused, file)


@pytest.mark.parametrize(
    "content", [{"model": {}}, {"epoch": 3}, {"model": {"a": 1.0}}, {"model": {1: torch.ones(1)}}, 7]
)
def test_a_file_without_tensors_by_name_is_told(content: Any, tmp_path: Path) -> None:
    torch.save(content, file := tmp_path / "x.pth")
    with pytest.raises(CheckpointError, match="no tensors by name") as refused:
        official_tensors(file)
    sentence(refused, file)
