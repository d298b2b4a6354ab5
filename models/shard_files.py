"""The files that one rank writes of a sharded checkpoint, as torch's own writer for safetensors would write them.

That one makes each file's bytes beside the tensors, twice and under Python's lock, which steps beside it wait for; here
they go to the disk as they lie in memory, and are hashed on the way.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from torch.distributed.checkpoint import HuggingFaceStorageWriter
from torch.distributed.checkpoint.planner import SavePlan, SavePlanner, WriteItem
from torch.futures import Future

from models.weights import write_weights

#: Entries of a header that torch's reader looks for, and what it calls a file.
OFFSETS, _VERSION = "DCP_SHARDING_INFO", {"DCP_VERSION": "1.0"}
_NAME = "shard-{rank:05d}-model-{number:05d}-of-{numbers:05d}.safetensors"


class ShardFiles(HuggingFaceStorageWriter):
    """numbers: which of a rank's files, from 1 on, a tensor goes to. moved: called as bytes are written. written:
    (bytes, SHA-256) of this rank's files."""

    def __init__(self, folder: Path, numbers: Mapping[str, int], moved: Callable[[], object]) -> None:
        super().__init__(str(folder), dict(numbers), save_distributed=True)
        self._folder, self._numbers, self._moved = folder, numbers, moved
        self.written: dict[str, tuple[int, str]] = {}

    def write_data(self, plan: SavePlan, planner: SavePlanner) -> Future[Any]:
        by_file: dict[int, list[WriteItem]] = {}
        for item in plan.items:
            by_file.setdefault(self._numbers[item.index.fqn], []).append(item)
        for number, items in sorted(by_file.items()):
            name = _NAME.format(
                rank=plan.storage_data["shard_index"], number=number, numbers=max(self._numbers.values())
            )
            self.written[name] = self._write(self._folder / name, items, planner)
        done: Future[Any] = Future()
        done.set_result([])  # nothing is made of what others are told
        return done

    def _write(self, path: Path, items: list[WriteItem], planner: SavePlanner) -> tuple[int, str]:
        tensors: dict[str, Any] = {item.index.fqn: planner.resolve_data(item) for item in items}
        offsets = {
            item.index.fqn: {"saved_offsets": list(item.tensor_data.chunk.offsets)}
            for item in items
            if item.tensor_data is not None
        }
        digest = hashlib.sha256()

        def seen(data: bytes | memoryview) -> None:
            digest.update(data)
            self._moved()

        write_weights(tensors, path, header={OFFSETS: json.dumps(offsets), **_VERSION}, seen=seen)
        return path.stat().st_size, digest.hexdigest()
