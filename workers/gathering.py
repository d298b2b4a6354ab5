"""Attempts that several machines compute: what the one with the lease tells the others, and what those do.

A worker that has come for such a job and is the first of its machine waits until the attempt runs, then does its
machine's part as long as the state says that the attempt goes on. It holds no lease and writes no facts. Where it
cannot ask the state for as long as a lease lasts, it takes the attempt for ended: whoever can ask may have taken the
job up.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Generic, TypeVar

from db import inputs as state_inputs
from db.engine import Database
from db.jobs import Claim, gathering
from db.jobs.gathering import Summons, Word
from db.rows import FileRow
from db.store import ArtifactStore
from errors import ArtifactDamaged
from settings.json_values import Json, JsonObject
from settings.queue import QueueSettings
from settings.typed_json import Items, Whole, from_json, to_json
from tasks.context import LEAVES, UNABLE, InputFile, Node
from tasks.kind import S, Spec
from tasks.memory import Memory
from tasks.registry import AnyKind
from workers.attempt import describe
from workers.heartbeat import Member

logger = logging.getLogger("baton.worker")

#: Between two questions to the state: until the attempt runs, and while it does.
_WAIT_SECONDS, _RUNS_SECONDS = 0.2, 1.0

V = TypeVar("V")


class _Asking(Generic[V]):
    """Asks again and again in a thread of its own: over a connection that was cut a state is silent for minutes."""

    def __init__(self, ask: Callable[[], V], first: V) -> None:
        self._ask = ask
        self.answer = first
        self._answered = time.monotonic()
        self._ended = threading.Event()
        threading.Thread(target=self._go_on, name="gathering", daemon=True).start()

    @property
    def silent_seconds(self) -> float:
        """Since the state last answered."""
        return time.monotonic() - self._answered

    def end(self) -> None:
        self._ended.set()

    def _go_on(self) -> None:
        while not self._ended.wait(_RUNS_SECONDS):
            asked = time.monotonic()
            try:
                self.answer = self._ask()
            except Exception as error:
                logger.warning("an attempt of several machines: the state does not answer: %s", error)
            else:
                self._answered = asked


@dataclass(frozen=True)
class _ToldNode:
    worker_id: Whole
    address: str
    devices: Items[str]


@dataclass(frozen=True)
class _Told:
    """What is told of the machines of an attempt, beside what its kind says."""

    nodes: Items[_ToldNode]

    def row(self) -> dict[str, Json]:
        plain = to_json(self)
        assert isinstance(plain, dict)
        return plain


def _told(values: JsonObject) -> _Told:
    return from_json(_Told, values, "what the first machine of an attempt told")


class CalledGang:
    """Implements `tasks.context.Gang`, of a claim. cleanup: of the attempt."""

    def __init__(self, database: Database, claim: Claim, cleanup: ExitStack) -> None:
        self._database, self._claim, self._cleanup = database, claim, cleanup
        self.name = f"{claim.job_id}-{claim.lease_token}"
        self.nodes: Sequence[Node] = [Node(node.address, node.devices) for node in claim.nodes]
        self._asking: _Asking[list[Word]] | None = None

    def call(self, told: JsonObject) -> None:
        nodes = _Told(
            tuple(_ToldNode(node.worker_id, node.address, node.devices) for node in self._claim.nodes)
        )
        gathering.call(self._database, self._claim, {**told, **nodes.row()})
        self._asking = _Asking(partial(gathering.words, self._database, self._claim), [])
        self._cleanup.callback(self._asking.end)

    def words(self) -> Iterator[JsonObject | None]:
        for word in [] if self._asking is None else self._asking.answer:
            if word.told is not None or not word.there:
                yield word.told


class PartContext(Generic[S]):
    """Implements `tasks.context.ElsewhereContext`."""

    def __init__(
        self,
        database: Database,
        store: ArtifactStore,
        member: Member,
        settings: QueueSettings,
        job_id: int,
        summons: Summons,
        spec: S,
        number: int,
        memory: Memory,
        cleanup: ExitStack,
    ) -> None:
        assert summons.told is not None
        self._database, self._store, self._member, self._settings = database, store, member, settings
        self._job_id, self._lease_token, self._cleanup = job_id, summons.lease_token, cleanup
        self.spec, self.number, self.memory, self.told = spec, number, memory, summons.told
        self.name = f"{job_id}-{summons.lease_token}"
        self._left_at: float | None = None
        own = _told(summons.told).nodes[number]
        self.node = Node(own.address, own.devices)
        ask = partial(gathering.summons, database, job_id, member.id)
        self._asking = _Asking[Summons | None](ask, summons)
        cleanup.callback(self._asking.end)

    @cached_property
    def inputs(self) -> Sequence[InputFile]:
        return [self._file(row.role, row) for row in state_inputs.needed(self._database, self._job_id)]

    def checkpoint(self, step: int) -> Sequence[InputFile]:
        rows = [row for row in state_inputs.own(self._database, self._job_id) if row.step == step]
        if not rows:
            raise ArtifactDamaged(f"no files of a checkpoint of step {step}", "")
        return [self._file("resume", row) for row in rows]

    @cached_property
    def scratch(self) -> Path:
        return self._cleanup.enter_context(self._store.scratch(f"{self.name}-{self._member.id}"))

    def is_over(self) -> bool:
        found = self._asking.answer
        ended = found is None or found.lease_token != self._lease_token
        if ended or self._asking.silent_seconds > self._settings.lease_seconds:
            return True
        return self._member.stop.reason is not None and self._leaves()

    def _leaves(self) -> bool:
        """Have the attempt save and end. Returns whether there is no more time for that."""
        now = time.monotonic()
        if self._left_at is None:
            self._left_at = now
            tell = partial(self.tell, {LEAVES: True})
            threading.Thread(target=tell, name="gathering", daemon=True).start()
        return now - self._left_at > self._settings.notice_seconds

    def tell(self, why: JsonObject) -> None:
        try:
            gathering.tell(self._database, self._job_id, self._lease_token, self._member.id, why)
        except Exception as error:  # whoever waits for the word finds this machine silent
            logger.warning("%s: %s", self.name, error)

    def _file(self, role: str, row: FileRow) -> InputFile:
        path = self._store.verified(row.path, row.sha256)
        return InputFile(role, row.kind, row.name, path, row.path, row.sha256, row.step)


class Gatherings:
    """Takes part for one worker."""

    def __init__(
        self,
        database: Database,
        store: ArtifactStore,
        settings: QueueSettings,
        member: Member,
        kind_of: Callable[[str], AnyKind],
        memory: Memory,
    ) -> None:
        self._database, self._store, self._member = database, store, member
        self._settings, self._kind_of, self._memory = settings, kind_of, memory

    def attend(self, job_id: int) -> str | None:
        """Of a job that this worker came for: how its machine's part of the attempt ended, once it has; None where it
        has none to do."""
        if not gathering.starts_ranks(self._database, job_id, self._member.id):
            return None
        summons = self._awaited(job_id)
        if summons is None:
            return None
        with ExitStack() as cleanup:
            return self._take_part(job_id, summons, cleanup)

    def _awaited(self, job_id: int) -> Summons | None:
        """What this machine is told; None where the attempt does not begin, or this worker leaves."""
        while True:
            summons = gathering.summons(self._database, job_id, self._member.id)
            if summons is None or self._member.stop.reason is not None:
                return None
            if summons.told is not None:
                return summons
            time.sleep(_WAIT_SECONDS)

    def _take_part(self, job_id: int, summons: Summons, cleanup: ExitStack) -> str | None:
        told = gathering.job_of(self._database, job_id)
        try:
            number = self._number(summons)
            if number is None:
                return None
            kind = self._kind_of(told.kind)
            spec: Spec = kind.spec_of(told.spec)
            context = PartContext(
                self._database, self._store, self._member, self._settings, job_id, summons, spec, number,
                self._memory, cleanup,
            )  # fmt: skip
            body = kind.load_elsewhere()
        except Exception as error:
            self._tell_unable(job_id, summons.lease_token, error)
            return self._failed(told.label, summons.lease_token)
        logger.info("%s: attempt %d: ranks of this machine begin", told.label, summons.lease_token)
        try:
            body(context)
        except Exception:  # what it has to say of that it told
            return self._failed(told.label, summons.lease_token)
        return "its part of an attempt has ended"

    def _number(self, summons: Summons) -> int | None:
        """Which of the attempt's machines this one is; None where it is none of those that begin."""
        assert summons.told is not None
        workers = [node.worker_id for node in _told(summons.told).nodes]
        mine = self._member.id
        return workers.index(mine) if mine in workers[1:] else None

    def _tell_unable(self, job_id: int, lease_token: int, why: Exception) -> None:
        told = {UNABLE: f"{self._member.name}: {describe(why)}"}
        try:
            gathering.tell(self._database, job_id, lease_token, self._member.id, told)
        except Exception as error:  # whoever waits for the word finds this machine silent
            logger.warning("an attempt of several machines: %s", error)

    @staticmethod
    def _failed(label: str, lease_token: int) -> str:
        """Of the exception that is handled."""
        logger.exception("%s: attempt %d: the part of this machine failed", label, lease_token)
        return "its part of an attempt failed"
