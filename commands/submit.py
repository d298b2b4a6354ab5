"""`submit-ablation`: plan, enqueue and, in the foreground, run to the end."""

from __future__ import annotations

import json
import shlex
import sys
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from commands.failed import tell_failures
from commands.options import SessionOptions, home_option, resolve_home, session_options
from errors import ConfigError, OtherBuild, Stopped
from settings import given
from settings.places import expanded
from settings.streams import say
from settings.typed import typed

if TYPE_CHECKING:
    from db.engine import Database
    from db.plans import Plan, Submitted
    from experiments.reconvla.config import AblationConfig
    from settings.home import Home


@click.command("submit-ablation")
@home_option
@click.option("--preset", default=None, help="smoke, quick, ... [default: quick, without --config].")
@click.option("--config", "config_file", type=click.Path(path_type=Path), help="YAML file over the preset.")
@click.option("--set", "overrides", multiple=True, metavar="KEY.PATH=VALUE", help="Override one value.")
@click.option("--arms", default=None, metavar="A,B", help="Arms of the table.")
@click.option("--seeds", default=None, metavar="0,1", help="Seeds per arm.")
@click.option("--data", "data_root", default=None, metavar="DIR", help="A CALVIN dataset.")
@click.option("--name", default=None, help="Name of the ablation.")
@click.option("--detach", is_flag=True, help="Only enqueue; `up` does the work.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@session_options
@click.pass_context
def command(
    context: click.Context,
    home_path: str | None,
    preset: str | None,
    config_file: Path | None,
    overrides: tuple[str, ...],
    arms: str | None,
    seeds: str | None,
    data_root: str | None,
    name: str | None,
    detach: bool,
    as_json: bool,
    session: SessionOptions,
) -> int:
    """Plan an ablation and run it to the end. The same command again continues it."""
    from commands.gpus import need_gpus
    from commands.run import plan_session, run_home
    from db import standings
    from db.migrate import open_state
    from experiments.reconvla.named_config import load_config
    from experiments.reconvla.planner import Planner
    from settings.elsewhere import elsewhere

    home = resolve_home(context, home_path)
    config = load_config(
        preset or (None if config_file else "quick"),
        config_file,
        overrides,
        arms=arms.split(",") if arms else None,
        seeds=seeds.split(",") if seeds else None,
        data__root=str(expanded(data_root, "--data").absolute()) if data_root else None,
        name=name,
    )
    # Nothing starts with --detach, so that no tool needs to say which GPUs there are.
    options = replace(session, gpus="none") if detach and session.gpus is None else session
    stay = plan_session(options, begins=not detach)
    if not detach:
        most = max(map(len, stay.devices.gpus), default=1)
        _check_devices(config, most, shared=elsewhere(home.root).database is not None)
        need_gpus(stay.devices)
        _check_threads(config)
    plan = Planner(config).plan()
    for sentence in plan.warnings:
        say(f"warning: {sentence}", error=True)

    home.create()
    if detach:
        database = open_state(home, thorough=True)
        submitted = _submit(home, database, config, plan)
        database.close()
        document = {"ablation": submitted.ablation_id, "name": plan.name, "home": str(home.root),
                    "jobs_added": submitted.jobs_added, "jobs_shared": submitted.jobs_shared}  # fmt: skip
        if as_json:
            say(json.dumps(document))
        else:
            say(
                f"{plan.name}: {submitted.jobs_added} jobs added, {submitted.jobs_shared} already there; "
                f"run them with: {typed('up --until-done', home)}"
            )
        return 0
    with home.exclusive("submit-ablation"), closing(open_state(home, thorough=True)) as database:
        submitted = _submit(home, database, config, plan)
        run_home(home, database, stay, until_done=True, quiet=as_json)
        (entry,) = standings.standing(database, str(submitted.ablation_id)).ablations
        # Only now: figures and statistics take seconds to import, which no start should wait for.
        from commands.show import print_report, write_report

        print_report(write_report(home, database, str(submitted.ablation_id)), as_json)
        if entry.state == "failed":
            tell_failures(home, database, entry)
        if entry.state == "paused":
            raise Stopped(f"{entry.name} is paused with everything saved; go on with: unpause, then up")
    return 0 if entry.state == "succeeded" else 1


def _submit(home: Home, database: Database, config: AblationConfig, plan: Plan) -> Submitted:
    """Write the plan; where another build planned an ablation of these settings, that one is continued instead.

    Raises OtherBuild where this build cannot: nothing is done again without being asked for.
    """
    from db import builds, jobs, plans, queries
    from experiments.planned_again import with_the_same_settings
    from experiments.planned_otherwise import done_again
    from workers.upgrades import differences, outdated

    for entry in outdated(database):
        raise OtherBuild(entry.sentence(home))
    earlier = with_the_same_settings(database, config, plan)
    if earlier is not None and (other := differences(database, earlier.id)):
        say(
            f"{earlier.name}: going on with ablation {earlier.id}, which another build planned with {other}; to do "
            f"again with this one what differs: {typed(f'upgrade {earlier.id}', home)}",
            error=True,
        )
        target = jobs.Target("ablation", earlier.id, f"ablation {earlier.name}")
        jobs.retry(database, target, time.time())
        return plans.Submitted(earlier.id, 0, earlier.job_count)
    again = "" if earlier is None else done_again(queries.jobs_of(database, earlier.id), plan)
    submitted = plans.submit(database, plan, shlex.join(sys.argv), time.time())
    if earlier is not None:
        sentence = (
            f"{plan.name}: ablation {earlier.id} has these settings too, but {submitted.jobs_added} jobs are not as "
            f"they were planned then: {again}; {submitted.jobs_shared} are shared"
        )
        say(sentence, error=True)
        builds.note_planned_otherwise(database, submitted.ablation_id, sentence, time.time())
    return submitted


def _check_devices(config: AblationConfig, most: int, shared: bool) -> None:
    """Jobs that want more GPUs than any worker of this session has (`most`) are refused where nobody else could
    run them.

    shared: workers of other machines may be there, so it is only a warning.
    """
    for stage in ("training", "pretraining"):
        count = getattr(config, stage).devices
        if count <= most:
            continue
        sentence = (
            f"{stage}.devices is {count}, but the workers of this session have {most} each at most:"
            f" give one of them more with --gpus {'+'.join(map(str, range(count)))}"
        )
        if not shared:
            raise ConfigError(sentence)
        say(f"warning: {sentence}", error=True)


def _check_threads(config: AblationConfig) -> None:
    """Threads decide the last bits of sums, so that a number that does not fit this machine is kept, and told."""
    cores = given.cores()
    for stage in ("training", "pretraining", "evaluation"):
        threads = getattr(config, stage).threads
        if threads > cores.count:
            because = f" ({cores.why})" if cores.why else ""
            sentence = (
                f"{stage}.threads is {threads}, more than the {cores.count} cores given{because}: slower"
            )
            say(f"warning: {sentence}", error=True)
