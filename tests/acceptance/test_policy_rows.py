"""What can be evaluated can be a row of the table: chance, the expert, a server, an OpenVLA, without any training."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import yaml

import cli
from db import plans, queries
from db.engine import Database
from db.migrate import open_state
from db.store import ArtifactStore
from errors import ConfigError, WeightsMissing
from experiments.reconvla.named_config import load_config
from experiments.reconvla.planner import Planner
from experiments.reconvla.report.gather import gather
from experiments.reconvla.report.together import gather_together
from experiments.reconvla.shown_rows import rows_of
from policies.base import Query
from settings.home import Home
from tests.models.openvla_sample import make_openvla
from tests.policies.http_servers import serving
from workers.records import found_in, records_of

pytestmark = pytest.mark.slow

SMALL = ("evaluation.sequences=2", "evaluation.sequences_per_shard=1", "evaluation.max_steps=6")


def still(queries: Sequence[Query]) -> list[np.ndarray]:
    return [np.zeros((5, 7)) for _ in queries]


def rows_file(place: Path, rows: dict[str, object]) -> Path:
    place.write_text(yaml.safe_dump({"arms": rows}, sort_keys=False))
    return place


def test_policies_alone_come_to_a_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_openvla(tmp_path / "openvla")
    home = Home(tmp_path / "home")
    with serving(still) as url:
        rows = {
            "chance": {"policy": {"kind": "random", "seed": 3}},
            "expert": {"policy": {"kind": "expert"}, "title": "the scripted expert"},
            "theirs": {"policy": {"kind": "http", "url": url}},
            "openvla": {"policy": {"kind": "openvla", "folder": str(tmp_path / "openvla")}},
        }
        words = [word for text in SMALL for word in ("--set", text)]
        given = ["--preset", "smoke", "--config", str(rows_file(tmp_path / "rows.yaml", rows)), *words]
        assert (
            cli.main(
                [
                    "--home",
                    str(home.root),
                    "submit-ablation",
                    *given,
                    "--gpus",
                    "none",
                    "--cpus",
                    "2",
                    "--json",
                ]
            )
            == 0
        )
    document = json.loads(capsys.readouterr().out)
    arms = {arm["arm"]: arm for arm in document["arms"]}
    assert list(arms) == list(rows)
    for arm in arms.values():
        assert arm["evaluated_seeds"] == [0] and arm["sequences"] == 2 and arm["avg_len"] is not None
        assert [arm[name] for name in ("train_steps", "slices", "device_seconds", "goodput", "open_loop_error",
                                       "training_loss", "p_value_random")] == [None] * 7  # fmt: skip
    assert arms["expert"]["title"] == "the scripted expert" and arms["theirs"]["title"] == "theirs"
    assert document["comparisons"] == [], "nothing is said of the method"
    assert document["random_policy"]["avg_len"] is not None
    database = open_state(home)
    kinds = [job.kind for job in queries.jobs_of(database, 1)]
    database.close()
    assert kinds == ["evaluate"] * 10 + ["report"], (
        "one evaluation each and the baseline's; no data, no training"
    )
    page = next(home.reports.glob("*/report.html")).read_text()
    assert "the scripted expert" in page and "openvla" in page


def test_rows_stand_as_they_were_written(tmp_path: Path, database: Database, home: Path) -> None:
    """A plan has policies behind the arms, and keys of reports hold the order of a plan."""
    rows = {"chance": {"policy": {"kind": "random", "seed": 3}}, "recon": None,
            "expert": {"policy": {"kind": "expert"}}, "baseline": None}  # fmt: skip
    config = load_config("smoke", rows_file(tmp_path / "rows.yaml", rows), (*SMALL, "seeds=[0, 1]"))
    assert [row["name"] for row in rows_of(config)] == list(rows)
    plans.submit(database, Planner(config).plan(), "submit-ablation", 0.0)
    records = records_of(database, None)
    assert [run.arm for run in records.runs] != list(rows)
    data = gather(records, found_in(ArtifactStore(home)))
    assert list(data.arms()) == list(rows) and [run.seed for run in data.arms()["recon"]] == [0, 1]
    assert list(gather_together([records]).arms()) == [f"rows: {name}" for name in rows]


def test_a_row_by_the_name_of_the_baseline_has_labels_of_its_own(tmp_path: Path) -> None:
    rows = {"random": {"policy": {"kind": "random", "seed": 3}}}
    jobs = Planner(load_config("smoke", rows_file(tmp_path / "rows.yaml", rows), SMALL)).plan().jobs
    told = [job.label for job in jobs if job.kind == "evaluate"]
    assert len(told) == 4 == len(set(told)) and "evaluate random sequences 0-0 (2)" in told


def plan_of(tmp_path: Path, folder: Path) -> set[str]:
    rows = {"openvla": {"policy": {"kind": "openvla", "folder": str(folder)}}, "recon": None}
    config = load_config("smoke", rows_file(tmp_path / "rows.yaml", rows), SMALL)
    return {job.key for job in Planner(config).plan().jobs if job.label.startswith("evaluate openvla")}


def test_a_folder_counts_by_what_lies_in_it(tmp_path: Path) -> None:
    make_openvla(tmp_path / "one")
    make_openvla(tmp_path / "two")
    first = plan_of(tmp_path, tmp_path / "one")
    assert len(first) == 2 and plan_of(tmp_path, tmp_path / "two") == first
    make_openvla(tmp_path / "two", seed=1)
    assert not plan_of(tmp_path, tmp_path / "two") & first


@pytest.mark.parametrize(
    ("rows", "sentence"),
    [
        ({"recon": {"policy": {"kind": "expert"}}}, r"arms\.recon: a built-in arm has this name"),
        ({"new": None}, "unknown arm 'new'; known arms: baseline"),
        ({"a": {"policy": {"kind": "reconvla"}}}, r"arms\.a\.policy\.model: is missing"),
        ({"a": {"policy": {"kind": "http", "url": "http://x", "chunk_steps": 0}}}, r"policy\.chunk_steps: must"),
        ({"a": {"titel": "x"}}, r"unknown key 'arms\.a\.titel'"),
        ({"a": {"policy": {"kind": "expert"}, "titel": "x"}}, r"unknown key 'arms\.a\.titel'"),
        ({"a/b": {"policy": {"kind": "expert"}}}, r"arms\.a/b.*: a name must do for a folder"),
        (5, r"arms: a list stands here \(got '5'\)"),
        ({}, "arms is empty"),
    ],
)  # fmt: skip
def test_a_wrong_row_is_named(tmp_path: Path, rows: dict[str, object], sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        load_config("smoke", rows_file(tmp_path / "rows.yaml", rows), SMALL)


def test_a_folder_without_a_policy_is_refused_when_planning(tmp_path: Path) -> None:
    with pytest.raises(WeightsMissing, match="nowhere is not a folder"):
        plan_of(tmp_path, tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("policy", "sentence"),
    [
        ({"kind": "http", "url": "ftp://x"}, r"arms\.a\.policy: ftp://x is no address of a policy server"),
        ({"kind": "folder", "folder": "openvla"}, r"arms\.a\.policy\.kind: .* holds an OpenVLA"),
        ({"kind": "openvla", "folder": "openvla", "statistics": "other"}, r"arms\.a\.policy: .*other"),
    ],
)
def test_what_no_job_could_open_is_refused_when_planning(
    policy: dict[str, object], sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    make_openvla(tmp_path / "openvla")
    config = load_config("smoke", rows_file(tmp_path / "rows.yaml", {"a": {"policy": policy}}), SMALL)
    with pytest.raises(ConfigError, match=sentence):
        Planner(config).plan()


def test_a_bundle_tells_of_rows_that_ask_elsewhere(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = {"theirs": {"policy": {"kind": "http", "url": "http://127.0.0.1:9"}}}
    given = ["--preset", "smoke", "--config", str(rows_file(tmp_path / "rows.yaml", rows)), "--detach"]
    old, new, bundle = (str(tmp_path / name) for name in ("old", "new", "one.bundle"))
    assert cli.main(["--home", old, "submit-ablation", *given]) == 0
    assert cli.main(["--home", old, "bundle", "export", bundle]) == 0
    assert "warning: arms theirs: their policies are asked over a network" in capsys.readouterr().err
    assert cli.main(["--home", new, "bundle", "import", bundle]) == 2
    assert "import it with --policies" in capsys.readouterr().err
    assert cli.main(["--home", new, "bundle", "import", "--policies", bundle]) == 0


def test_rows_are_chosen_by_their_names(tmp_path: Path) -> None:
    rows = {
        "baseline": None,
        "expert": {"policy": {"kind": "expert"}},
        "chance": {"policy": {"kind": "random"}},
    }
    config = load_config("smoke", rows_file(tmp_path / "rows.yaml", rows), arms=["expert", "recon"])
    assert (list(config.trained), list(config.policies)) == (["recon"], ["expert"])


def test_arms_and_rows_stand_beside_each_other(tmp_path: Path) -> None:
    """The jobs of an arm are those that it has without any row."""
    rows = {"recon": None, "expert": {"policy": {"kind": "expert"}}}
    beside = Planner(load_config("smoke", rows_file(tmp_path / "rows.yaml", rows), SMALL)).plan()
    alone = Planner(load_config("smoke", None, SMALL, arms=["recon"])).plan()
    more = {job.label for job in beside.jobs} - {job.label for job in alone.jobs}
    assert more == {"evaluate expert sequences 0-0", "evaluate expert sequences 1-1"}
    kept = {job.key for job in alone.jobs if job.kind != "report"}
    assert kept < {job.key for job in beside.jobs}
