"""Any order of rings, claims, checkpoints, ends, losses, late zombies and clock jumps keeps the invariants.

The machine plays broker (a bag of bells that are lost, doubled and delayed), workers (each with attempts it
may go on with long after they were taken away) and scheduler against a real database.
"""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import select

from db import jobs, plans
from db.engine import Database
from db.jobs import Claim, Ending, Seconds, StoredArtifact
from db.migrate import open_state
from db.plans import Plan
from db.schema import Ablation, Artifact
from db.states import BLOCKED, CANCELLED, FAILED, MOVES, OOM, QUEUED, READY, RUNNING, SUCCEEDED, YIELDED
from errors import IllegalMove, LeaseLost
from settings.home import Home
from tests.postgres import empty
from tests.support import LEASE_SECONDS, NOW, lease_of, planned, rows, worker

pytestmark = pytest.mark.slow

MAX_LOSSES = MAX_FAILURES = 3
TARGET = 6

PLAN = Plan(
    "ablation", "ablation", {},
    (
        planned("ingest", target_steps=TARGET),
        planned("gaze", ["ingest"], target_steps=TARGET),
        planned("pretrain", resource="accelerator", target_steps=TARGET),
        planned("train", ["gaze", "pretrain"], resource="accelerator", target_steps=TARGET),
        planned("report", ["train", "gaze"], target_steps=TARGET),
    ),
)  # fmt: skip
NEEDS = {entry.key: [need.key for need in entry.needs] for entry in PLAN.jobs}

#: For choosing one of a list whose length is not known when the strategy is made.
PLACE = st.integers(0, 1_000_000)


#: Each change of a job's state, also those within one transaction.
RECORD_MOVES = """
CREATE TABLE moved (was TEXT, became TEXT);
CREATE TRIGGER record_moves AFTER UPDATE OF state ON job WHEN OLD.state <> NEW.state
BEGIN INSERT INTO moved VALUES (OLD.state, NEW.state); END;
"""
LEGAL = {(was, became) for sources, targets in MOVES.values() for was in sources for became in targets}


@pytest.fixture(scope="module")
def _empty_state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = Home(tmp_path_factory.mktemp("template"))
    home.create()
    open_state(home).close()
    connection = sqlite3.connect(home.state_db)
    connection.executescript(RECORD_MOVES)
    connection.close()
    return home.state_db


