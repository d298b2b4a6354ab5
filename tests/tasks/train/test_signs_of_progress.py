"""What reads, writes or hashes a checkpoint says so as it goes, so that a slow disk is told from one that hangs."""

from __future__ import annotations

import os
from pathlib import Path

import torch

from models.sharded_checkpoint import load_sharded, save_sharded
from tasks.train.gang.life import moving
from tasks.train.gang.words import Teller, lines_of

TENSORS = {f"weights/{number}": torch.full((300,), float(number)) for number in range(5)}


def test_each_tensor_that_is_written_and_read_is_told(tmp_path: Path) -> None:
    told: list[None] = []

    def moved() -> None:
        told.append(None)

    save_sharded(tmp_path / "one", TENSORS, 1, file_bytes=1500, moved=moved)
    saved = len(told)
    assert saved >= len(TENSORS)
    held = {name: torch.zeros_like(tensor) for name, tensor in TENSORS.items()}
    load_sharded(tmp_path / "one", held, moved)
    files = len(list((tmp_path / "one").glob("*.safetensors")))
    assert len(told) - saved == len(TENSORS) + files > len(TENSORS) + 1, "files are hashed before"
    assert all(torch.equal(held[name], tensor) for name, tensor in TENSORS.items())


def test_who_listens_is_told_once_in_a_while() -> None:
    reading, writing = os.pipe()
    moved = moving(Teller(writing), 3)
    for _ in range(20):
        moved()
    os.close(writing)
    first, *others = lines_of(bytearray(os.read(reading, 1 << 16)))
    os.close(reading)
    assert (first.word, first.whole("rank")) == ("moved", 3) and len(others) < 19
