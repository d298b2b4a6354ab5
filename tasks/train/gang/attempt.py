"""An attempt of a job that trains over several devices: what starts the ranks, watches them and publishes what they
write.

This process holds the lease and no model. The ranks are gone when it returns, so that every slice loads its
checkpoint again: what a slice ends for finds the devices' memory free, and no rank outlives what watches it.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Literal

import torch

from errors import ConfigError, EnvironmentLacks, RanksLost
from tasks.context import LEAVES, Draft, Finished, Note, Point, TaskContext, Yielded
from tasks.results import TrainResult
from tasks.specs import TrainSpec
from tasks.train import validation
from tasks.train.gang.elsewhere import error_of
from tasks.train.gang.meeting import serving
from tasks.train.gang.order import Order, as_measured, as_read, linked
from tasks.train.gang.processes import Group, started
from tasks.train.gang.pulse import Pulses
from tasks.train.gang.watch import Watch
from tasks.train.gang.words import CHECKPOINT, STEPPING, STOP, Line
from tasks.train.state import WEIGHTS, forget

#: How long to wait for a line before should_stop is asked and ranks are looked after.
_LOOK_SECONDS = 0.05
#: Until the ranks have met: torch is imported by all of them at once, from a cold disk.
_STARTING_SECONDS = 600.0
#: The same where other machines fetch what they read first.
_GATHERING_SECONDS = 3600.0
#: Between two questions to the state, whether other machines ended their part.
_OTHERS_SECONDS = 1.0
#: After a rank told an error, or its work was done, for the others to tell theirs and go.
_LAST_WORDS_SECONDS = 10.0


def run(context: TaskContext[TrainSpec]) -> Finished[TrainResult] | Yielded:
    """Publishes `checkpoint` artifacts: the files of a sharded checkpoint on the way, all of one step together, and the
    weights as one file at the end."""
    began = time.perf_counter()
    settings = context.spec.training
    if settings.devices > 1 and settings.over != "ranks":
        raise ConfigError(
            f"training.devices is {settings.devices}, and this job was planned by a build that held a copy of the "
            "model on each device: end it with that build, or submit its ablation again"
        )
    gang = context.gang
    each = settings.devices if gang is None else settings.devices // len(gang.nodes)
    device = _device_kind(context.devices, each)
    _make_room(context)
    order = Order(
        spec=context.spec.row(),
        inputs=tuple(as_read(file) for file in context.inputs),
        resume=linked(context.resume, context.scratch) if context.resume else None,
        step=context.step,
        micro_batch=context.memory_limits.micro_batch,
        measured=() if settings.early_stopping is None else as_measured(validation.history(context)),
        folder=str(context.scratch.absolute()),
        ranks=settings.devices,
        device=device,
        each=each,
    )
    with (
        ThreadPoolExecutor(1, thread_name_prefix="checkpoint") as publisher,
        _started(order, context) as group,
    ):
        return _Attempt(context, group, publisher, began).run()


@contextmanager
def _started(order: Order, context: TaskContext[TrainSpec]) -> Iterator[Group]:
    """The ranks of this machine; those of others are told where to meet them."""
    gang, path, devices = context.gang, context.scratch.absolute() / "order.json", context.devices
    if gang is None:
        order.write(path)
        with started(path, order.each, devices) as group:
            yield group
        return
    with serving(gang.name, len(gang.nodes), gang.nodes[0]) as meeting:
        order = replace(order, meets=meeting.endpoint)
        order.write(path)
        with started(path, order.each, devices[: order.each], meeting) as group:
            gang.call({"order": order.told(), "resumes": order.resume is not None})
            yield group


def _device_kind(devices: Sequence[str], count: int) -> Literal["cpu", "cuda"]:
    """Ranks of workers with GPUs have one each; those of workers without share the job's threads."""
    if len(devices) >= count:
        return "cuda"
    if not torch.cuda.is_available():
        return "cpu"
    if count > torch.cuda.device_count():
        raise EnvironmentLacks(
            f"training.devices is {count}, and this worker has {torch.cuda.device_count()}: start it with"
            " CUDA_VISIBLE_DEVICES naming as many"
        )
    return "cuda"


def _make_room(context: TaskContext[TrainSpec]) -> None:
    """Models that earlier jobs left in this process lie where the ranks need the memory."""
    forget(context.memory)
    if torch.cuda.is_initialized():
        context.memory.clear()
        gc.collect()
        torch.cuda.empty_cache()


