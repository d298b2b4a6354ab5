"""A run of the home that was trained to its end, by arm and seed."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from commands.own_protocol import OwnProtocol, own_protocol
from commands.run_elsewhere import called, elsewhere
from db import naming, queries
from db.absent import no_ablation
from db.checkpoints import final_weights
from db.engine import Database
from db.migrate import look_at_state
from db.rows import AblationRow, RunRow
from db.shared_store import open_store
from db.states import FINAL
from errors import InvalidInput
from models.spec import ModelSpec
from settings.home import Home
from settings.names import found, look
from settings.shown import cut, shown
from settings.suggestions import listed, meant, nearest
from tasks.records import JobRecord
from tasks.specs import NOT_LOOKED_AT, ClosedLoopSpec, OpenLoopSpec, TrainSpec
from views.attended import who_goes_on
from workers.records import job_records


@dataclass(frozen=True)
class TrainedRun:
    """weights: the file, verified. judged_in: the precision of its evaluation. detector: that finds the regions which
    the model is shown; None for one that is shown none. protocol: of its evaluation in closed loop, None without one.
    drawn_by, drawn_basis: as `commands.named_checkpoint.Checkpoint` has them."""

    ablation: AblationRow
    run: RunRow
    step: int
    model: ModelSpec
    weights: Path
    sha256: str
    judged_in: str
    detector: str | None
    protocol: OwnProtocol | None
    drawn_by: str | None
    drawn_basis: str | None

    @property
    def label(self) -> str:
        return f"{self.run.arm} seed {self.run.seed}"


def trained_run(home: Home, arm: str, seed: int, wanted: str | None, *, in_words: bool = False) -> TrainedRun:
    """wanted: the ablation by id, name or key; None for the newest. in_words: a run is named as `named_run` reads it,
    and not by an option for its ablation.

    Raises InvalidInput, naming what there is, for what is unknown, not trained here or not yet trained to its end;
    ArtifactDamaged where the weights are damaged or were cleared away.
    """
    database = look_at_state(home)
    ablation = _ablation(database, home, wanted)
    hint = partial(elsewhere, database, home, ablation, arm, seed, in_words)
    run = _run(database, ablation, arm, seed, hint)
    found = job_records(database, ablation.id)
    train = next(record for record in found if record.id == run.train_job_id)
    if not isinstance(train.spec, TrainSpec):
        raise InvalidInput(
            f"{shown(arm)} of {called(ablation)} is a policy, which is judged and not trained here{hint()}"
        )
    entry = next((entry for entry in final_weights(database) if entry.run == run.id), None)
    if entry is None:
        (job,) = queries.find_jobs(database, str(train.id))
        raise InvalidInput(
            f"{cut(arm)} seed {seed} of {called(ablation)} is not trained to its end: {job.label} is {job.state} at "
            f"step {job.step} of {job.target_steps}{hint()}{_how_it_ends(database, home, job.state)}"
        )
    store = open_store(home, database)
    database.close()
    judged_in, detector = _judged(record for record in found if record.run_id == run.id)
    weights = store.verified(entry.path, entry.sha256)
    own = own_protocol(called(ablation), (record.spec for record in found if record.run_id == run.id))
    spec = train.spec
    drawn_by = None if spec.drawn_by == NOT_LOOKED_AT else spec.drawn_by
    return TrainedRun(
        ablation, run, train.step, spec.model, weights, entry.sha256, judged_in, detector, own, drawn_by,
        spec.drawn_basis,
    )  # fmt: skip


def named_run(home: Home, words: str) -> tuple[str | None, str]:
    """(ablation, None for the newest; arm) that words mean: an arm, or an ablation and its arm, either with blanks in
    its name; where neither is there, as `_unfitting` has it. Raises InvalidInput where they mean several."""
    parts = words.split(" ")
    if len(parts) == 1:
        return None, words
    fitting: list[tuple[str | None, str]] = []
    with closing(look_at_state(home)) as database:
        newest = queries.ablation_rows(database)[-1:]
        for count in range(len(parts) - 1, -1, -1):
            ablation, arm = " ".join(parts[:count]) or None, " ".join(parts[count:])
            rows = naming.meant(database, ablation) if ablation else newest
            arms = {look(run.arm) for row in rows for run in queries.runs_of(database, row.id)}
            if look(arm) in arms:
                fitting.append((ablation, arm))
        unfitting = _unfitting(database, parts)
    if len(fitting) > 1:
        told = " or ".join(
            f"{shown(arm)} of {'the newest ablation' if ablation is None else shown(ablation)}"
            for ablation, arm in fitting
        )
        raise InvalidInput(f"{shown(words)} may be {told}; write the ablation's id before the arm")
    return fitting[0] if fitting else unfitting


def _unfitting(database: Database, parts: list[str]) -> tuple[str | None, str]:
    """As `named_run`, of words that are no arm of what they name: those after an ablation, all where they are nearly an
    arm of some ablation, else the last."""
    for count in range(len(parts) - 1, 0, -1):
        if naming.meant(database, " ".join(parts[:count])):
            return " ".join(parts[:count]), " ".join(parts[count:])
    words = " ".join(parts)
    arms = {run.arm for row in queries.ablation_rows(database) for run in queries.runs_of(database, row.id)}
    if look(words) in map(look, arms) or nearest(words, arms):
        return None, words
    return " ".join(parts[:-1]), parts[-1]


def _ablation(database: Database, home: Home, wanted: str | None) -> AblationRow:
    found = queries.ablation_row(database, wanted)
    if found is not None:
        return found
    known = queries.ablation_rows(database)
    if wanted is None or not known:
        raise InvalidInput(f"no ablation was submitted in {home.root} yet")
    if naming.called_before(database, wanted):
        raise InvalidInput(no_ablation(database, wanted))
    names = dict.fromkeys(row.name for row in known)
    raise InvalidInput(
        f"no ablation {shown(wanted)}{meant(wanted, names)} in {home.root}; there are: "
        f"{listed([f'{row.name} ({row.id})' for row in known])}"
    )


def _run(database: Database, ablation: AblationRow, arm: str, seed: int, hint: Callable[[], str]) -> RunRow:
    """hint: as `elsewhere`, of what is not here."""
    runs = queries.runs_of(database, ablation.id)
    arm = found(arm, [run.arm for run in runs])
    seeds = [run.seed for run in runs if run.arm == arm]
    if not seeds:
        arms = dict.fromkeys(run.arm for run in runs)
        raise InvalidInput(
            f"no arm {shown(arm)}{meant(arm, arms)} in {called(ablation)}; its arms: {listed(arms)}{hint()}"
        )
    if seed not in seeds:
        its = listed([str(seed) for seed in seeds])
        raise InvalidInput(f"no seed {seed} of {cut(arm)} in {called(ablation)}; its seeds: {its}{hint()}")
    return next(run for run in runs if (run.arm, run.seed) == (arm, seed))


def _how_it_ends(database: Database, home: Home, state: str) -> str:
    """The end of a sentence on a job that is not done; nothing of one that has failed or was cancelled."""
    return "" if state in FINAL else f"; {who_goes_on(database, home, 'it', 'train it with')}"


def _judged(records: Iterable[JobRecord]) -> tuple[str, str | None]:
    """Precision and detector of the jobs that judge one run."""
    precision, detector = "fp32", None
    for record in records:
        if isinstance(record.spec, OpenLoopSpec | ClosedLoopSpec):
            precision = record.spec.precision
        if isinstance(record.spec, ClosedLoopSpec) and record.spec.gaze is not None:
            detector = record.spec.gaze.detector
    return precision, detector
