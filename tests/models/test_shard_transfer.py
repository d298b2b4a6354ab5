"""Files that come from ranks of other machines: as they were written, or both sides say what failed and none waits."""

from __future__ import annotations

import hashlib
import queue
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from torch import Tensor

from errors import CheckpointError
from models import shard_transfer
from models.shard_transfer import receive_files, send_files
from settings import files

CONTENTS = {"a": bytes(range(256)) * 9, "b": b"", "c": b"x"}
WRITTEN = {name: (len(content), hashlib.sha256(content).hexdigest()) for name, content in CONTENTS.items()}


@pytest.fixture
def carried(monkeypatch: pytest.MonkeyPatch) -> queue.Queue[Tensor]:
    """Blocks that are under way from rank 3 to rank 0."""
    blocks: queue.Queue[Tensor] = queue.Queue()

    def send(block: Tensor, rank: int, _group: Any) -> None:
        assert rank == 0
        blocks.put(block.clone())

    def receive(block: Tensor, rank: int, _group: Any) -> None:
        assert rank == 3
        block.copy_(blocks.get(timeout=5))

    monkeypatch.setattr(shard_transfer.dist, "send", send)
    monkeypatch.setattr(shard_transfer.dist, "recv", receive)
    monkeypatch.setattr(shard_transfer, "BLOCK_BYTES", 1000)
    return blocks


def both(here: Path, there: Path) -> list[Exception | None]:
    """What rank 3, which sends, and rank 0 end with."""
    ended: list[Exception | None] = [None, None]

    def side(number: int, work: Callable[[], None]) -> None:
        try:
            work()
        except Exception as error:
            ended[number] = error

    sides = [
        threading.Thread(target=side, args=(0, lambda: send_files(here, WRITTEN, None))),
        threading.Thread(target=side, args=(1, lambda: receive_files(there, 3, WRITTEN, None))),
    ]
    for one in sides:
        one.start()
    for one in sides:
        one.join(10)
        assert not one.is_alive()
    return ended


@pytest.fixture
def places(tmp_path: Path) -> tuple[Path, Path]:
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    there.mkdir()
    for name, content in CONTENTS.items():
        (here / name).write_bytes(content)
    return here, there


def test_they_arrive_as_they_were_written(places: tuple[Path, Path], carried: queue.Queue[Tensor]) -> None:
    assert both(*places) == [None, None] and carried.empty()
    assert {path.name: path.read_bytes() for path in places[1].iterdir()} == CONTENTS


def test_what_cannot_be_read_or_was_cut_is_said_on_both_sides(
    places: tuple[Path, Path], carried: queue.Queue[Tensor]
) -> None:
    here, there = places
    (here / "c").unlink()
    (here / "a").write_bytes(CONTENTS["a"][:-1])
    sent, received = both(here, there)
    assert isinstance(sent, FileNotFoundError) and isinstance(received, CheckpointError) and carried.empty()
    assert str(received) == "a did not arrive as rank 3 wrote it"


def test_what_cannot_be_written_is_taken_to_its_end(
    places: tuple[Path, Path], carried: queue.Queue[Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files, "whole", full)
    sent, received = both(*places)
    assert sent is None and isinstance(received, OSError) and received.errno == 28 and carried.empty()