class _Attempt:
    """Relays what the ranks say, and asks them for checkpoints and for the end of the slice."""

    def __init__(
        self, context: TaskContext[TrainSpec], group: Group, publisher: ThreadPoolExecutor, began: float
    ) -> None:
        self._context, self._group, self._publisher = context, group, publisher
        self._settings = context.spec.training
        self._watch = Watch(
            time.monotonic(), _STARTING_SECONDS if context.gang is None else _GATHERING_SECONDS
        )
        self._pulses = Pulses(group.launcher)
        self._asked_others, self._others_leave = 0.0, False
        self._began = self._saved_at = began
        self._loaded = False
        self._step = context.step
        self._points: list[Point] = []
        self._notes: list[Note] = []
        self._publication: Future[None] | None = None
        self._asked_checkpoint = False
        self._reason: str | None = None

    def run(self) -> Finished[TrainResult] | Yielded:
        try:
            while True:
                for line in self._group.lines(_LOOK_SECONDS):
                    if (ended := self._hear(line)) is not None:
                        return ended
                if self._group.ended or self._group.failure_told:
                    raise self._why()
                self._look_after_others()
                if (pulses := self._pulses.felt(self._watch.is_worried)) is not None:
                    self._watch.feel(pulses)
                if (sentence := self._watch.look(time.monotonic())) is not None:
                    raise RanksLost(sentence)
                self._published(wait=False)
                if self._reason is None and (reason := self._stops()):
                    self._reason = reason
                    if not self._unsaved:
                        return Yielded(reason)
                    self._group.ask(STOP)
                self._ask_for_checkpoint()
        except BaseException:
            self._group.log()
            raise

    def _stops(self) -> str | None:
        return self._context.should_stop() or ("preempted" if self._others_leave else None)

    def _look_after_others(self) -> None:
        """Raises why another machine ended its part, and hears whether one will. A state that does not answer says
        nothing."""
        gang, now = self._context.gang, time.monotonic()
        if gang is None or now - self._asked_others < _OTHERS_SECONDS:
            return
        self._asked_others = now
        for told in gang.words():
            if told is None or told.get(LEAVES) is not True:
                raise error_of(told)
            self._others_leave = True

    @property
    def _unsaved(self) -> bool:
        """Whether ranks are further than what is published."""
        return self._step > self._context.step or self._publication is not None

    def _hear(self, line: Line) -> Finished[TrainResult] | Yielded | None:
        """What follows of a line; not None: how the attempt ends."""
        word = line.word
        if word == "stage":
            self._watch.stage(line.text("stage"), line.number("bound"))
            if line.text("stage") == STEPPING and not self._loaded:
                self._loaded = True
                self._saved_at = time.perf_counter()
                self._context.spend("load", self._saved_at - self._began)
        elif word == "step":
            self._stepped(line)
        elif word == "measured":
            self._spend_steps(line.number("seconds"))
        elif word == "points":
            self._points += line.points
        elif word == "note":
            self._notes.append(line.note)
        elif word == "ranks":
            self._watch.ranks(line.whole("ranks"))
        elif word == "alive":
            self._watch.alive(line.whole("rank"))
        elif word == "moved":
            self._watch.moved(line.whole("rank"))
        elif word == "saving":
            self._watch.saving(line.number("bound"))
        elif word == "saved":
            self._watch.saved()
            self._publish(line)
        elif word == "stopped":
            self._context.spend("checkpoint", line.number("seconds"))
            self._published(wait=True)
            return Yielded(self._reason or "stopped")
        elif word == "finished":
            return self._finished(line)
        return None

    def _stepped(self, line: Line) -> None:
        self._step, seconds = line.whole("step"), line.number("seconds")
        waited, blocked = line.number("waited"), line.number("blocked")
        self._watch.step(seconds + waited + blocked)
        self._spend_steps(seconds)
        for bucket, wait in (("idle", waited), ("checkpoint", blocked)):
            if wait:
                self._context.spend(bucket, wait)
        self._context.report_progress(self._step, self._settings.steps, line.losses)

    def _spend_steps(self, seconds: float) -> None:
        self._context.spend("replayed" if self._step <= self._context.reached else "useful", seconds)

    def _ask_for_checkpoint(self) -> None:
        """Where one is due and the one before is published: they do not pile up."""
        due = time.perf_counter() - self._saved_at >= self._settings.checkpoint_seconds
        busy = self._asked_checkpoint or self._publication is not None or self._reason is not None
        if due and not busy and self._step > self._context.step:
            self._asked_checkpoint = True
            self._group.ask(CHECKPOINT)

    def _publish(self, line: Line) -> None:
        step, folder, took = line.whole("step"), Path(line.text("folder")), line.number("seconds")
        self._published(wait=True)
        points = [point for point in self._points if point.step <= step]
        self._points = [point for point in self._points if point.step > step]
        self._asked_checkpoint = False

        def publish() -> None:
            began = time.perf_counter()
            drafts = [Draft("checkpoint", file.name, file, final=False) for file in sorted(folder.iterdir())]
            self._context.publish(step, drafts, points)
            self._context.report_save(took + time.perf_counter() - began)
            folder.rmdir()

        self._publication = self._publisher.submit(publish)
        self._saved_at = time.perf_counter()

    def _published(self, *, wait: bool) -> None:
        """Raises what a publication raised that is over; wait: one that is under way too."""
        if self._publication is not None and (wait or self._publication.done()):
            publication, self._publication = self._publication, None
            publication.result()

    def _finished(self, line: Line) -> Finished[TrainResult]:
        self._published(wait=True)
        self._context.spend("checkpoint", line.number("seconds"))
        step, file = line.whole("step"), Path(line.text("file"))
        return Finished(
            [Draft("checkpoint", WEIGHTS, file)],
            self._points,
            result=TrainResult(steps=step, overflowed_steps=None),
            step=step,
            notes=self._notes,
        )

    def _why(self) -> Exception:
        """What a rank raised. Others may have more to tell, and a checkpoint that is whole counts."""
        give_up = time.monotonic() + _LAST_WORDS_SECONDS
        while not self._group.ended and not self._group.failure_told and time.monotonic() < give_up:
            self._group.next(_LOOK_SECONDS)
        self._published(wait=True)
        error = self._group.error()
        if self._context.gang is not None and isinstance(error, RanksLost):
            while time.monotonic() < give_up:  # it follows from what happened elsewhere, maybe
                self._look_after_others()
                time.sleep(_LOOK_SECONDS)
        return error
