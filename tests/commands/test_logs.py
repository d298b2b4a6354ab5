"""The story of a job: attempts, events, losses and printed lines in order of time."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from dataclasses import replace

import pytest

import cli
from db import jobs, plans, queries, states
from db.named_jobs import jobs_named, own_names
from db.plans import Plan
from db.values import Ending, Lease, MetricPoint, Seconds
from tests.commands.test_status import make_ablation
from tests.processes import CLI, environment
from tests.support import planned, start, submit, worker
from workers.job_log import job_log

JOB = "train recon seed 0"


def logs(home, capsys, *arguments):
    capsys.readouterr()
    assert cli.main(["--home", str(home.root), "logs", *arguments]) == 0
    return capsys.readouterr().out


def tell_a_story(home, database):
    """An attempt that dies at step 10, another that finishes."""
    make_ablation(database)
    first = start(database, JOB, worker(database, "w1"), time.time())
    with job_log(home, first.job_id, 1):
        print("warming up")
    points = [MetricPoint("loss/action", 10, 1.5), MetricPoint("loss/total", 10, 2.5)]
    jobs.publish(database, first, 10, [], points, Seconds(useful=1.0), time.time())
    jobs.take_back(database, [Lease(first.job_id, first.lease_token)], "its process is gone", 3, time.time())
    second = start(database, JOB, worker(database, "w2"), time.time())
    jobs.succeed(database, second, Ending(states.SUCCEEDED, 100), time.time())
    return first.job_id


def test_everything_in_order(home, database, capsys):
    job_id = tell_a_story(home, database)
    lines = logs(home, capsys, JOB).splitlines()
    assert lines[0] == f"{JOB} (job {job_id}): succeeded, step 100 of 100"
    told = [
        "attempt 1 starts on w1", "warming up", "step 10: loss/action 1.5, loss/total 2.5",
        "its process is gone", "attempt 1 lost (its process is gone) at step 10",
        "attempt 2 starts on w2", "attempt 2 succeeded at step 100",
    ]  # fmt: skip
    places = [next(number for number, line in enumerate(lines) if text in line) for text in told]
    assert places == sorted(places)


def test_a_job_by_id_label_beginning_or_flowers_name(home, database, capsys):
    job_id = tell_a_story(home, database)
    whole = logs(home, capsys, str(job_id))
    assert whole == logs(home, capsys, JOB) == logs(home, capsys, f"job-{job_id}-attempt-2")


def test_the_beginning_of_a_label_is_enough_where_it_is_clear(home, database, capsys):
    make_ablation(database, seeds=1)
    assert logs(home, capsys, "train recon_p").startswith("train recon_pretrain seed 0 (job")
    assert logs(home, capsys, JOB).startswith(f"{JOB} (job")


def test_json_is_one_document(home, database, capsys):
    job_id = tell_a_story(home, database)
    document = json.loads(logs(home, capsys, JOB, "--json"))
    assert (document["job"], document["label"], document["state"]) == (job_id, JOB, "succeeded")
    assert {entry["source"] for entry in document["entries"]} == {"attempt", "event", "metric", "log"}


@pytest.mark.parametrize(
    ("wanted", "says"),
    [
        ("nothing", "no job 'nothing'"),
        ("999", "no job '999'"),
        ("train", "give the id"),
        ("train", "; give the id, or a name such as 'train baseline seed 0'"),
        (JOB.replace("o", "", 1), f"(did you mean '{JOB}'?)"),
        ("trian", "(did you mean 'train'?)"),
        ("recom", "(did you mean 'recon'?)"),
        ("trian recon", "(did you mean 'train recon'?)"),
        ("pretrain", "(did you mean 'train recon_pretrain seed 0', 'train recon_pretrain seed 1'?)"),
    ],
)
def test_an_unclear_name_is_refused(home, database, capsys, wanted, says):
    make_ablation(database)
    assert cli.main(["--home", str(home.root), "logs", wanted]) == 2
    assert says in capsys.readouterr().err


def submit_two(database):
    """`smoke` (1) and `smoke-2` (2), with a job `train recon seed 0` each."""
    for name in ("smoke", "smoke-2"):
        job = planned(f"{name} key", kind="train")
        plan = Plan(name, name, {}, [replace(job, label=JOB)])
        plans.submit(database, plan, "submit", time.time())
    return {
        name: queries.jobs_of(database, number)[0].id for number, name in enumerate(["smoke", "smoke-2"], 1)
    }


@pytest.mark.parametrize("command", [["logs"], ["pause", "--job"], ["retry", "--job"]])
def test_jobs_of_one_label_are_told_with_their_ablations(home, database, capsys, command):
    ids = submit_two(database)
    assert cli.main(["--home", str(home.root), *command, JOB]) == 2
    err = capsys.readouterr().err
    assert f"{ids['smoke']} ({JOB} of smoke (1)), {ids['smoke-2']} ({JOB} of smoke-2 (2))" in err
    name = f"smoke {JOB}"
    assert f"'{name}'" in err
    assert cli.main(["--home", str(home.root), *command, name]) == 0


def test_a_name_that_is_told_is_one_jobs_own(home, database):
    """By the ablation's id where its name is not its own, or would be read as an id; else there is none."""
    for key, name, labels in (("a", "same", "xy"), ("b", "same", "x"), ("c", "7", "xyz"), ("d", "two", "ww")):
        jobs_of = [replace(planned(f"{key} {place}"), label=label) for place, label in enumerate(labels)]
        plans.submit(database, Plan(key, name, {}, jobs_of), "submit", time.time())
    ids = {row.key: row.id for number in range(1, 5) for row in queries.jobs_of(database, number)}
    names = own_names(database)
    found = {key: names.get(job_id) for key, job_id in ids.items()}
    assert found == {
        "a 0": "1 x", "a 1": "1 y", "b 0": "2 x", "c 0": "3 x", "c 1": "3 y", "c 2": None, "d 0": "", "d 1": "",
    }  # fmt: skip
    for key, name in found.items():
        if name:
            assert [row.id for row in jobs_named(database, name)] == [ids[key]]


