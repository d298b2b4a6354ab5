"""Checkpoints that training hardly notices: a copy in memory, written and published by a thread.

The loop is blocked for the copy alone. Writing, hashing and syncing release Python's lock, so training goes
on beside them. One write at a time: a checkpoint that falls due meanwhile waits for a later step.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from tasks.context import Draft, Point, TaskContext

#: safetensors' names of types, in the order in which it lays them out (safetensors, tensor.rs: `Dtype`).
_TYPES = {
    torch.int64: "I64", torch.float64: "F64", torch.float32: "F32", torch.int32: "I32", torch.bfloat16: "BF16",
    torch.float16: "F16", torch.int8: "I8", torch.uint8: "U8", torch.bool: "BOOL",
}  # fmt: skip
_RANK = {dtype: rank for rank, dtype in enumerate(_TYPES)}


class Snapshot:
    """Copies of named tensors in host memory, in buffers that are used again by the next snapshot."""

    def __init__(self) -> None:
        self._buffers: dict[str, Tensor] = {}

    def take(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """`tensors` as they are now. The copies are overwritten by the next `take`."""
        for name in self._buffers.keys() - tensors.keys():
            del self._buffers[name]
        for name, tensor in tensors.items():
            held = self._buffers.get(name)
            if held is None or held.shape != tensor.shape or held.dtype != tensor.dtype:
                self._buffers[name] = torch.empty(
                    tensor.shape, dtype=tensor.dtype, pin_memory=tensor.device.type == "cuda"
                )
        ordered = list(tensors)
        with torch.no_grad():
            torch._foreach_copy_(
                [self._buffers[name] for name in ordered], [tensors[name].detach() for name in ordered]
            )
        return {name: self._buffers[name] for name in ordered}


@dataclass
class _Write:
    step: int
    files: Mapping[str, Mapping[str, Tensor]]  # artifact name -> tensors
    points: Sequence[Point]


class CheckpointWriter:
    """Publishes checkpoints of one attempt. Use as a context manager: no thread outlives the attempt."""

    def __init__(self, context: TaskContext, snapshot: Snapshot) -> None:
        self._context = context
        self._snapshot = snapshot
        self._thread: threading.Thread | None = None
        self._error: BaseException | None = None
        #: SHA-256 of the first file of the checkpoint last published by this writer.
        self.published: str | None = None

    def __enter__(self) -> CheckpointWriter:
        return self

    def __exit__(self, *_: object) -> None:
        if self._thread is not None:
            self._thread.join()

    @property
    def busy(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    def begin(
        self, step: int, files: Mapping[str, Mapping[str, Tensor]], points: Sequence[Point], *, wait: bool
    ) -> None:
        """Copy now, publish beside, or before returning (`wait`).

        files: artifact name -> tensors by name. Raises what this write or the one before it raised
        (LeaseLost, a full disk).
        """
        self.finish()
        began = time.perf_counter()
        flat = {f"{file}\0{name}": tensor for file, named in files.items() for name, tensor in named.items()}
        copies = self._snapshot.take(flat)
        write = _Write(
            step,
            {file: {name: copies[f"{file}\0{name}"] for name in named} for file, named in files.items()},
            list(points),
        )
        if wait:
            self._publish(write, began)
        else:
            self._thread = threading.Thread(
                target=self._run, args=(write, began), name="checkpoint", daemon=True
            )
            self._thread.start()
        self._raise()

    def finish(self) -> None:
        """Wait for the write under way. Raises what it raised."""
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        self._raise()

    def check(self) -> None:
        """Raise what the last write raised, without waiting for one under way."""
        if not self.busy:
            self.finish()

    def _raise(self) -> None:
        if self._error is not None:
            error, self._error = self._error, None
            raise error

    def _run(self, write: _Write, began: float) -> None:
        try:
            self._publish(write, began)
        except BaseException as error:  # handed to the loop, which raises it at its next step
            self._error = error

    def _publish(self, write: _Write, began: float) -> None:
        drafts = []
        for name, tensors in write.files.items():
            file = self._context.scratch / f"{name}-{write.step}.safetensors"
            write_tensors(file, tensors)
            drafts.append(Draft("checkpoint", name, file, final=False))
        digests = self._context.publish(write.step, drafts, write.points)
        self._context.report_save(time.perf_counter() - began)
        self.published = digests[next(iter(write.files))]


def write_tensors(file: Path, tensors: Mapping[str, Tensor]) -> None:
    """A safetensors file of contiguous host tensors: the bytes `safetensors.torch.save` gives, without its copies.

    The bytes depend on names, shapes, types and values only. Not synced: the store does that.
    """
    order = sorted(tensors, key=lambda name: (_RANK[tensors[name].dtype], name))
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    end = 0
    for name in order:
        tensor, begin = tensors[name], end
        end += tensor.numel() * tensor.element_size()
        header[name] = {
            "dtype": _TYPES[tensor.dtype],
            "shape": list(tensor.shape),
            "data_offsets": [begin, end],
        }
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    with file.open("wb") as stream:
        stream.write(len(text).to_bytes(8, "little") + text)
        for name in order:
            if tensors[name].numel():
                stream.write(tensors[name].reshape(-1).view(torch.uint8).numpy().data)
