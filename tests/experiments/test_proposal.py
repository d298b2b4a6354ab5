"""Submitting the same name again: the ablation grows, goes on, or is refused; nothing is done twice."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update

import cli
from db import naming, plans, queries
from db.engine import Database
from db.schema import Ablation, Event
from db.states import CANCELLED
from errors import ConfigError, Overtaken
from experiments.proposal import propose
from experiments.reconvla.named_config import load_config
from settings.home import Home
from settings.shown import moment
from tests.support import REPOSITORY


def proposal(database: Database, *overrides: str, **direct: Any):
    return propose(load_config("smoke", None, ("arms=[recon]", *overrides), **direct), database)


def submit(database: Database, *overrides: str, **direct: Any) -> plans.Submitted:
    found = proposal(database, *overrides, **direct)
    grows = found.there if found.grows else None
    return plans.submit(database, found.plan, "test", time.time(), grows, "; ".join(found.told))


def test_more_joins_the_same_ablation(database: Database) -> None:
    first = submit(database, "seeds=[0,1]", "evaluation.sequences=3")
    again = proposal(database, "seeds=[0,1]", "evaluation.sequences=3")
    assert (again.new, again.shared, again.kept, again.more) == (0, 0, first.jobs_added, False)
    before = {job.key: job.id for job in queries.jobs_of(database, 1) if job.kind != "report"}
    more = submit(database, "seeds=[0,1,2]", "evaluation.sequences=7")
    assert more.ablation_id == first.ablation_id
    after = {job.key: job.id for job in queries.jobs_of(database, 1)}
    assert before.items() <= after.items()
    (row,) = queries.ablation_rows(database)
    assert (row.config["seeds"], row.config["evaluation"]["sequences"]) == ([0, 1, 2], 7)
    assert row.job_count == len(after)
    assert len([job for job in queries.jobs_of(database, 1) if job.kind == "report"]) == 1, "one report"
    grew = next(event for event in queries.events(database) if event.kind == "ablation_grew")
    assert "new seeds: 2; 3 sequences become 7" in grew.message
    assert queries.growths(database, 1) == [grew.at] and queries.growths(database, 2) == []
    smaller = proposal(database, "seeds=[1]", "evaluation.sequences=2")
    assert smaller.plan.key == row.key and smaller.new == 0


def test_a_file_that_was_edited_is_named_and_makes_no_second_ablation(
    database: Database, tmp_path: Path
) -> None:
    words = tmp_path / "words.yaml"
    said = ("evaluation.sequences=3", f"evaluation.instructions={words}")
    tasks = load_config("smoke").data.tasks
    assert tasks is not None
    for text in ("do it", "do it well"):
        words.write_text("".join(f"{task}: [{text}]\n" for task in tasks))
        if text == "do it":
            submit(database, *said)
    with pytest.raises(
        ConfigError, match=r"what evaluation\.instructions names holds something else .* --name smoke-2$"
    ):
        proposal(database, *said)
    submit(database, *said, name="smoke-2")
    words.write_text("".join(f"{task}: [do it]\n" for task in tasks))
    again = proposal(database, *said)
    assert (again.new, again.otherwise) == (0, "")


def test_the_report_that_it_had_is_cancelled_where_it_did_not_begin(database: Database) -> None:
    submit(database)
    (old,) = [job for job in queries.jobs_of(database, 1) if job.kind == "report"]
    submit(database, "seeds=[0,1]")
    from sqlalchemy import select

    from db.statements import job

    with database.read() as tx:
        assert tx.execute(select(job.c.state).where(job.c.id == old.id)).scalar() == CANCELLED


def test_two_growths_of_one_plan_do_not_undo_each_other(database: Database) -> None:
    submit(database)
    one, other = proposal(database, "seeds=[0,1]"), proposal(database, "seeds=[0,2]")
    plans.submit(database, one.plan, "one", time.time(), one.there, "")
    with pytest.raises(Overtaken, match="submit it again"):
        plans.submit(database, other.plan, "other", time.time(), other.there, "")
    submit(database, "seeds=[0,2]")
    assert queries.ablation_rows(database)[0].config["seeds"] == [0, 1, 2]


def test_who_was_first_with_a_name_is_not_passed_over(database: Database) -> None:
    one, other = proposal(database), proposal(database, "seeds=[1]")
    plans.submit(database, one.plan, "one", time.time(), first=True)
    with pytest.raises(Overtaken, match="an ablation smoke was submitted meanwhile"):
        plans.submit(database, other.plan, "other", time.time(), first=True)
    plans.submit(database, one.plan, "the same", time.time(), first=True)
    (row,) = queries.ablation_rows(database)
    same, grown = proposal(database), proposal(database, "seeds=[1]")
    plans.submit(database, grown.plan, "grown", time.time(), grown.there)
    with pytest.raises(Overtaken):  # as it was, it would be a second one beside the one that grew
        plans.submit(database, same.plan, "same", time.time(), same.there)
    naming.set_name(database, row.id, "renamed", time.time())
    more = proposal(database, "seeds=[2]", name="renamed")
    naming.set_name(database, row.id, "again", time.time())
    with pytest.raises(Overtaken):
        plans.submit(database, more.plan, "more", time.time(), more.there)
    assert [found.name for found in queries.ablation_rows(database)] == ["again"]


def test_commands_at_the_same_time_make_one_ablation(home: Home, database: Database) -> None:
    words = [sys.executable, str(REPOSITORY / "cli.py"), "--home", str(home.root), "submit-ablation"]
    words += ["--preset", "smoke", "--arms", "recon", "--detach"]
    each = [subprocess.Popen([*words, "--seeds", str(seed)], stderr=subprocess.PIPE) for seed in range(3)]
    assert [(one.communicate()[1], one.returncode)[1] for one in each] == [0, 0, 0]
    (row,) = queries.ablation_rows(database)
    assert sorted(row.config["seeds"]) == [0, 1, 2]
    assert row.key == proposal(database).plan.key, "all of it is planned"


def test_other_settings_of_the_same_name_are_refused_with_a_name(database: Database) -> None:
    submit(database)
    submit(database, name="smoke-2")
    other = r"^ablation smoke \(1\) is in this home with other settings: training\.steps is 20 there and 21 here\."
    with pytest.raises(ConfigError, match=other + ".* --name smoke-3$"):
        proposal(database, "training.steps=21")
    assert proposal(database, "training.steps=21", name="smoke-3").there is None


def test_a_cancelled_one_keeps_nobody_from_its_name(database: Database) -> None:
    from db import jobs

    submit(database)
    jobs.cancel(database, jobs.Target("ablation", 1, "smoke"), time.time())
    assert proposal(database, "training.steps=21").there is None
    assert submit(database).ablation_id == 1, "the same again brings it back"


def test_settings_that_another_name_or_a_cancelled_one_has_go_on_as_told(database: Database) -> None:
    from db import jobs, naming

    first = submit(database)
    naming.set_name(database, 1, "other", time.time())
    found = proposal(database)
    assert found.there is not None and (found.there.id, found.grows) == (1, False)
    assert (found.told, found.kept, found.shared) == (("goes on, called 'other' now",), first.jobs_added, 0)
    assert submit(database).ablation_id == 1
    jobs.cancel(database, jobs.Target("ablation", 1, "other"), time.time())
    assert proposal(database).told == ("goes on, called 'other' now", "it was cancelled")
    submit(database)
    jobs.pause(database, jobs.Target("ablation", 1, "other"), time.time())
    assert proposal(database, name="other", seeds=[0, 1]).told == ("new seeds: 1", "it was paused")
    assert proposal(database, name="other").told == ("its report is made anew", "it was paused")
    assert submit(database, name="other").ablation_id == 1
    assert proposal(database, name="other").told == ()


def test_a_name_that_one_had_is_asked_about(
    database: Database, home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    submit(database)
    naming.set_name(database, 1, "my other", 1e9)
    until = moment(1e9)
    says = (
        rf"^ablation 1 was called 'smoke' until {until} and is called 'my other' now, with settings that go "
    )
    with pytest.raises(
        ConfigError,
        match=says + r"together with these: add to it with --name 'my other', or .* --name smoke-2$",
    ):
        proposal(database, seeds=[0, 1])
    assert proposal(database, name="my other", seeds=[0, 1]).more
    assert proposal(database, name="smoke-2", seeds=[0, 1]).there is None
    beside = proposal(database, "training.steps=21")
    assert beside.there is None
    (told,) = beside.told
    assert told == (
        f"ablation 1 was called 'smoke' until {until} and is called 'my other' now; it has other settings, and stays "
        "as it is"
    )
    words = ["--home", str(home.root), "plan", "--preset", "smoke", "--arms", "recon"]
    assert cli.main([*words, "--seeds", "0,1"]) == 2
    assert "add to it with --name 'my other'" in capsys.readouterr().err
    assert cli.main([*words, "--set", "training.steps=21"]) == 0
    assert "smoke: a new ablation: ablation 1 was called 'smoke' until" in capsys.readouterr().out
    naming.set_name(database, 1, "third", 2e9)
    with pytest.raises(ConfigError, match=f"called 'smoke' until {until} and is called 'third' now"):
        proposal(database, seeds=[0, 1])
    with database.write() as tx:  # as earlier builds wrote it
        tx.execute(update(Event).where(Event.kind == "ablation_renamed").values(data=None))
    with pytest.raises(ConfigError, match=f"called 'my other' until {moment(2e9)} and is called 'third' now"):
        proposal(database, name="my other", seeds=[0, 1])
    naming.set_name(database, 1, "smoke", 3e9)
    assert proposal(database, seeds=[0, 1]).more, "it is called so again"


def test_a_name_that_is_an_id_or_a_key_is_refused_wherever_it_is_given(database: Database) -> None:
    submit(database)
    (row,) = queries.ablation_rows(database)
    for name in ("1", "01", row.key):
        with pytest.raises(
            ConfigError, match=f"^name: '{name}' means ablation 1 already, which is called 'smoke'$"
        ):
            proposal(database, name=name, seeds=[0, 1])
    for name in ("2", "\uff12"):
        with pytest.raises(ConfigError, match=f"^name: '{name}' is a number, which is the id of an ablation"):
            proposal(database, name=name)
    with pytest.raises(ConfigError, match="is a number"):
        propose(load_config("smoke", name="2"), None)


def test_names_that_look_alike_are_one_ablation(database: Database) -> None:
    submit(database, name="gr\u00fcn")
    assert proposal(database, name="gru\u0308n ", seeds=[0, 1]).more
    with database.write() as tx:  # as earlier builds kept it
        tx.execute(update(Ablation).values(name="gru\u0308n "))
    assert proposal(database, name="gr\u00fcn", seeds=[0, 1]).more
    for name in ("gr\u00fcn", "gru\u0308n ", "gru\u0308n"):
        assert [row.id for row in naming.meant(database, name)] == [1]


def test_numbers_that_earlier_builds_took_for_names_go_on(database: Database) -> None:
    submit(database)
    with database.write() as tx:
        stored = tx.execute(select(Ablation.config)).scalar_one()
        tx.execute(update(Ablation).values(name="7", config={**stored, "name": "7"}))
    assert proposal(database, name="7", seeds=[0, 1]).more


def test_plan_writes_nothing_and_says_what_submitting_does(
    database: Database, home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    here = ["--home", str(home.root)]
    words = ["--preset", "smoke", "--arms", "recon"]
    submit(database)
    before = [row.key for row in queries.ablation_rows(database)]
    for command in (["plan"], ["submit-ablation", "--dry-run"]):
        assert cli.main([*here, *command, *words, "--seeds", "0,4", "--json"]) == 0
        told = json.loads(capsys.readouterr().out)
        assert (told["ablation"], told["grows"], told["told"]) == (1, True, ["new seeds: 4"])
        assert told["jobs"]["by_kind"]["ingest"] == {"all": 4, "new": 0}
        assert told["jobs"]["by_kind"]["train"] == {"all": 2, "new": 1}
        assert told["rows"][0]["differs"] == {"method.reconstruction": {"from": "none", "to": "gaze"}}
    assert [row.key for row in queries.ablation_rows(database)] == before
    assert cli.main([*here, "plan", *words, "--vary", "training.steps=5,6", "--name", "sweep"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert (
        lines[0] == "sweep: a new ablation"
        and "steps=5" in lines[1]
        and "training.steps: 20 -> 5" in lines[1]
    )
    assert cli.main([*here, "plan", "--preset", "smoke", "--arms", "recon_pretrain", "--name", "other"]) == 0
    assert "method.pretrained: false -> true" in capsys.readouterr().out
    assert cli.main([*here, "plan", *words, "--set", "training.steps=9"]) == 2
    assert "--name smoke-2" in capsys.readouterr().err


def test_a_plan_for_no_home_makes_none(tmp_path: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--home", str(tmp_path / "none"), "plan", "--preset", "smoke"]) == 0
    assert "smoke: a new ablation" in capsys.readouterr().out
    assert not (tmp_path / "none").exists()


def test_plan_shows_all_that_differs(home: Home, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "mine.yaml"
    settings = "training.learning_rate: 0.0007, training.weight_decay: 0.2, evaluation.max_steps: 7"
    file.write_text(
        f"arms: {{mine: {{base: recon, set: {{{settings}, training.batch_size: 3, training.steps: 9}}}}}}"
    )
    assert cli.main(["--home", str(home.root), "plan", "--preset", "smoke", "--config", str(file)]) == 0
    (line,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("  mine ")]
    for told in (
        "learning_rate: ",
        "weight_decay: ",
        "max_steps: ",
        "batch_size: 8 -> 3",
        "training.steps: 20 -> 9",
    ):
        assert told in line


def test_plan_says_what_is_off_and_what_a_policy_is_told(
    home: Home, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(
        "training: {open_loop: {every_steps: 5}}\narms:\n"
        "  mine: {set: {training: {lora: {rank: 2}, open_loop: null}}}\n"
        "  chance: {policy: {kind: random, seed: 3}}\n"
        "  served: {policy: {kind: http, url: 'http://127.0.0.1:9'}}\n"
    )
    assert cli.main(["--home", str(home.root), "plan", "--preset", "smoke", "--config", str(file)]) == 0
    out = capsys.readouterr().out
    assert "training.lora: off -> on (rank 2, alpha 32, four_bit false)" in out
    assert "training.open_loop: on (every_steps 5, frames 64) -> off" in out
    assert "random, seed: 0 -> 3" in out and "http, url: http://127.0.0.1:9" in out


@pytest.mark.parametrize(
    ("override", "sentence"),
    [
        ("gaze.detector=colr", r"did you mean '?colour"),
        ("data.tasks=[open_drawr]", r"did you mean '?open_drawer"),
    ],
)
def test_a_mistyped_value_is_refused_as_itself_before_names_are_compared(
    database: Database, override: str, sentence: str
) -> None:
    with pytest.raises(ConfigError, match=sentence) as fresh:
        proposal(database, override)
    submit(database)
    with pytest.raises(ConfigError) as again:
        proposal(database, override)
    assert str(again.value) == str(fresh.value)


def test_submitting_counts_jobs_as_the_plan_does(database: Database) -> None:
    submit(database)
    for overrides in (["seeds=[0,1]"], ["name=other", "seeds=[0,2]"], ["seeds=[0,1]"]):
        plan = proposal(database, *overrides)
        done = submit(database, *overrides)
        assert (done.jobs_added, done.jobs_kept, done.jobs_shared - done.jobs_kept) == (
            plan.new, plan.kept, plan.shared,
        )  # fmt: skip
        counts = f"({plan.kept} of this ablation, {plan.shared} shared with others)"
        assert done.told == f"{plan.new} jobs added, {plan.kept + plan.shared} already there {counts}"
    messages = [event.message for event in queries.events(database)]
    assert sum("of this ablation, " in message for message in messages) == 2, "what did not grow has no event"
    assert not any("earlier work" in message for message in messages)