@pytest.mark.parametrize("name", ["smoke-2", "2"])
@pytest.mark.parametrize("command", [["logs"], ["pause", "--job"], ["cancel", "--job"]])
def test_a_label_after_its_ablation_is_that_ones_job(home, database, capsys, command, name):
    ids = submit_two(database)
    assert cli.main(["--home", str(home.root), *command, f"{name} {JOB}"]) == 0
    out = capsys.readouterr().out
    assert re.search(rf"\bjob {ids['smoke-2']}\b", out), out
    assert logs(home, capsys, f"{name}  train recon").startswith(f"{JOB} (job {ids['smoke-2']})")


def test_a_job_that_two_ablations_share_is_one(home, database, capsys):
    make_ablation(database, "a", seeds=1)
    make_ablation(database, "b", seeds=1)
    assert logs(home, capsys, f"a {JOB}") == logs(home, capsys, f"2 {JOB}")
    assert cli.main(["--home", str(home.root), "logs", "train"]) == 2
    assert f"({JOB} of a (1) and b (2))" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("wanted", "says"),
    [
        ("smoke-2 trian recon seed 0", f"(did you mean '2 {JOB}'?)"),
        ("2 recon", f"(did you mean '2 {JOB}'?)"),
        ("2 xyz", f"; jobs are named by an id, or a label such as '{JOB}'"),
        ("0", f"no job '0' in this home; jobs are named by an id, or a label such as '{JOB}'"),
        ("70", f"no job '70' in this home; jobs are named by an id, or a label such as '{JOB}'"),
    ],
)
def test_what_is_suggested_leads_on(home, database, capsys, wanted, says):
    submit_two(database)
    assert cli.main(["--home", str(home.root), "logs", wanted]) == 2
    assert says in capsys.readouterr().err


def test_a_short_word_is_not_suggested_for_itself(home, database, capsys):
    submit(database, planned("v2 of it"))
    assert cli.main(["--home", str(home.root), "logs", "of"]) == 2
    assert "did you mean" not in capsys.readouterr().err


@pytest.mark.parametrize("wanted", ["xyz", "999"])
def test_a_name_that_is_near_none_is_answered_with_what_jobs_are_called(home, database, capsys, wanted):
    make_ablation(database)
    for command in (["logs", wanted], ["pause", "--job", wanted]):
        assert cli.main(["--home", str(home.root), *command]) == 2
        err = capsys.readouterr().err
        assert f"no job '{wanted}' in this home; jobs are named by an id, or a label such as 'train " in err
        assert err.count("'train ") == 1, "one of each kind"


def test_where_nothing_was_submitted_no_job_can_be_named(home, database, capsys):
    assert cli.main(["--home", str(home.root), "logs", "xyz"]) == 2
    assert "nothing was submitted yet" in capsys.readouterr().err


def test_who_follows_what_nobody_does_is_told_how_it_goes_on(home, database):
    make_ablation(database)
    process = subprocess.Popen(
        [sys.executable, str(CLI), "--home", str(home.root), "logs", JOB, "--follow"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment(),
    )  # fmt: skip
    assert process.stderr is not None
    said = process.stderr.readline()
    process.terminate()
    process.communicate()
    assert said.startswith("nobody works on it") and said.endswith(" up --until-done\n")


def test_following_ends_with_the_job_and_shows_each_entry_once(home, database):
    make_ablation(database)
    claim = start(database, JOB, worker(database), time.time())
    process = subprocess.Popen(
        [sys.executable, str(CLI), "--home", str(home.root), "logs", JOB, "--follow"],
        stdout=subprocess.PIPE, text=True, env=environment(),
    )  # fmt: skip
    assert process.stdout is not None
    assert "running" in process.stdout.readline()
    assert "attempt 1 starts" in process.stdout.readline()
    with job_log(home, claim.job_id, 1):
        print("half way")
    assert "half way" in process.stdout.readline()
    jobs.succeed(database, claim, Ending(states.SUCCEEDED, 100), time.time())
    rest = process.stdout.read()
    assert rest.count("attempt 1 succeeded") == 1 and "half way" not in rest
    assert process.wait(60) == 0
