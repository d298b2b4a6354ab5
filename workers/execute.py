"""One ring of the bell: claim the job, run its body, commit how it ended."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

from db import jobs, states
from db.engine import Database
from db.jobs import Claim, Ending, Seconds
from db.store import ArtifactStore
from errors import LeaseLost
from settings.queue import QueueSettings
from tasks.context import Result, TaskContext, Yielded
from tasks.registry import body_of
from workers import policy
from workers.attempt import AttemptContext, describe, metric_points
from workers.environment import attempt_environment
from workers.member import Member

logger = logging.getLogger("baton.worker")


class Executor:
    """Runs attempts, one at a time, for one worker process."""

    def __init__(
        self,
        database: Database,
        store: ArtifactStore,
        settings: QueueSettings,
        member: Member,
        body_for: Callable[[str], Callable[[TaskContext], Result]] = body_of,
    ) -> None:
        self._database = database
        self._store = store
        self._settings = settings
        self._member = member
        self._body_for = body_for
        self._memory: dict[str, Any] = {}
        #: Whether the last attempt left something ready to be rung, and whether it failed.
        self.released = False
        self.failed = False

    def run(self, job_id: int) -> str:
        """Returns how it ended, in a few words for Flower. Only bugs raise."""
        self.released = self.failed = False
        if self._member.stop.reason is not None:
            return "worker is stopping"
        claim = jobs.claim(self._database, job_id, self._member.id, self._settings.lease_seconds, time.time())
        if claim is None:
            return "already taken"
        logger.debug("%s: attempt %d starts at step %d", claim.label, claim.lease_token, claim.step)
        try:
            with ExitStack() as cleanup:
                outcome = self._attempt(claim, cleanup)
        except LeaseLost as error:
            logger.warning("%s", error)
            outcome = "fenced"
        logger.info("%s: attempt %d: %s", claim.label, claim.lease_token, outcome)
        return outcome

    def _attempt(self, claim: Claim, cleanup: ExitStack) -> str:
        now = time.time()
        slice_ends_at = policy.slice_end(now, claim.spec.get("slice_seconds"))
        must_end_at = policy.latest_end(self._member.deadline, self._settings.deadline_margin_seconds)
        if must_end_at is not None and must_end_at <= now:
            jobs.give_back(
                self._database, claim, Ending(states.PREEMPTED, claim.step, "deadline"), now,
                not_before=must_end_at + self._settings.deadline_margin_seconds,
            )  # fmt: skip
            return "no time left before the deadline"
        context: AttemptContext | None = None
        try:
            context = AttemptContext(
                self._database,
                self._store,
                claim,
                cleanup,
                self._memory,
                self._member.stop,
                slice_ends_at,
                must_end_at,
            )
            self._member.begin(claim, context)
            started = time.perf_counter()
            result = self._body_for(claim.kind)(context)
            booked = sum(vars(context.seconds).values())
            # A short body books nothing: all it did was its work.
            rest = "idle" if booked else "useful"
            context.spend(rest, max(0.0, time.perf_counter() - started - booked))
            return self._commit(claim, context, result)
        except LeaseLost:
            raise
        except Exception as error:
            logger.exception("%s failed", claim.label)
            self._memory.clear()  # whatever it left behind may be half-made
            return self._failed(claim, context, error)
        finally:
            self._member.end()

    def _commit(self, claim: Claim, context: AttemptContext, result: Result) -> str:
        now = time.time()
        environment = attempt_environment(self._member.device)
        if isinstance(result, Yielded):
            outcome = policy.outcome_of_stop(result.reason)
            ending = Ending(
                outcome, context.step, result.reason, seconds=context.seconds, environment=environment
            )
            if outcome == states.CANCELLED:
                jobs.end(self._database, claim, ending, now)
            else:
                jobs.give_back(self._database, claim, ending, now)
                self.released = True
            return f"{outcome} at step {context.step}"
        ending = Ending(
            states.SUCCEEDED,
            claim.target_steps,
            artifacts=context.store(result.artifacts),
            metrics=metric_points(result.points),
            result=result.result,
            seconds=context.seconds,
            environment=environment,
        )
        self.released = jobs.succeed(self._database, claim, ending, time.time()) > 0
        return states.SUCCEEDED

    def _failed(self, claim: Claim, context: AttemptContext | None, error: Exception) -> str:
        self.failed = True
        now = time.time()
        step = context.step if context is not None else claim.step
        losses = claim.losses if step <= claim.step else 0
        after = policy.after_failure(error, claim.failures, losses, self._settings)
        oom = policy.out_of_memory(error)
        ending = Ending(
            states.OOM if oom else states.FAILED,
            step,
            describe(error),
            environment=attempt_environment(self._member.device),
            seconds=context.seconds if context is not None else Seconds(),
        )
        if after.final:
            jobs.end(self._database, claim, replace(ending, outcome=states.FAILED), now)
        else:
            jobs.give_back(self._database, claim, ending, now, not_before=now + after.wait_seconds)
        return f"{ending.outcome}: {ending.reason}"
