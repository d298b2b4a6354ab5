"""How a worker comes to hold a job: by its bell, or with the end of the job that it had before."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence

from db import builds, jobs, timings
from db.engine import Database
from db.jobs import Bid, Claim, Ending, gangs
from db.states import PREEMPTED
from db.values import Versions
from errors import BatonError, LeaseLost
from settings.clock import steady
from settings.queue import QueueSettings
from tasks.devices import visible
from tasks.kind import Spec
from tasks.registry import AnyKind
from workers import deadlines
from workers.heartbeat import Member

logger = logging.getLogger("baton.worker")

#: A job, and when its attempt must have ended, as `settings.clock.steady` tells it.
Taken = tuple[Claim, "float | None"]


class Taking:
    """The jobs of one message are ended and claimed hand over hand: a transaction each instead of two.

    A job that was claimed so is the next that `take` is asked for; else `leave` puts it back.
    """

    def __init__(
        self,
        database: Database,
        settings: QueueSettings,
        member: Member,
        kind_of: Callable[[str], AnyKind],
        versions: Versions,
        make_room: Callable[[], object],
        attend: Callable[[int], str | None],
    ) -> None:
        """make_room: called before this worker's device is another's part of a job of several. attend: what is done for
        an attempt that another worker holds (`workers.gathering`); how that ended, None where nothing is to be done."""
        self._database = database
        self._settings = settings
        self._member = member
        self._kind_of = kind_of
        self._versions = versions
        self._make_room = make_room
        self._attend = attend
        self._ahead: Taken | None = None

    def take(self, job_id: int) -> Taken | str:
        """The job, claimed for this worker; or why not."""
        if self._ahead is not None and self._ahead[0].job_id == job_id:
            taken, self._ahead = self._ahead, None
            return taken
        must_end_at = None
        if self._member.ends_at is not None:
            must_end_at = self._latest_end(job_id, self._member.ends_at)
            if must_end_at is None:
                return "no time left before the deadline"
        claim = jobs.claim(
            self._database, job_id, self._member.id, self._settings.lease_seconds, time.time(), self._versions
        )
        if claim is None and gangs.is_called(self._database, job_id, self._member.id):
            claim = self._come(job_id)
            if claim is None:
                waits = "set aside, until the other workers of the job have come and it has ended"
                return self._attend(job_id) or waits
        if claim is None:
            return "planned by another build" if builds.is_queued(self._database, job_id) else "already taken"
        return claim, must_end_at

    def succeed(self, held: Claim, ending: Ending, also: jobs.Also | None) -> int:
        """As `jobs.succeed`; the first job that is to come is claimed with it, unless this worker must stop."""
        next_id = next(iter(self._member.to_come), None)
        must_end_at = None
        if next_id is not None and self._member.ends_at is not None:
            must_end_at = self._latest_end(next_id, self._member.ends_at)
            next_id = None if must_end_at is None else next_id
        if next_id is None or self._member.stop.reason is not None:
            return jobs.succeed(self._database, held, ending, time.time(), also)
        bid = Bid(next_id, self._settings.lease_seconds, self._versions)
        released, ahead = jobs.succeed_and_claim(self._database, held, ending, time.time(), bid, also)
        self._ahead = None if ahead is None else (ahead, must_end_at)
        return released

    def leave(self, job_ids: Sequence[int]) -> None:
        """Jobs of a message that this worker does not begin are ready again."""
        ahead, self._ahead = self._ahead, None
        if ahead is not None:
            claim, _ = ahead
            unbegun = Ending(PREEMPTED, claim.step, "its worker was told to stop before it began")
            try:
                jobs.give_back(self._database, claim, unbegun, time.time())
            except LeaseLost as error:
                logger.warning("%s", error)
        jobs.unring(self._database, job_ids)

    def _come(self, job_id: int) -> Claim | None:
        """This worker's device is for a job of several. None where another of its workers is to hold it."""
        self._make_room()
        return gangs.come(
            self._database,
            job_id,
            self._member.id,
            visible(self._member.device),
            self._settings.lease_seconds,
            time.time(),
            self._versions,
        )

    def _latest_end(self, job_id: int, deadline: float) -> float | None:
        """None when the job could not progress in time: it stays queued for whoever has more."""
        waiting = timings.waiting(self._database, job_id)
        if waiting is None:
            return None
        try:
            spec = self._kind_of(waiting.kind).spec_of(waiting.spec)
        except BatonError:  # it fails as soon as it begins, and says why
            spec = Spec()
        return deadlines.latest_end(steady(), deadline, spec, waiting.timing, self._settings)
