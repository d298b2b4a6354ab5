"""Checkpoints that training hardly notices: a thread copies, writes and publishes the state.

Forward and backward passes only read what a checkpoint holds, so the copy is made beside them; the loop waits
for what is left of it before it changes anything (`await_copy`). Writing, hashing and syncing then go on
beside the following steps, as they release Python's lock. One write at a time: a checkpoint that falls due
meanwhile waits for a later step.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

import torch
from torch import Tensor

from models.weights import write_weights
from tasks.context import Draft, Point, TaskContext
from tasks.kind import Spec

#: (artifact, tensor), by their names.
_Place = tuple[str, str]
T = TypeVar("T")


class Snapshot:
    """Copies of named tensors in host memory, in buffers that are used again by the next snapshot."""

    def __init__(self) -> None:
        self._buffers: dict[_Place, Tensor] = {}

    def take(self, tensors: Mapping[_Place, Tensor]) -> dict[_Place, Tensor]:
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


class Beside:
    """A thread that copies what is to be written, and writes the copies beside the work; one at a time. As a context
    manager it outlives nothing."""

    def __init__(self) -> None:
        self._thread: threading.Thread | None = None
        self._error: BaseException | None = None
        self._copied = threading.Event()
        self._copied.set()

    def __enter__(self) -> Beside:
        return self

    def __exit__(self, *_: object) -> None:
        if self._thread is not None:
            self._thread.join()

    @property
    def busy(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    def start(self, copy: Callable[[], T], write: Callable[[T], object], *, wait: bool) -> None:
        """Copy and write beside the work, or before returning (`wait`). What is copied may change after `await_copy`.
        Raises what this or the one before it raised."""
        self.finish()
        self._copied.clear()
        if wait:
            self._run(copy, write)
            self._raise()
            return
        self._thread = threading.Thread(target=self._run, args=(copy, write), name="checkpoint", daemon=True)
        self._thread.start()

    def await_copy(self) -> None:
        """Returns once what the write under way copies may change."""
        self._copied.wait()

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

    def _run(self, copy: Callable[[], T], write: Callable[[T], object]) -> None:
        try:
            copies = copy()
            self._copied.set()
            write(copies)
        except BaseException as error:  # handed to the loop, which raises it at its next step
            self._error = error
        finally:
            self._copied.set()


class CheckpointWriter(Beside):
    """Publishes checkpoints of one attempt."""

    def __init__(self, context: TaskContext[Spec], snapshot: Snapshot) -> None:
        super().__init__()
        self._context = context
        self._snapshot = snapshot
        #: SHA-256 of the first file of the checkpoint last published by this writer.
        self.published: str | None = None

    def __enter__(self) -> CheckpointWriter:
        return self

    def begin(
        self, step: int, files: Mapping[str, Mapping[str, Tensor]], points: Sequence[Point], *, wait: bool
    ) -> None:
        """Publish the state as it is now: beside the work, or before returning (`wait`).

        files: artifact name -> tensors by name; `await_copy` before they change. Raises what this write or the
        one before it raised (LeaseLost, a full disk).
        """
        self.finish()
        began, now = time.perf_counter(), list(points)

        def copy() -> dict[_Place, Tensor]:
            return self._snapshot.take(
                {(file, name): tensor for file, named in files.items() for name, tensor in named.items()}
            )

        def write(copies: Mapping[_Place, Tensor]) -> None:
            drafts = []
            for file, named in files.items():
                path = self._context.scratch / f"{file}-{step}.safetensors"
                write_weights({name: copies[file, name] for name in named}, path)
                drafts.append(Draft("checkpoint", file, path, final=False))
            digests = self._context.publish(step, drafts, now)
            self._context.report_save(time.perf_counter() - began)
            self.published = digests[next(iter(files))]

        self.start(copy, write, wait=wait)
