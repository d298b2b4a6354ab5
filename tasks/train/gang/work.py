"""What one rank of an attempt does: load its part of the model, steps until it is told to stop, checkpoints, the end.

All ranks do the same things in the same order, as whatever gathers parameters has to be called by all of them. The
first rank alone hears the attempt and speaks to it; what it heard reaches the others with the losses of a step.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Protocol

import torch
import torch.distributed as dist
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh

from models.beginning import all_files, beginning, write_made
from models.randomness import weight_seed
from models.recipe import Recipe, recipe_of
from models.reconvla import ReconVLA
from models.sharded_checkpoint import MANIFEST, together
from models.sharding import write_gathered
from models.weight_files import open_file
from settings.json_values import Json
from settings.regular import is_there
from tasks.context import Note, Point, one_input
from tasks.data.index_reader import Index, load_index
from tasks.fixed_state import FixedState
from tasks.kind import threads_of
from tasks.registry import TRAIN
from tasks.specs import TrainSpec
from tasks.train import validation
from tasks.train.batches import Counted, micro_batch_at, prepare_own
from tasks.train.gang.order import Order, read_order
from tasks.train.gang.room import can_keep_gathered, prepare_memory, state_bytes
from tasks.train.gang.saving import ShardWriter
from tasks.train.gang.words import ENDING, GO_ON, LOADING, MEASURING, SAVING, STEPPING, STOP, Teller
from tasks.train.prefetch import Prefetcher
from tasks.train.sharded import (
    ShardedState,
    measured,
    resume,
    resume_of_one,
    sharded_state,
    sharded_step,
)
from tasks.train.state import OPTIMIZER, WEIGHTS
from tasks.train.stopping import Stopping

WEIGHTS_FILE = "weights.safetensors"

#: torch waits so long for other ranks; the attempt, which watches them, is sooner.
_GROUP_TIMEOUT = timedelta(hours=12)
#: Seconds for whatever is no step: to begin with, and for each byte, as a slow disk or network needs.
_LEAST_SECONDS, _BYTES_PER_SECOND = 120.0, 50e6
#: And for what depends on the batch or the frames: a first step, and measuring.
_FIRST_STEP_SECONDS, _MEASURING_SECONDS = 900.0, 3600.0
#: Threads that compose pictures while GPUs compute, of all ranks together, and steps whose input may wait.
_COMPOSERS, _AHEAD = 16, 2


class Hears(Protocol):
    def now(self) -> int: ...


def work(path: Path, teller: Teller, hears: Hears | None, moved: Callable[[], object]) -> None:
    """Of this process, whose rank is in the environment. hears: what the attempt asks for; None but for the first.
    moved: called as bytes are read or written."""
    order = read_order(path)
    spec = TRAIN.spec_of(order.spec)
    assert isinstance(spec, TrainSpec)
    rank, here = int(os.environ["RANK"]), int(os.environ["LOCAL_RANK"])
    FixedState().establish(
        threads_of(spec) if order.device == "cuda" else max(1, threads_of(spec) // order.ranks)
    )
    device = torch.device("cpu")
    if order.device == "cuda":
        device = torch.device("cuda", here)
        torch.cuda.set_device(device)
    dist.init_process_group(
        "cuda:nccl,cpu:gloo" if order.device == "cuda" else "gloo",
        store=_store(order),
        rank=rank,
        world_size=order.ranks,
        timeout=_GROUP_TIMEOUT,
    )
    mesh = init_device_mesh(order.device, (order.ranks,))
    _Work(order, spec, mesh, device, teller if dist.get_rank() == 0 else None, hears, moved).run()


def _store(order: Order) -> dist.Store:
    """Where ranks find each other."""
    if order.meets is None:
        return dist.FileStore(str(Path(order.folder) / "ranks"), order.ranks)
    address, _, port = order.meets.rpartition(":")
    store = dist.TCPStore(address, int(port), is_master=False, timeout=_GROUP_TIMEOUT)
    return dist.PrefixStore("ranks", store)


@dataclass
class _InTraining:
    """`tasks.train.validation.InTraining`."""

    recipe: Recipe
    validation: Index | None
    model: ReconVLA
    device: torch.device
    step: int


class _Work:
    """The steps of one slice."""

    def __init__(
        self,
        order: Order,
        spec: TrainSpec,
        mesh: DeviceMesh,
        device: torch.device,
        teller: Teller | None,
        hears: Hears | None,
        moved: Callable[[], object],
    ) -> None:
        self._order, self._spec, self._settings = order, spec, spec.training
        self._folder, self._teller, self._hears, self._moved = Path(order.folder), teller, hears, moved
        self._inputs = tuple(file.input_file() for file in order.inputs)
        self._recipe = recipe_of(spec.model)
        self._stage(LOADING)
        self._index = self._opened("index")
        held_out = any(file.role == "validation" for file in self._inputs)
        self._validation = self._opened("validation") if held_out else None
        prepare_memory(self._recipe.config)
        self._stopping = Stopping(self._settings, order.history())
        self._blocked = self._awaited = 0.0  # by a save: between the steps, and in the one under way
        self._state = self._loaded(mesh, device)
        self._writer = ShardWriter(self._state, _GROUP_TIMEOUT, order.each)
        # Ranks gather together. Where a micro-batch did not fit before, nothing is risked.
        has_room = not order.micro_batch and can_keep_gathered(spec, device)
        self._keeps = all(together(lambda: has_room))

    def run(self) -> None:
        state, settings, ranks = self._state, self._settings, self._order.ranks
        rank, pinned = state.mesh.get_local_rank(), state.device.type == "cuda"
        most = settings.largest_micro_batch

        def make(step: int) -> list[Counted]:
            size = micro_batch_at(step, most, self._order.micro_batch)
            return prepare_own(
                self._recipe, self._index, self._spec, step, size, rank, ranks, pinned=pinned, pool=pool
            )

        with (
            ThreadPoolExecutor(max(1, _COMPOSERS // ranks)) if pinned else nullcontext() as pool,
            Prefetcher(make, state.step, settings.steps, _AHEAD if pinned else 0) as ahead,
        ):
            self._stage(STEPPING)
            while state.step < settings.steps:
                asked = self._step(ahead)
                note = self._enough() if state.step < settings.steps else None
                if note is not None:
                    self._finish([note])
                    return
                self._writer.check()
                if asked != GO_ON and state.step < settings.steps:
                    began = time.perf_counter()
                    self._save()
                    if asked == STOP:
                        self._await_saved()
                        self._say("stopped", seconds=time.perf_counter() - began)
                        return
                    self._blocked += time.perf_counter() - began
            self._finish(self._stopping.never())

    def _step(self, ahead: Prefetcher[list[Counted]]) -> int:
        """One step, and what is measured of it. Returns what the attempt asks for."""
        state, settings = self._state, self._settings
        state.word = GO_ON if self._hears is None else self._hears.now()
        began = time.perf_counter()
        own = ahead.get(state.step)
        waited = time.perf_counter() - began if ahead.ahead else 0.0
        keep = self._keeps and len(own) > 1
        losses = sharded_step(state, settings, own, self._await_copy, keep_gathered=keep)
        told: dict[str, Json] = dict(losses)
        seconds = time.perf_counter() - began - waited - self._awaited
        blocked, self._blocked, self._awaited = self._blocked + self._awaited, 0.0, 0.0
        self._say("step", step=state.step, losses=told, seconds=seconds, waited=waited, blocked=blocked)
        if state.step % settings.log_every_steps == 0 or state.step == settings.steps:
            self._tell([Point(f"loss/{name}", state.step, value) for name, value in losses.items()])
        wanted = settings.open_loop
        if wanted is not None and state.step % wanted.every_steps == 0:
            with self._measuring() as model:
                self._tell(validation.open_loop(model, wanted.frames, settings.precision))
        return state.word

    def _enough(self) -> Note | None:
        """As early stopping decides; what the first rank measured counts, should a rank's device differ."""
        asked = self._settings.early_stopping
        if asked is None or not self._stopping.due(self._state.step):
            return None
        with self._measuring() as model:
            mine = validation.evaluate(model, asked)
        found, *_ = together(lambda: mine)
        self._tell(validation.points_of(found))
        return self._stopping.take(found)

    @contextmanager
    def _measuring(self) -> Iterator[_InTraining]:
        state, began = self._state, time.perf_counter()
        self._stage(MEASURING)
        with measured(state, self._settings.precision) as model:
            yield _InTraining(self._recipe, self._validation, model, state.device, state.step)
        self._say("measured", seconds=time.perf_counter() - began)
        self._stage(STEPPING)

    def _save(self) -> None:
        """Begin to save the state as it is now."""
        folder = self._folder / f"checkpoint-{self._state.step}"

        def saved(step: int, seconds: float) -> None:
            self._say("saved", step=step, folder=str(folder), seconds=seconds)

        self._await_saved()
        self._say("saving", step=self._state.step, bound=self._seconds_to_move())
        self._writer.begin(folder, saved)

    def _await_copy(self) -> None:
        began = time.perf_counter()
        self._writer.await_copy()
        self._awaited = time.perf_counter() - began

    def _await_saved(self) -> None:
        """Until the save under way is whole; an Exception that any rank had there is raised by all."""
        if self._writer.busy:
            self._stage(SAVING)
        self._writer.finish()
        self._stage(STEPPING)

    def _finish(self, notes: Sequence[Note]) -> None:
        began = time.perf_counter()
        self._await_saved()
        self._stage(ENDING)
        file = self._folder / WEIGHTS_FILE
        write_gathered(self._state.model, file, self._moved)
        if self._teller is not None:
            self._teller.notes(notes)
        self._say("finished", step=self._state.step, file=str(file), seconds=time.perf_counter() - began)

    def _opened(self, role: str) -> Index:
        vision, jpeg = self._recipe.config.vision, self._recipe.config.official_compat
        return load_index(self._inputs, vision.image_size, role, {}, jpeg, vision.resample)

    def _loaded(self, mesh: DeviceMesh, device: torch.device) -> ShardedState:
        order, config, moved = self._order, self._recipe.config, self._moved
        if order.resume is not None:
            folder = Path(order.resume)
            if is_there(folder / MANIFEST):
                state = sharded_state(config, None, self._settings, mesh, device, order.resume, moved)
                resume(state, folder)
            else:
                weights = open_file(folder / WEIGHTS)
                state = sharded_state(config, weights, self._settings, mesh, device, order.resume, moved)
                resume_of_one(state, open_file(folder / OPTIMIZER), order.step)
            return state
        starts = any(file.role == "init" for file in self._inputs)
        init = one_input(self._inputs, "init", "weights").path if starts else None
        begin = beginning(self._recipe, self._spec.model, init)
        seed = weight_seed(self._spec.seed)
        is_first_here = dist.get_rank() % order.each == 0
        together(
            lambda: write_made(self._recipe, begin, seed, self._folder, moved) if is_first_here else None
        )
        weights = all_files(begin, self._folder)
        return sharded_state(config, weights, self._settings, mesh, device, begin.source, moved)

    def _stage(self, name: str) -> None:
        """Tell what is done now, and how long it may take at most."""
        others = {MEASURING: _MEASURING_SECONDS, STEPPING: _FIRST_STEP_SECONDS}
        self._say("stage", stage=name, bound=others.get(name) or self._seconds_to_move())

    def _seconds_to_move(self) -> float:
        """All of the state, at most."""
        return _LEAST_SECONDS + state_bytes(self._recipe.config) / _BYTES_PER_SECOND

    def _tell(self, points: Sequence[Point]) -> None:
        if self._teller is not None:
            self._teller.points(points)

    def _say(self, word: str, **values: Json) -> None:
        if self._teller is not None:
            self._teller.say(word, **values)