class Queue(RuleBasedStateMachine):
    template: Path

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="baton-machine-"))
        self.db = self.open()
        self.now = NOW
        self.workers = [worker(self.db, f"worker {number}") for number in range(3)]
        plans.submit(self.db, PLAN, "submit", self.now)
        self.ids = {entry.label: entry.id for entry in rows(self.db)}
        self.bells: list[int] = []
        self.claims: list[Claim] = []  # every attempt ever begun: each may act again at any time
        self.holder: dict[int, Claim] = {}
        self.steps = dict.fromkeys(self.ids.values(), 0)
        self.tokens = dict.fromkeys(self.ids.values(), 0)
        self.failures = dict.fromkeys(self.ids.values(), 0)
        self.losses = dict.fromkeys(self.ids.values(), 0)
        self.facts: dict[tuple[int, int], str] = {}
        self.succeeded: set[int] = set()
        self.cancelling: set[int] = set()

    def open(self) -> Database:
        """A state without rows."""
        shutil.copy(self.template, self.folder / "state.db")
        return Database(self.folder / "state.db")

    def teardown(self) -> None:
        try:
            self._everything_still_ends()
            self._no_move_was_illegal()
        finally:
            self.db.close()
            shutil.rmtree(self.folder)

    # --- scheduler and broker

    @rule(resource=st.sampled_from(["cpu", "accelerator"]), limit=st.integers(1, 4), arrives=st.booleans())
    def ring(self, resource: str, limit: int, arrives: bool) -> None:
        rung = jobs.ring(self.db, resource, limit, self.now)
        if arrives:
            self.bells += [entry.id for entry in rung]

    @rule(
        fault=st.sampled_from(["a stray bell", "a lost queue", "an early return"]),
        label=st.sampled_from(list(NEEDS)),
    )
    def the_broker_errs(self, fault: str, label: str) -> None:
        if fault == "a stray bell":
            self.bells.append(self.ids[label])
        elif fault == "a lost queue":
            self.bells.clear()
        else:
            jobs.unring(self.db, [self.ids[label]])

    @rule()
    def reconcile(self) -> None:
        jobs.unring(self.db, [entry.id for entry in jobs.queued(self.db) if entry.id not in self.bells])

    @precondition(lambda self: self.claims)
    @rule(place=PLACE)
    def take_back(self, place: int) -> None:
        """Also of leases that a slow second scheduler believes to be held still."""
        claim = self.claims[place % len(self.claims)]
        taken = jobs.take_back(self.db, [lease_of(claim)], "gone", MAX_LOSSES, self.now)
        assert bool(taken) == (self.holder.get(claim.job_id) is claim)
        if taken:
            del self.holder[claim.job_id]
            self.tokens[claim.job_id] += 1
            self.losses[claim.job_id] += 1
            if claim.job_id in self.cancelling:
                assert taken[0].state == CANCELLED
            else:
                assert (taken[0].state == FAILED) == (self.losses[claim.job_id] >= MAX_LOSSES)
            self.cancelling.discard(claim.job_id)

    @rule(who=st.integers(0, 2))
    def a_worker_is_told_to_leave(self, who: int) -> None:
        held = [claim for claim in self.holder.values() if claim.worker_id == self.workers[who]]
        assert jobs.put_back(self.db, [self.workers[who]], "told to leave", self.now) == len(held)
        for claim in held:
            del self.holder[claim.job_id]
            self.tokens[claim.job_id] += 1
            assert (self._state(claim.job_id) == CANCELLED) == (claim.job_id in self.cancelling)
            self.cancelling.discard(claim.job_id)

    @rule()
    def submit_again(self) -> None:
        again = {entry.id for entry in rows(self.db) if entry.state in (FAILED, CANCELLED)}
        submitted = plans.submit(self.db, PLAN, "submit", self.now)
        assert submitted.jobs_added == 0
        assert {entry.state for entry in rows(self.db) if entry.id in again} <= {READY, BLOCKED}
        for job_id in again:
            self.failures[job_id] = self.losses[job_id] = 0
        self.cancelling.clear()

    # --- people, and disks

    @rule(what=st.sampled_from([jobs.pause, jobs.unpause]), label=st.sampled_from([None, *NEEDS]))
    def people_hold_back(self, what: Callable[..., object], label: str | None) -> None:
        target = self._target(label)
        cancelled = self._state(target.id) == CANCELLED if label else self._intents()["ablation"] == CANCELLED
        if cancelled:
            with pytest.raises(IllegalMove, match="was cancelled"):
                what(self.db, target, self.now)
        else:
            what(self.db, target, self.now)

    @rule(label=st.sampled_from([None, *NEEDS]))
    def people_cancel(self, label: str | None) -> None:
        before = {entry.id: entry.state for entry in rows(self.db)}
        jobs.cancel(self.db, self._target(label), self.now)
        chosen = [self.ids[label]] if label else list(self.ids.values())
        self.cancelling.update(job_id for job_id in chosen if before[job_id] == RUNNING)

    @rule(label=st.sampled_from([None, *NEEDS]))
    def people_retry(self, label: str | None) -> None:
        wanted = set(NEEDS) if label is None else self._closure(label)
        again = {
            entry.id
            for entry in rows(self.db)
            if entry.label in wanted and entry.state in (FAILED, CANCELLED)
        }
        assert jobs.retry(self.db, self._target(label), self.now).jobs == len(again)
        for job_id in again:
            self.failures[job_id] = self.losses[job_id] = 0
        self.cancelling.difference_update(self.ids[name] for name in wanted)

    @precondition(lambda self: any(claim.label != "ingest" for claim in self.holder.values()))
    @rule(place=PLACE)
    def an_input_is_damaged(self, place: int) -> None:
        """A running job finds what it needs damaged: that is made again, and nobody else starts without it."""
        readers = [claim for claim in self.holder.values() if NEEDS[claim.label]]
        if not readers:
            return
        claim = readers[place % len(readers)]
        producer = self.ids[NEEDS[claim.label][0]]
        path = f"artifacts/{self.facts.get((producer, TARGET), 'none')}"
        redone = jobs.redo_inputs(
            self.db, claim, Ending(YIELDED, claim.step, "damaged"), [path], [], MAX_FAILURES, self.now
        )
        assert len(redone) == (producer in self.succeeded)
        del self.holder[claim.job_id]
        self.cancelling.discard(claim.job_id)
        self.facts.pop((producer, TARGET), None)
        if redone:
            self.succeeded.discard(producer)
            self.failures[producer] += 1
            self.steps[producer] = max((step for job_id, step in self.facts if job_id == producer), default=0)

    def _target(self, label: str | None) -> jobs.Target:
        return jobs.Target("job", self.ids[label], label) if label else jobs.Target("ablation", 1, "ablation")

    def _closure(self, label: str) -> set[str]:
        return {label}.union(*(self._closure(need) for need in NEEDS[label]))

    def _intents(self) -> dict[str, str]:
        with self.db.read() as tx:
            return dict(tx.execute(select(Ablation.key, Ablation.intent)).all())

    @rule(seconds=st.sampled_from([-86_400.0, -1.0, 0.5, 40.0, 1e6]))
    def clock_jumps(self, seconds: float) -> None:
        self.now += seconds

    @rule()
    def waits_end(self) -> None:
        jobs.end_wait(self.db, [(entry.id, entry.lease_token) for entry in jobs.outlook(self.db).waiting])

    # --- workers

    @precondition(lambda self: self.bells)
    @rule(place=PLACE, who=st.integers(0, 2), delivered_again=st.booleans())
    def answer(self, place: int, who: int, delivered_again: bool) -> None:
        position = place % len(self.bells)
        job_id = self.bells[position]
        if not delivered_again:
            del self.bells[position]
        state = self._state(job_id)
        claim = jobs.claim(self.db, job_id, self.workers[who], LEASE_SECONDS, self.now)
        assert (claim is not None) == (state == QUEUED)
        if claim is not None:
            assert job_id not in self.holder
            self.tokens[job_id] += 1
            assert claim.lease_token == self.tokens[job_id]
            assert claim.step == self.steps[job_id]
            self.claims.append(claim)
            self.holder[job_id] = claim

    @rule(
        begin=st.booleans(),
        who=st.integers(0, 2),
        do=st.sampled_from(["heartbeat", "checkpoint", "give_back", "end", "succeed"]),
        place=PLACE,
        how=PLACE,
    )
    def an_attempt_acts(self, begin: bool, who: int, do: str, place: int, how: int) -> None:
        """Perhaps a new attempt begins; then any that ever began acts, whether it still holds its job or not."""
        if begin or not self.claims:
            for resource in ("cpu", "accelerator"):
                self.ring(resource, 4, arrives=True)
            if self.bells:
                self.answer(0, who, delivered_again=False)
        if self.claims:
            getattr(self, f"_{do}")(place, how)

    def _heartbeat(self, place: int, _how: int) -> None:
        self._act(
            place, lambda claim: jobs.extend_lease(self.db, claim, LEASE_SECONDS, 0, Seconds(), self.now)
        )

    def _checkpoint(self, place: int, how: int) -> None:
        claim = self.claims[place % len(self.claims)]
        step = min(TARGET, self.steps[claim.job_id] + 1 + how % 3)
        file = self._file(claim, step)
        if self._act(place, lambda held: jobs.publish(self.db, held, step, [file], [], Seconds(), self.now)):
            self.steps[claim.job_id] = step
            self.losses[claim.job_id] = 0
            self.facts[claim.job_id, step] = file.sha256

    def _give_back(self, place: int, how: int) -> None:
        claim = self.claims[place % len(self.claims)]
        step, outcome = self.steps[claim.job_id], (YIELDED, "preempted", OOM, FAILED)[how % 4]
        ending, wait = Ending(outcome, step, outcome), how % 2 * 60.0
        if self._act(place, lambda held: jobs.give_back(self.db, held, ending, self.now, wait_seconds=wait)):
            del self.holder[claim.job_id]
            if step > claim.step:
                self.losses[claim.job_id] = 0
            self.failures[claim.job_id] += outcome == FAILED
            self.losses[claim.job_id] += outcome == OOM
            if claim.job_id in self.cancelling:
                assert self._state(claim.job_id) == CANCELLED
                self.cancelling.discard(claim.job_id)

    def _end(self, place: int, how: int) -> None:
        claim = self.claims[place % len(self.claims)]
        outcome = (FAILED, CANCELLED)[how % 2]
        ending = Ending(outcome, self.steps[claim.job_id], outcome)
        revoked = outcome == CANCELLED and claim.job_id not in self.cancelling
        if self._act(place, lambda held: jobs.end(self.db, held, ending, self.now)):
            del self.holder[claim.job_id]
            self.failures[claim.job_id] += outcome == FAILED
            assert self._state(claim.job_id) in ((READY, BLOCKED) if revoked else (outcome,))
            if revoked and ending.step > claim.step:
                self.losses[claim.job_id] = 0
            self.cancelling.discard(claim.job_id)

    def _succeed(self, place: int, _how: int) -> None:
        claim = self.claims[place % len(self.claims)]
        file = self._file(claim, TARGET)
        ending = Ending(SUCCEEDED, TARGET, artifacts=[file], result={"token": claim.lease_token})
        if self._act(place, lambda held: jobs.succeed(self.db, held, ending, self.now)):
            del self.holder[claim.job_id]
            self.steps[claim.job_id] = TARGET
            self.facts[claim.job_id, TARGET] = file.sha256
            self.succeeded.add(claim.job_id)
            self.cancelling.discard(claim.job_id)

    def _act(self, place: int, move: Callable[[Claim], object]) -> bool:
        """Let some attempt act: it works for the holder, and raises LeaseLost for everybody else."""
        claim = self.claims[place % len(self.claims)]
        if self.holder.get(claim.job_id) is claim:
            move(claim)
            return True
        with pytest.raises(LeaseLost):
            move(claim)
        return False

    def _file(self, claim: Claim, step: int) -> StoredArtifact:
        mark = f"{claim.job_id}-{claim.lease_token}-{step}"
        return StoredArtifact("checkpoint", "weights", mark, f"artifacts/{mark}", 1)

    def _state(self, job_id: int) -> str:
        state: str = next(entry.state for entry in rows(self.db) if entry.id == job_id)
        return state

    # --- what always holds

    @invariant()
    def everything_holds(self) -> None:
        with self.db.read() as tx:
            entries = {entry.label: entry for entry in tx.execute(select(jobs.job)).all()}
            still_open = tx.execute(
                select(jobs.attempt.c.job_id, jobs.attempt.c.lease_token).where(
                    jobs.attempt.c.ended_at.is_(None)
                )
            ).all()
            intent = tx.execute(select(Ablation.intent)).scalar_one()
            facts = tx.execute(select(Artifact.job_id, Artifact.step, Artifact.sha256)).all()
        running = {entry.id: entry.lease_token for entry in entries.values() if entry.state == RUNNING}
        assert sorted(still_open) == sorted(running.items()), "one open attempt for each running job"
        assert running == {job_id: claim.lease_token for job_id, claim in self.holder.items()}
        for label, entry in entries.items():
            assert entry.lease_token == self.tokens[entry.id]
            assert (entry.lease_expires_at is not None) == (entry.state == RUNNING)
            open_needs = [need for need in NEEDS[label] if entries[need].state != SUCCEEDED]
            if entry.state == BLOCKED:
                assert open_needs and entry.waiting_on == len(open_needs)
            if entry.state in (READY, QUEUED):
                assert not open_needs, f"{label} is {entry.state} and needs {open_needs}"
            assert not (entry.held and entry.state == QUEUED), "what is held is not rung"
            assert entry.held == (entry.intent != "active" or intent != "active")
            assert entry.step == self.steps[entry.id], "a step moves by its holder only"
            assert (entry.failures, entry.losses) == (self.failures[entry.id], self.losses[entry.id])
        assert {(fact.job_id, fact.step): fact.sha256 for fact in facts} == self.facts
        assert {entry.id for entry in entries.values() if entry.state == SUCCEEDED} == self.succeeded

    def _everything_still_ends(self) -> None:
        """Nothing is lost: take back what is held, submit again, and one worker brings it all to the end."""
        jobs.take_back(
            self.db, [lease_of(claim) for claim in self.holder.values()], "gone", MAX_LOSSES, self.now
        )
        jobs.unring(self.db, list(self.ids.values()))
        plans.submit(self.db, PLAN, "submit", self.now)
        for label in NEEDS:
            jobs.unpause(self.db, self._target(label), self.now)
        later = max(self.now, NOW) + 1e9
        self.waits_end()
        for _ in NEEDS:
            for resource in ("cpu", "accelerator"):
                for entry in jobs.ring(self.db, resource, 100, later):
                    claim = jobs.claim(self.db, entry.id, self.workers[0], LEASE_SECONDS, later)
                    assert claim is not None
                    jobs.succeed(self.db, claim, Ending(SUCCEEDED, TARGET), later)
        assert {entry.state for entry in rows(self.db)} == {SUCCEEDED}

    def _no_move_was_illegal(self) -> None:
        with self.db.read() as tx:
            moved = tx.exec_driver_sql("SELECT DISTINCT was, became FROM moved").all()
        assert moved and {(was, became) for was, became in moved} <= LEGAL


class QueueOnPostgres(Queue):
    """The same rules; each example takes longer there."""

    url: str

    def open(self) -> Database:
        empty(self.url)
        return Database(self.url)

    def _no_move_was_illegal(self) -> None:
        """Recorded on SQLite alone; the statements are the same."""


def test_invariants(_empty_state: Path) -> None:
    Queue.template = _empty_state
    run_state_machine_as_test(Queue, settings=_settings(examples=50))


def test_invariants_on_postgresql(postgres_url: str) -> None:
    QueueOnPostgres.url = postgres_url
    run_state_machine_as_test(QueueOnPostgres, settings=_settings(examples=8))


def _settings(examples: int) -> settings:
    return settings(
        max_examples=examples,
        stateful_step_count=40,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )
