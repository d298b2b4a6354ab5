"""One ring of the bell: claim the job, run its body, commit how it ended."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, nullcontext
from dataclasses import replace
from functools import partial

from db import code, inputs, jobs, plans, states
from db.engine import Database
from db.jobs import Claim, Ending, Note
from db.store import ArtifactStore
from errors import ArtifactDamaged, InvalidInput, LeaseLost, RanksLost, StateDamaged
from settings.home import Home
from settings.queue import QueueSettings
from tasks.context import Finished, Yielded
from tasks.fixed_state import FixedState
from tasks.kind import JobResult, Spec, threads_of
from tasks.memory import Memory
from tasks.memory_limits import MemoryLimits
from tasks.registry import AnyKind, kind_named, versions
from workers import deadlines, retries
from workers.attempt import AttemptContext, describe, metric_points, notes
from workers.environment import attempt_environment, release_device_memory
from workers.gathering import CalledGang, Gatherings
from workers.heartbeat import Member
from workers.job_log import job_log
from workers.taking import Taking

logger = logging.getLogger("baton.worker")

#: Paths named in one statement; SQLite binds at most 32,766 values.
_REDONE_AT_ONCE = 10_000


class Executor:
    """Runs attempts, one at a time, for one worker process."""

    def __init__(
        self,
        home: Home,
        database: Database,
        store: ArtifactStore,
        settings: QueueSettings,
        member: Member,
        kind_of: Callable[[str], AnyKind] = kind_named,
    ) -> None:
        self._home = home
        self._database = database
        self._store = store
        self._settings = settings
        self._member = member
        self._kind_of = kind_of
        self._versions = versions()
        self._memory: Memory = {}
        self._gatherings = Gatherings(database, store, settings, member, kind_of, self._memory)
        self._state = FixedState()
        self._told: set[tuple[int, str]] = set()
        self._taking = Taking(
            database, settings, member, kind_of, self._versions, self._make_room, self._gatherings.attend
        )
        #: Whether the last attempt left something ready to be rung, whether it failed, and whether it ended in order.
        self.released = False
        self.failed = False
        self.went_well = False

    def run(self, job_id: int) -> str:
        """Returns how it ended, in a few words for Flower. Only bugs raise.

        The first of the member's `to_come` is claimed where this one succeeds: run that next, or call `leave`.
        """
        self.released = self.failed = self.went_well = False
        if self._member.stop.reason is not None:
            return "worker is stopping"
        taken = self._taking.take(job_id)
        if isinstance(taken, str):
            return taken
        claim, must_end_at = taken
        logger.debug("%s: attempt %d starts at step %d", claim.label, claim.lease_token, claim.step)
        try:
            with job_log(self._home, claim.job_id, claim.lease_token), ExitStack() as cleanup:
                outcome = self._attempt(claim, must_end_at, cleanup)
        except LeaseLost as error:
            logger.warning("%s", error)
            outcome = "fenced"
        logger.info("%s: attempt %d: %s", claim.label, claim.lease_token, outcome)
        return outcome

    def leave(self, job_ids: Sequence[int]) -> None:
        """Jobs of a message that this worker does not begin are ready again."""
        self._taking.leave(job_ids)

    def _make_room(self) -> None:
        """What jobs left in memory goes."""
        self._memory.clear()
        release_device_memory()

    def _attempt(self, claim: Claim, must_end_at: float | None, cleanup: ExitStack) -> str:
        kind = self._kind_of(claim.kind)
        unreadable, spec, limits = None, Spec(), MemoryLimits()
        try:
            limits = MemoryLimits.of_row(claim.learned)
            spec = limits.told(kind.spec_of(claim.spec))
            if claim.ranks not in (None, spec.processes):  # machines that were lost are missing
                spec = spec.divided_over(claim.ranks)
        except InvalidInput as error:
            unreadable = error
        context = AttemptContext(
            self._database,
            self._store,
            claim,
            spec,
            limits,
            cleanup,
            self._memory,
            self._member.stop,
            deadlines.slice_end(time.monotonic(), spec.time_slice),
            must_end_at,
            environment=partial(self._environment, kind, spec, max(1, len(claim.nodes))),
            unsaved=self._member.unsaved,
        )
        if claim.nodes:
            context.gang = CalledGang(self._database, claim, cleanup)
        try:
            self._member.begin(claim, context)
            if unreadable is not None:
                raise unreadable
            context.take_up()
            context.spend("load", context.seconds.took)
            code.admit(self._database, claim.spec)
            context.stage = "imports"
            body = kind.load_body()  # imports what the body needs, which is then settled too
            self._state.establish(threads_of(spec))
            context.stage = (
                "loads" if claim.target_steps > 1 else None
            )  # short bodies say nothing of themselves
            ended = body(context)
            # A short body books nothing itself: all it did was its work.
            context.book_rest("useful")
            outcome = self._commit(claim, context, ended)
            self.went_well = True
            return outcome
        except (LeaseLost, StateDamaged):  # the latter costs no try: it could not be written down either
            raise
        except ArtifactDamaged as error:
            self._memory.clear()
            context.book_rest("load")
            return self._redo(claim, context, error)
        except Exception as error:
            logger.exception("%s failed", claim.label)
            context.book_rest("replayed")
            return self._failed(claim, context, error)
        finally:
            self._member.end()

    def _commit(
        self, claim: Claim, context: AttemptContext[Spec], ended: Finished[JobResult] | Yielded
    ) -> str:
        now = time.time()
        environment = context.environment()
        if isinstance(ended, Yielded):
            outcome = retries.outcome_of_stop(ended.reason)
            ending = Ending(
                outcome,
                context.step,
                ended.reason,
                seconds=context.seconds,
                save_seconds=context.save_seconds,
                environment=environment,
            )
            if outcome == states.CANCELLED:
                jobs.end(self._database, claim, ending, now)
            else:
                jobs.give_back(self._database, claim, ending, now)
                self.released = True
            return f"{outcome} at step {context.step}"
        with self._store.publication() if ended.artifacts else nullcontext():
            ending = Ending(
                states.SUCCEEDED,
                claim.target_steps if ended.step is None else ended.step,
                artifacts=context.store(ended.artifacts),
                metrics=metric_points(ended.points),
                result=ended.result.row(),
                seconds=context.seconds,
                save_seconds=context.save_seconds,
                notes=notes(ended.notes),
                environment=environment,
            )
            plan = ended.plan
            also = plans.planned_by(claim.job_id, plan, now) if isinstance(plan, plans.Plan) else None
            released = self._taking.succeed(claim, ending, also)
            self.released = released > 0 or also is not None
        return states.SUCCEEDED

    def _environment(self, kind: AnyKind, spec: Spec, nodes: int) -> dict[str, object]:
        here = attempt_environment(self._member.device, threads_of(spec))
        ranks = {"ranks": spec.processes} if spec.processes > 1 else {}
        if nodes > 1:
            ranks["nodes"] = nodes
        return {**here, "body": kind.version, **ranks}

    def _environment_if_known(
        self, claim: Claim, context: AttemptContext[Spec]
    ) -> Mapping[str, object] | None:
        """What keeps it from being told may be what made the attempt fail, which has to be told."""
        try:
            return context.environment()
        except Exception:
            logger.exception("%s: what it ran on cannot be told", claim.label)
            return None

    def _redo(self, claim: Claim, context: AttemptContext[Spec], error: ArtifactDamaged) -> str:
        """What it was to read is damaged: whoever made it makes it again, and this job waits for that."""
        ending = Ending(
            states.YIELDED,
            claim.step,
            str(error),
            seconds=context.seconds,
            environment=context.environment(),
        )
        # A bundle leaves behind what nobody needed then: all of that is made again at once, not one by one.
        paths = dict.fromkeys(row.path for row in inputs.stated(self._database, claim.job_id))
        missing = self._store.absent(paths)[:_REDONE_AT_ONCE]
        damaged = [error.path] if error.path in paths and error.path not in missing else []
        redone = jobs.redo_inputs(
            self._database,
            claim,
            ending,
            damaged,
            missing,
            self._settings.max_failures,
            time.time(),
            self._versions,
        )
        self.released = bool(redone)
        logger.warning("%s: %s", claim.label, error)
        return f"input damaged, made again by {', '.join(redone) or 'another job'}"

    def _failed(self, claim: Claim, context: AttemptContext[Spec], error: Exception) -> str:
        self._memory.clear()  # whatever it left behind may be half-made
        ending = Ending(
            states.FAILED,
            context.step,
            describe(error),
            environment=self._environment_if_known(claim, context),
            seconds=context.seconds,
        )
        if retries.unreadable(error):
            self._store.distrust()  # what cannot be read counts as damaged after a few looks, so look
        if retries.machine_fault(error):
            reason, told = self._told_of_machine(claim, error)
            ending = replace(ending, outcome=states.PREEMPTED, reason=reason, notes=told)
            self._give_back(claim, ending, self._settings.retry_seconds)
        elif retries.out_of_memory(error):
            release_device_memory()
            fewer = context.memory_limits.halved(context.spec.samples_at_once, context.step)
            ending = replace(ending, outcome=states.OOM, learned=None if fewer is None else fewer.row())
            self._retry_or_end(claim, ending, error)
        else:
            if isinstance(error, RanksLost):
                ending = replace(ending, outcome=states.LOST)
            self._retry_or_end(claim, ending, error)
        return f"{ending.outcome}: {ending.reason}"

    def _told_of_machine(self, claim: Claim, error: Exception) -> tuple[str, Sequence[Note]]:
        """Reason and notes of an attempt that the machine failed; an event the first time a job meets that here."""
        short = retries.shortage(error)
        reason = describe(error) if short is None else f"this machine is short of {short} ({describe(error)})"
        if (claim.job_id, reason) in self._told:
            return reason, ()
        self._told.add((claim.job_id, reason))
        said = f"{claim.label}: {reason}; tried again until the machine can, and no try is spent"
        return reason, [Note("machine_fault", said)]

    def _retry_or_end(self, claim: Claim, ending: Ending, error: Exception) -> None:
        self.failed = True
        losses = claim.losses if ending.step <= claim.step else 0
        after = retries.after_failure(error, claim.failures, losses, self._settings)
        if ending.learned is not None:
            self._give_back(claim, ending, 0.0)
        elif after.final:
            jobs.end(self._database, claim, replace(ending, outcome=states.FAILED), time.time())
        else:
            self._give_back(claim, ending, after.wait_seconds)

    def _give_back(self, claim: Claim, ending: Ending, wait_seconds: float) -> None:
        jobs.give_back(self._database, claim, ending, time.time(), wait_seconds=wait_seconds)
