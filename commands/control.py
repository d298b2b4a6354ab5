"""`pause`, `unpause`, `cancel` and `retry`: an ablation, one of its runs, or a job."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from typing import TYPE_CHECKING, Any

import click

from commands.one_ablation import one_ablation
from commands.options import existing_home, home_option
from commands.ranges import ROW_ID
from errors import IllegalMove, InvalidInput
from settings.called import told_apart
from settings.shown import shown
from settings.streams import say
from settings.suggestions import listed
from settings.typed import typed

if TYPE_CHECKING:
    from db.engine import Database
    from db.jobs import Target
    from db.jobs.control import Changed
    from db.rows import AblationRow
    from db.standings import AblationStanding
    from settings.home import Home


def _target_options(function: Any) -> Any:
    for decorator in (
        click.option("--json", "as_json", is_flag=True, help="Print one JSON document."),
        click.option(
            "--job",
            "job_label",
            metavar="JOB",
            help="One job instead: its id, or its label (also after its ablation).",
        ),
        click.option(
            "--run", "run_id", type=ROW_ID, metavar="ID", help="One run instead: its id in `status`."
        ),
        click.argument("ablation", required=False),
        home_option,
    ):
        function = decorator(function)
    return function


@click.command("pause")
@_target_options
@click.pass_context
def pause(context: click.Context, **options: Any) -> None:
    """Nothing of it is started any more; what runs stops at its next step, with a checkpoint."""
    _act(context, "paused", **options)


@click.command("unpause")
@_target_options
@click.pass_context
def unpause(context: click.Context, **options: Any) -> None:
    """Undo `pause`."""
    _act(context, "unpaused", **options)


@click.command("cancel")
@_target_options
@click.pass_context
def cancel(context: click.Context, **options: Any) -> None:
    """End it. Work that another ablation wants too goes on; `retry` brings the rest back."""
    _act(context, "cancelled", **options)


@click.command("retry")
@_target_options
@click.option(
    "--devices",
    type=click.IntRange(1, 1024),
    metavar="N",
    help="With --job: a training goes on from its checkpoint over N devices. Its last bits are others then.",
)
@click.pass_context
def retry(context: click.Context, devices: int | None, **options: Any) -> None:
    """Everything of it that failed or was cancelled gets all its tries again."""
    _act(context, "retried", devices=devices, **options)


def _act(
    context: click.Context,
    what: str,
    home_path: str | None,
    ablation: str | None,
    run_id: int | None,
    job_label: str | None,
    as_json: bool,
    devices: int | None = None,
) -> None:
    from db import jobs
    from db.jobs.control import Changed
    from db.migrate import open_state

    moves: dict[str, Callable[..., Any]] = {
        "paused": jobs.pause, "unpaused": jobs.unpause, "cancelled": jobs.cancel, "retried": jobs.retry,
    }  # fmt: skip
    more = {} if devices is None else {"devices": devices}
    with closing(open_state(existing_home(context, home_path))) as database:
        target = find_target(database, ablation, run_id, job_label, what)
        over = what != "retried" and _has_succeeded(database, target)
        try:
            if devices is not None:
                _need_divided(database, target, devices)
            changed = Changed(0, 0) if over else moves[what](database, target, time.time(), **more)
        except IllegalMove as error:
            raise InvalidInput(f"{error}{_how_to_divide(database, target, devices)}") from None
        if as_json:
            say(json.dumps({"target": {"kind": target.kind, "id": target.id}, "what": what,
                              "jobs": changed.jobs, "running": changed.running}))  # fmt: skip
        elif changed.jobs or changed.running:
            running = _of_running(database, changed.running)
            jobs_changed = f"{changed.jobs} job{'s' * (changed.jobs != 1)}"
            say(f"{target.name}: {jobs_changed} {what}{running}{_next(database, target, what)}")
        elif over or _has_succeeded(database, target):
            say(_over(target, what, database.home))
        elif changed.already and what != "retried":
            say(f"{target.name}{_already(database, target, what)}")
        elif what == "retried":
            say(f"{target.name}: {_taken_back(database, target, changed)}")
        else:
            say(f"{target.name}: {what}; no job of its own was left to be {what}")


def _has_succeeded(database: Database, target: Target) -> bool:
    """Whether all of it is done, so that there is nothing to stop: an ablation may still be given more seeds."""
    from db import standings
    from db.jobs.control import states_of
    from db.states import SUCCEEDED

    if target.kind == "ablation":
        return standings.standing(database, target.id).ablations[0].state == SUCCEEDED
    return states_of(database, target) == {SUCCEEDED}


def _already(database: Database, target: Target, what: str) -> str:
    """The end of a sentence: how it was before, so that nothing was to be done."""
    from db.jobs.control import is_held, states_of
    from db.states import FAILED

    if what == "unpaused":
        if not is_held(database, target):
            return " was not paused"
        look = typed("status", database.home)
        return f" was not paused itself; jobs of it are held by what else is paused: {look}"
    if what == "cancelled" and target.kind == "job" and states_of(database, target) == {FAILED}:
        return f" has failed already, so nothing is cancelled{_next(database, target, what)}"
    return f" was {what} already{_next(database, target, what)}"


def _of_running(database: Database, count: int) -> str:
    """What becomes of jobs that count as running; nothing where there are none. Nobody stops where nobody works."""
    from views.attended import is_nobody_there

    if not count:
        return ""
    if is_nobody_there(database):
        was, is_ = ("was", "is") if count == 1 else ("were", "are")
        return f"; {count} that {was} interrupted {is_} not taken up"
    return f"; {count} running {'stops at its next step' if count == 1 else 'stop at their next step'}"


_UNDONE_BY = {"paused": "unpause", "cancelled": "retry"}
_OPTIONS = {"ablation": "", "run": "--run ", "job": "--job "}


def _next(database: Database, target: Target, what: str) -> str:
    """How it goes on, or is undone, the end of a sentence; nothing where workers are about to do it."""
    if what in _UNDONE_BY:
        words = f"{_UNDONE_BY[what]} {_OPTIONS[target.kind]}{target.id}"
        return f"; undo it with: {typed(words, database.home)}"
    from db.jobs.control import is_held, paused_by
    from views.attended import is_nobody_there

    if is_held(database, target) and (by := paused_by(database, target)) is not None:
        words = typed(f"unpause {_OPTIONS[by.kind]}{by.id}", database.home)
        return f"; {'what it is of' if by.kind != target.kind else 'it'} is paused; go on with: {words}"
    return f"; run them with: {typed('up --until-done', database.home)}" if is_nobody_there(database) else ""


def _taken_back(database: Database, target: Target, changed: Changed) -> str:
    """What a retry did of which no job is to be tried again, and how it goes on."""
    from db.jobs.control import is_held
    from db.states import PAUSED
    from views.attended import who_goes_on

    assert database.home is not None
    told = "nothing of it had failed or was cancelled"
    if changed.before == PAUSED:
        told += ", and it is paused no more"
    elif not changed.already:
        told = "its cancellation is taken back before anything of it stopped"
    if is_held(database, target):
        return f"{told}; jobs of it are held by what else is paused: {typed('status', database.home)}"
    return f"{told}; {who_goes_on(database, database.home, 'it', 'go on with it')}"


def _over(target: Target, what: str, home: Home | None) -> str:
    """Why nothing of it changed, and what can be done instead."""
    instead = {}
    if target.kind == "ablation":
        instead["its report"] = f"report {target.id}"
        if what == "cancelled":
            instead["to remove it for good"] = f"ablation remove {target.id}"
    if what == "retried":
        instead["to compute its results again and compare"] = "audit"
    told = "; ".join(f"{why}: {typed(words, home)}" for why, words in instead.items())
    return f"{target.name} has ended and all of it succeeded, so nothing is {what}{told and f'; {told}'}"


def _need_divided(database: Database, target: Target, devices: int) -> None:
    """Raises InvalidInput where that is no job which can be divided so."""
    from db.timings import waiting
    from tasks.registry import kind_named

    if target.kind != "job":
        raise InvalidInput("--devices is for one job: name it with --job")
    work = waiting(database, target.id)
    assert work is not None
    kind_named(work.kind).spec_of(work.spec).divided_over(devices)


def _how_to_divide(database: Database, target: Target, devices: int | None) -> str:
    """The end of the sentence that refuses other devices: what leads to them from the job's state; nothing where they
    were not asked for, or nothing does."""
    from db.jobs.control import is_cancelling, states_of
    from db.states import SUCCEEDED
    from views.attended import is_nobody_there

    if devices is None or states_of(database, target) == {SUCCEEDED}:
        return ""
    steps = [f"retry --job {target.id} --devices {devices}"]
    if not is_cancelling(database, target):
        steps.insert(0, f"cancel --job {target.id}")
    elif is_nobody_there(database):
        steps.insert(0, "up --until-done")
    return f": {', then '.join(typed(words, database.home) for words in steps)}"


#: What cannot be undone as it was done is not done to the newest of several.
_ONLY_ONE = ("cancelled", "retried")


def find_target(
    database: Database, ablation: str | None, run_id: int | None, job_label: str | None, what: str
) -> Target:
    """The one thing meant. Without a name the newest ablation that `what` does something to, if there is one; of
    several with one name the newest; what cannot be undone guesses neither.

    Raises InvalidInput for none, several, or something that is not there.
    """
    from db import jobs, named_jobs, queries
    from db.absent import no_ablation, no_job, nothing_submitted, told_by_status

    if sum(given is not None for given in (ablation, run_id, job_label)) > 1:
        raise InvalidInput("name one thing: an ablation, --run ID, or --job JOB")
    if run_id is not None:
        label = queries.run_label(database, run_id)
        if label is None:
            raise InvalidInput(f"there is no run {run_id} in this home; {told_by_status(database)}")
        return jobs.Target("run", run_id, f"run {run_id} ({label})")
    if job_label is not None:
        found = named_jobs.jobs_named(database, job_label)
        if not found:
            raise InvalidInput(no_job(database, job_label))
        if len(found) > 1:
            some = named_jobs.with_ablations(database, found)
            name = shown(named_jobs.a_name(database, found))
            raise InvalidInput(
                f"{len(found)} jobs are called {shown(job_label)}; name one by its id, or as {name}: {some}"
            )
        return jobs.Target("job", found[0].id, f"job {found[0].id} ({found[0].label})")
    if what in _ONLY_ONE and ablation is not None:
        row: AblationRow | None = one_ablation(database, ablation, cancelled_too=False)
    elif ablation is not None:
        row = queries.ablation_row(database, ablation)
    else:
        row = _without_a_name(database, what) or queries.ablation_row(database, None)
    if row is None:
        raise InvalidInput(no_ablation(database, ablation) if ablation else nothing_submitted(database))
    names = told_apart((one.id, one.name) for one in queries.ablation_rows(database))
    return jobs.Target("ablation", row.id, f"ablation {names[row.id]}")


def _without_a_name(database: Database, what: str) -> AblationRow | None:
    """The newest ablation that `what` does something to; None where there is none. Raises InvalidInput for several
    where none may be guessed."""
    from db import queries, standings

    fitting = _fitting(standings.standing(database).ablations, what)
    if what in _ONLY_ONE and len(fitting) > 1:
        named = listed([f"{entry.name} ({entry.id})" for entry in fitting])
        why = "have failed or were cancelled" if what == "retried" else "are not over"
        raise InvalidInput(f"{len(fitting)} ablations {why}: {named}; name one, by its name or its id")
    return queries.ablation_row(database, fitting[-1].id) if fitting else None


def _fitting(entries: Sequence[AblationStanding], what: str) -> list[AblationStanding]:
    """Oldest first. Those that failed are meant before those that were cancelled, which somebody wanted."""
    from db.states import CANCELLED, FAILED

    if what == "retried":
        failed = [entry for entry in entries if entry.jobs.get(FAILED)]
        return failed or [entry for entry in entries if entry.jobs.get(CANCELLED)]
    alive = [entry for entry in entries if entry.state in ("running", "paused")]
    if what == "unpaused":
        return [entry for entry in alive if entry.state == "paused"] or alive
    running = [entry for entry in alive if entry.state == "running"]
    return running if what == "paused" and running else alive
