"""`submit-ablation`: plan, enqueue and, in the foreground, run to the end."""

from __future__ import annotations

import json
import shlex
import sys
import time
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import click

from commands.configuration import Configuration, InOrder, configuration_options, told_how_it_goes_on
from commands.failed import tell_failures
from commands.options import home_option, resolve_home
from commands.session_options import SessionOptions, session_options
from errors import ConfigError, OtherBuild, Overtaken, Stopped
from settings import given
from settings.called import told_apart
from settings.streams import say, say_to_who_waits
from settings.typed import typed
from settings.uncollected import imported

if TYPE_CHECKING:
    from pydantic import BaseModel

    from commands.memory import Room
    from db.engine import Database
    from db.plans import Submitted
    from db.rows import AblationRow
    from experiments.proposal import Proposal
    from settings.home import Home

#: How often an ablation is planned anew as others change it meanwhile.
_TRIES = 5


@click.command("submit-ablation", cls=InOrder)
@home_option
@configuration_options
@click.option("--detach", is_flag=True, help="Only enqueue; `up` does the work.")
@click.option("--dry-run", is_flag=True, help="Only show what would be done, as `plan` does.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@session_options
@click.pass_context
def command(
    context: click.Context,
    home_path: str | None,
    configuration: Configuration,
    detach: bool,
    dry_run: bool,
    as_json: bool,
    session: SessionOptions,
) -> int:
    """Plan an ablation and run it to the end. The same command again continues it."""
    home = resolve_home(context, home_path)
    with told_how_it_goes_on(home):
        return _submit_and_run(home, configuration, detach, dry_run, as_json, session)


def _submit_and_run(
    home: Home,
    configuration: Configuration,
    detach: bool,
    dry_run: bool,
    as_json: bool,
    session: SessionOptions,
) -> int:
    """The exit code."""
    if not (as_json or dry_run):
        say_to_who_waits("planning ...")  # what that needs takes seconds to import
    with imported():
        from commands import memory
        from commands.finished import finished, tell_ended, told_if_stopped
        from commands.gpus import need_gpus
        from commands.hub_room import told_room
        from commands.run import plan_session, run_home
        from db import code, standings
        from db.migrate import open_state
        from experiments.proposal import propose
        from settings.elsewhere import elsewhere

    config = configuration.load()
    if dry_run:
        from commands.plan import print_plan

        return print_plan(home, config, as_json)
    # Nothing starts with --detach, so that no tool needs to say which GPUs there are.
    options = replace(session, gpus="none") if detach and session.gpus is None else session
    stay = plan_session(options, begins=not detach)
    room = None
    if not detach:
        shared = elsewhere(home.root).database is not None
        if stay.devices.gpus:  # on the processor any number of ranks is tried
            _check_devices(config, stay.devices.together, shared=shared)
        room = memory.Room(stay.devices.gpus, need_gpus(stay.devices), shared)
        _check_threads(config)
    _check_nodes(config, home)
    fresh = None if home.exists else propose(config, None)  # what cannot work makes no home
    if fresh is not None and room is not None:
        memory.check(fresh.plan.jobs, room)
    first = None if fresh is None else _Planned(fresh, told_room(home, fresh), [])
    home.create()
    if detach:
        from views.attended import who_goes_on

        with closing(open_state(home, thorough=True)) as database:
            name, submitted = _submit(home, database, config, first, room)
            how = who_goes_on(database, home, "them", "run them with")
        document = {"ablation": submitted.ablation_id, "name": name, "home": str(home.root),
                    "jobs_added": submitted.jobs_added, "jobs_shared": submitted.jobs_shared}  # fmt: skip
        if as_json:
            say(json.dumps(document))
        else:
            say(f"{name}: {submitted.told}; {how}")
        return 0
    if first is None:  # what is refused keeps nobody else from the home
        with closing(open_state(home)) as database:
            code.need_allowed(database, besides=config.model_dump(mode="json"))
            first = _planned(home, database, config, room)
    with home.exclusive("submit-ablation"), closing(open_state(home, thorough=True)) as database:
        code.need_allowed(database, besides=config.model_dump(mode="json"))
        _, submitted = _submit(home, database, config, first, room)
        before = standings.standing(database).ablations
        with told_if_stopped(home, database, before):
            run_home(home, database, stay, until_done=True, quiet=as_json)
        after = standings.standing(database).ablations
        (entry,) = (one for one in after if one.id == submitted.ablation_id)
        others = [one for one in finished(before, after) if one.id != entry.id]
        names = told_apart((one.id, one.name) for one in after)
        tell_ended(home, database, others, names, {one.id for one in others}, tables=not as_json)
        if not as_json:
            say("writing the report ...", error=True)
        # Only now: figures and statistics take seconds to import, which no start should wait for.
        from commands.show import print_report, write_report

        print_report(write_report(home, database, (submitted.ablation_id,)), as_json)
        if entry.state == "failed":
            tell_failures(home, database, entry)
        if entry.state == "paused":
            again = f"{typed(f'unpause {entry.id}', home)}, then {typed('up --until-done', home)}"
            raise Stopped(f"{entry.name} is paused with everything saved; go on with: {again}")
    return 0 if entry.state == "succeeded" else 1


@dataclass(frozen=True)
class _Planned:
    """A proposal for a home with these ablations, none where it has no state. room_told: as `told_room` said of it."""

    proposal: Proposal
    room_told: str | None
    there: list[AblationRow]


def _planned(home: Home, database: Database, config: BaseModel, room: Room | None) -> _Planned:
    """Writes nothing. Raises OtherBuild, and as planning and `memory.check` do."""
    from commands import memory
    from commands.hub_room import told_room
    from db import queries
    from experiments.proposal import propose
    from workers.upgrades import outdated

    for entry in outdated(database):
        raise OtherBuild(entry.sentence(home))
    there = queries.ablation_rows(database)
    proposal = propose(config, database)
    if room is not None:
        known = queries.known_keys(database, [job.key for job in proposal.plan.jobs])
        memory.check([job for job in proposal.plan.jobs if job.key not in known], room)
    return _Planned(proposal, told_room(home, proposal), there)


def _submit(
    home: Home, database: Database, config: BaseModel, planned: _Planned | None, room: Room | None
) -> tuple[str, Submitted]:
    """Write the plan: the ablation's name and what was submitted. An ablation of this name grows, or goes on; where
    another build planned it, it is continued as it was planned.

    planned: what was planned before, if that was. room: of the devices here; None where nothing starts.
    Raises OtherBuild where this build cannot: nothing is done again without being asked for.
    """
    for _ in range(_TRIES - 1):
        with suppress(Overtaken):  # another command submitted this name while it was planned here
            return _write_plan(home, database, config, planned, room)
    return _write_plan(home, database, config, planned, room)


def _write_plan(
    home: Home, database: Database, config: BaseModel, planned: _Planned | None, room: Room | None
) -> tuple[str, Submitted]:
    """Raises Overtaken where the ablation of this name changed while it was planned."""
    from db import builds, jobs, plans, queries
    from views.plan import code_document, code_line, power_of
    from views.power import finds
    from views.several_devices import told_devices
    from workers.upgrades import differences

    if planned is None or planned.there != queries.ablation_rows(database):
        planned = _planned(home, database, config, room)
    proposal, room_told = planned.proposal, planned.room_told
    plan, there = proposal.plan, proposal.there
    if room_told is not None:
        say(f"{plan.name}: {room_told}", error=True)
    if room is None or not room.groups:  # else they were compared with this session's
        for sentence in told_devices(config, database):
            say(f"{plan.name}: {sentence}", error=True)
    for sentence in plan.warnings:
        say(f"warning: {sentence}", error=True)
    if there is not None and proposal.otherwise and (other := differences(database, there.id)):
        command = typed(f"upgrade {there.id}", home)
        if proposal.more:
            raise OtherBuild(
                f"ablation {there.name} ({there.id}) was planned by another build, with {other}, and cannot grow with "
                f"this one; do again with it what differs: {command}"
            )
        say(
            f"{there.name}: going on with ablation {there.id}, which another build planned with {other}; to do "
            f"again with this one what differs: {command}",
            error=True,
        )
        jobs.retry(database, jobs.Target("ablation", there.id, f"ablation {there.name}"), time.time())
        return there.name, plans.Submitted(there.id, 0, there.job_count, there.job_count)
    what = "; ".join(proposal.told)
    grows, beside = (None, there) if proposal.otherwise else (there, None)
    for told in code_document(plan):
        say(f"{plan.name}: {code_line(told)}", error=True)
    power = power_of(proposal, database)
    submitted = plans.submit(
        database, plan, shlex.join(sys.argv), time.time(), grows, what, first=there is None, beside=beside
    )
    if what:
        say(f"{plan.name}: {what}", error=True)
    if power is not None and power["arms"] != 1:
        say(f"{plan.name}: {finds(power)}", error=True)
    if there is not None and proposal.otherwise:
        sentence = (
            f"{plan.name}: ablation {there.id} has these settings too, but {submitted.jobs_added} jobs are not as "
            f"they were planned then: {proposal.otherwise}; {submitted.jobs_shared} are shared"
        )
        say(sentence, error=True)
        builds.note_planned_otherwise(database, submitted.ablation_id, sentence, time.time())
    return there.name if there is not None and not proposal.otherwise else plan.name, submitted


def _check_devices(config: BaseModel, most: int, shared: bool) -> None:
    """Jobs that want more GPUs than the workers of this session have together (`most`) are refused where nobody else
    could run them.

    shared: workers of other machines may be there, so it is only a warning.
    """
    from experiments.registry import experiment_for

    for place, count in experiment_for(config).of_machine(config, "devices").items():
        if count <= most:
            continue
        sentence = (
            f"{place} is {count}, but the workers of this session have {most} GPU{'s' * (most > 1)} together:"
            f" give it more with --gpus {','.join(map(str, range(count)))}"
        )
        if not shared:
            raise ConfigError(sentence)
        say(f"warning: {sentence}", error=True)


def _check_nodes(config: BaseModel, home: Home) -> None:
    """A run over several machines waits for ever where one alone has the state."""
    from experiments.registry import experiment_for

    for place, nodes in experiment_for(config).of_machine(config, "nodes").items():
        if nodes > 1 and home.state_in_home:
            sentence = (
                f"{place} is {nodes}, and the state lies in this home, where one machine works: it waits until others "
                "do, which takes servers that they share (docs/several-machines.md)"
            )
            say(f"warning: {sentence}", error=True)


def _check_threads(config: BaseModel) -> None:
    """Threads decide the last bits of sums, so that a number that does not fit this machine is kept, and told."""
    from experiments.registry import experiment_for

    cores = given.cores()
    for place, threads in experiment_for(config).of_machine(config, "threads").items():
        if threads > cores.count:
            because = f" ({cores.why})" if cores.why else ""
            sentence = f"{place} is {threads}, more than the {cores.count} cores given{because}: slower"
            say(f"warning: {sentence}", error=True)
