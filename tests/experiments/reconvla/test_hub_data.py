"""An ablation whose data are on the Hub: pinned once, fetched by a job, and then planned as one of the same folder."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from db import jobs, plans, queries
from db.engine import Database
from db.plans import Plan
from db.states import BLOCKED, READY, SUCCEEDED
from errors import ConfigError, DatasetError, HubUnreachable, InvalidInput
from experiments.foreign_parameters import check_policy
from experiments.proposal import Proposal, propose
from experiments.reconvla import planning
from experiments.reconvla.hub_data import local, pinned
from experiments.reconvla.hub_needs import absent, told_room
from experiments.reconvla.named_config import load_config
from hub.copies import SPARE_BYTES
from tasks.context import Finished, TaskContext, Yielded
from tasks.data import fetch, ingest
from tasks.registry import FETCH, INGEST, PLAN, versions
from tests.calvin import lerobot_sets as sets
from tests.calvin.samples import make_episode
from tests.calvin.writing import write_split
from tests.hub.loopback import COMMIT, OTHER_COMMIT, Hub, Repository
from tests.hub.serving import serve  # noqa: F401  (a fixture)
from tests.support import states
from tests.tasks.fake_context import FakeContext
from tests.toy_kinds import Result
from tests.workers.conftest import Bench, bench  # noqa: F401  (a fixture)

Serve = Callable[..., Hub]
NAME = "hub:lab/data"


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    folder = tmp_path / "dataset"
    for number, split in enumerate(("training", "validation")):
        first, second = 100 + 100 * number, 104 + 100 * number
        episodes = [make_episode(first, 4), make_episode(second, 4, 1, task="close_drawer")]
        write_split(folder, split, episodes)
    return folder


@pytest.fixture
def hub(serve: Serve, dataset: Path) -> Hub:  # noqa: F811
    files = {
        str(file.relative_to(dataset)): file.read_bytes() for file in dataset.rglob("*") if file.is_file()
    }
    return serve(
        lab__data=Repository({**files, "README.md": b"about"}, branches={"main": COMMIT, "v2": OTHER_COMMIT})
    )


def asked(database: Database | None, root: str = NAME, *overrides: str, **direct: Any) -> Proposal:
    given = (
        "arms=[baseline]",
        'data.tasks=["open_drawer"]',
        "evaluation.simulator=calvin",
        "evaluation.sequences=0",
    )
    return propose(load_config("smoke", None, (given[0], *overrides), data__root=root, **direct), database)


def submit(database: Database, proposal: Proposal) -> plans.Submitted:
    return plans.submit(
        database, proposal.plan, "test", time.time(), proposal.there if proposal.grows else None
    )


def spec_of(plan: Plan, kind: str) -> Any:
    return next(job.spec for job in plan.jobs if job.kind == kind)


def fetched(folder: Path, plan: Plan) -> Finished[Any]:
    done = fetch.run(FakeContext(folder, spec_of(plan, "fetch"), kind=FETCH))
    assert isinstance(done, Finished)
    return done


def keys(plan: Plan) -> set[str]:
    """But for the report's, which holds all settings."""
    return {job.key for job in plan.jobs if job.kind != "report"}


def test_it_is_fetched_first_by_commit_and_then_planned_as_the_same_folder_is(
    hub: Hub, dataset: Path, tmp_path: Path
) -> None:
    plan = asked(None).plan
    assert [job.kind for job in plan.jobs] == ["fetch", "plan"]
    assert spec_of(plan, "fetch")["name"] == f"{NAME}@{COMMIT}"
    assert plan.config["data"]["root"] == f"{NAME}@{COMMIT}"
    done = fetched(tmp_path / "job", plan)
    assert done.result.files == len(hub.repositories["lab/data"].files)
    planned = planning.run(FakeContext(tmp_path / "plan", spec_of(plan, "plan"), kind=PLAN))
    assert isinstance(planned, Finished) and isinstance(planned.plan, Plan)
    assert keys(planned.plan) == keys(asked(None, str(dataset)).plan)
    assert asked(None).plan.key == planned.plan.key, "what is here is planned at once"
    assert spec_of(planned.plan, "ingest")["root"] == f"{NAME}@{COMMIT}"


def test_a_branch_that_moves_changes_no_ablation_that_is_there(hub: Hub, database: Database) -> None:
    first = asked(database)
    submit(database, first)
    hub.repositories["lab/data"].branches["main"] = OTHER_COMMIT
    again = asked(database)
    assert (again.plan.key, again.more) == (first.plan.key, False)
    assert asked(database, name="another").plan.config["data"]["root"] == f"{NAME}@{OTHER_COMMIT}"
    with pytest.raises(ConfigError, match=r"data.root is .*c0ffee.* there and .*beef.* here"):
        asked(database, f"{NAME}@{OTHER_COMMIT}")


def test_two_ablations_share_what_is_fetched(hub: Hub, database: Database) -> None:
    submit(database, asked(database))
    other = asked(database, "hub:lab/data@main", name="another")
    assert (other.new, other.shared) == (1, 1)


def test_the_end_of_the_planning_job_gives_the_ablation_its_jobs(
    hub: Hub,
    database: Database,
    bench: Bench,  # noqa: F811
    tmp_path: Path,
) -> None:
    proposal = asked(database)
    submitted = submit(database, proposal)
    fetch_label, plan_label = (job.label for job in proposal.plan.jobs)
    assert states(database) == {fetch_label: READY, plan_label: BLOCKED}
    jobs.ring(database, "cpu", 1000, 1e12, versions())
    assert bench.run(fetch_label, as_job(fetch.run, FETCH, tmp_path / "fetch")) == SUCCEEDED
    jobs.ring(database, "cpu", 1000, 1e12, versions())
    assert bench.run(plan_label, as_job(planning.run, PLAN, tmp_path / "plan")) == SUCCEEDED
    assert bench.executor.released
    (ablation,) = queries.ablation_rows(database)
    now = asked(database)
    assert (ablation.id, ablation.key) == (submitted.ablation_id, now.plan.key)
    assert {job.key for job in queries.jobs_of(database, ablation.id)} == {job.key for job in now.plan.jobs}
    assert (now.new, now.more, now.otherwise) == (0, False, "")
    assert READY in {state for label, state in states(database).items() if label.startswith("ingest")}


def as_job(body: Callable[[Any], Any], kind: Any, folder: Path) -> Callable[[TaskContext], Result]:
    def run(context: TaskContext) -> Result:
        own = FakeContext(folder, kind.spec_of(row_spec(context)), kind=kind)
        return body(own)

    return run


def row_spec(context: Any) -> dict[str, Any]:
    spec: dict[str, Any] = context._claim.spec
    return spec


def test_what_planning_refuses_ends_the_job_in_its_sentence(hub: Hub, tmp_path: Path) -> None:
    files = hub.repositories["lab/data"].files
    for path in [path for path in files if path.startswith("training/lang")]:
        del files[path]
    plan = asked(None).plan
    fetched(tmp_path / "job", plan)
    with pytest.raises(DatasetError, match=r"auto_lang_ann\.npy"):
        planning.run(FakeContext(tmp_path / "plan", spec_of(plan, "plan"), kind=PLAN))


def test_a_machine_that_lacks_the_copy_fetches_it_before_it_reads(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetched(tmp_path / "job", asked(None).plan)
    spec = spec_of(asked(None).plan, "ingest")
    monkeypatch.setenv("BATON_HUB_CACHE", str(tmp_path / "another machine"))
    context = FakeContext(tmp_path / "ingest", spec, kind=INGEST)
    assert isinstance(ingest.run(context), Finished)
    assert len(context.published) == 2
    assert local(f"{NAME}@{COMMIT}").is_relative_to(tmp_path / "another machine")


def test_a_fetch_that_is_told_to_leave_goes_on_where_it_was(hub: Hub, tmp_path: Path) -> None:
    hub.repositories["lab/data"].files["film.bin"] = bytes(range(256)) * 40_000
    hub.pace = 8e6
    plan = asked(None).plan
    told = FakeContext(tmp_path / "job", spec_of(plan, "fetch"), kind=FETCH, checks=1, reason="preempted")
    assert fetch.run(told) == Yielded("preempted")
    assert told.step > 0, "what came is progress"
    hub.pace = None
    again = FakeContext(tmp_path / "job", spec_of(plan, "fetch"), kind=FETCH, earlier=told)
    done = fetch.run(again)
    assert isinstance(done, Finished)
    assert done.result.moved < done.result.bytes - told.step * fetch.STEP_BYTES + (2 << 20)


def test_where_nothing_of_it_is_a_fetch_counts_from_what_is_there(hub: Hub, tmp_path: Path) -> None:
    """Else what comes is no progress until it is further than elsewhere, and three kills would be poison."""
    hub.repositories["lab/data"].files["film.bin"] = bytes(range(256)) * 80_000
    spec = spec_of(asked(None).plan, "fetch")
    elsewhere = FakeContext(tmp_path / "job", spec, kind=FETCH)
    elsewhere.step = 18
    hub.pace = 8e6
    told = FakeContext(tmp_path / "job", spec, kind=FETCH, earlier=elsewhere, checks=1, reason="preempted")
    assert fetch.run(told) == Yielded("preempted")
    assert told.steps[0] == 0 and 0 < told.step < 18
    hub.pace = None
    again = FakeContext(tmp_path / "job", spec, kind=FETCH, earlier=told)
    assert isinstance(fetch.run(again), Finished)
    assert again.steps[0] >= told.step, "where it was broken off it goes on"


def test_an_ablation_that_was_planned_cannot_change_where_its_data_are_not(
    hub: Hub, database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetched(tmp_path / "job", asked(None).plan)
    submit(database, asked(database))
    monkeypatch.setenv("BATON_HUB_CACHE", str(tmp_path / "another machine"))
    with pytest.raises(ConfigError, match="was planned with data that are not whole on this machine"):
        asked(database, NAME, "seeds=[0,1]")


@pytest.fixture
def lerobot(serve: Serve, tmp_path: Path) -> Hub:  # noqa: F811
    """Six of the training, and two of the validation, a table and two films each, beside a camera that nobody reads."""
    shown = [*sets.episodes(6), *sets.episodes(2, 50, sets.HELD_OUT)]
    root = sets.write_v2(tmp_path / "lerobot", shown, pictures="films")
    files = {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}
    return serve(lab__data=Repository({**files, "README.md": b"about", "original.zip": bytes(5000)}))


def numbers(hub: Hub) -> set[int]:
    """Of the episodes of which anything was asked."""
    return {int(Path(path).stem[-6:]) for path, _ in hub.asked if "episode_" in path}


def test_only_what_is_read_is_fetched(lerobot: Hub, tmp_path: Path) -> None:
    plan = asked(None, NAME, "data.episodes=1-2,6").plan
    assert numbers(lerobot) == set() and {path.partition("/")[0] for path, _ in lerobot.asked} == {"meta"}
    spec = spec_of(plan, "fetch")
    assert (spec["episodes"], spec["cameras"]) == ("1-2,6", list(sets.CAMERAS.values()))
    fetched(tmp_path / "job", plan)
    assert numbers(lerobot) == {1, 2, 6}
    assert {path for path, _ in lerobot.asked if "." in path and "/" not in path} == set()
    planned = asked(None, NAME, "data.episodes=1-2,6").plan
    assert "ingest" in {job.kind for job in planned.jobs}, "what is needed is here"
    whole = asked(None).plan
    assert [job.kind for job in whole.jobs] == ["fetch", "plan"] and spec_of(whole, "fetch")[
        "episodes"
    ] == "0-7"
    assert (
        planned.jobs[0].key == asked(None, str(tmp_path / "lerobot"), "data.episodes=1-2,6").plan.jobs[0].key
    )


def test_a_machine_fetches_what_its_own_job_needs(
    lerobot: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetched(tmp_path / "job", asked(None).plan)
    plan = asked(None, NAME, "data.chunk=2").plan
    spec = next(job.spec for job in plan.jobs if job.label.startswith("ingest training 2-3"))
    monkeypatch.setenv("BATON_HUB_CACHE", str(tmp_path / "another machine"))
    lerobot.asked.clear()
    assert isinstance(ingest.run(FakeContext(tmp_path / "ingest", spec, kind=INGEST)), Finished)
    assert numbers(lerobot) == {2, 3}


def test_what_the_lists_tell_is_refused_before_anything_is_fetched(lerobot: Hub) -> None:
    with pytest.raises(DatasetError, match=r"has no validation demonstration: .*data\.episodes \(0-3\)"):
        asked(None, NAME, "data.episodes=0-3")
    with pytest.raises(DatasetError, match="are no episodes of the set, which has 0 to 7"):
        asked(None, NAME, "data.episodes=0-8")
    del lerobot.repositories["lab/data"].files["data/chunk-000/episode_000003.parquet"]
    lerobot.repositories["lab/data"].branches["v3"] = OTHER_COMMIT
    with pytest.raises(
        DatasetError, match=r"episode_000003\.parquet' is missing: an episode is listed to be"
    ):
        asked(None, f"{NAME}@v3")
    assert numbers(lerobot) == set()


def test_a_set_that_is_too_large_is_refused_with_what_would_fit(
    lerobot: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = lerobot.repositories["lab/data"].files
    free = sum(
        len(files[path]) for path in files if any(f"_{number:06d}." in path for number in (0, 1, 2, 6))
    )

    class Usage:
        pass

    Usage.free = free + SPARE_BYTES  # type: ignore[attr-defined]
    monkeypatch.setattr("shutil.disk_usage", lambda _: Usage)
    with pytest.raises(
        ConfigError, match=r"yet to come; .* are free where .*: data\.episodes=\S+ would fit, \d of 8"
    ):
        asked(None)
    assert numbers(lerobot) == set()
    config = load_config("smoke", None, ("arms=[baseline]", "data.episodes=0,6"), data__root=NAME)
    with pytest.raises(ConfigError, match=r"its jobs make some .* of it on the same disk"):
        told_room(pinned(config), tmp_path / "home")
    Usage.free = 1 << 30  # type: ignore[attr-defined]
    told = told_room(pinned(config), tmp_path / "home")
    assert told is not None and "are yet to come to" in told and "on the same disk" in told


def test_too_small_a_disk_is_told_before_anything_is_fetched(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Usage:
        free = 1000

    monkeypatch.setattr("shutil.disk_usage", lambda _: Usage)
    with pytest.raises(ConfigError, match=r"its \d+ files have .* yet to come; 1.0 kB are free where .* is"):
        asked(None)
    assert hub.asked == []


@pytest.mark.parametrize(
    ("root", "why"),
    [
        ("hub:lab", "data.root: 'hub:lab' is not hub:owner/name"),
        ("hub:lab/other", "the Hub has no dataset lab/other"),
        ("hub:lab/data@v9", "has no revision 'v9'"),
        ("hub:lab/data/nowhere", "has no path 'nowhere'"),
    ],
)
def test_a_name_that_means_nothing_is_one_sentence(root: str, why: str, hub: Hub) -> None:
    with pytest.raises(InvalidInput, match=why):
        asked(None, root)


def test_offline_what_is_here_is_enough_and_what_is_not_is_told(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetched(tmp_path / "job", asked(None).plan)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    assert len(asked(None).plan.jobs) > 2
    with pytest.raises(HubUnreachable, match="HF_HUB_OFFLINE forbids"):
        asked(None, "hub:lab/data@v2")


def test_names_in_an_arm_of_its_own_and_of_models_are_pinned_too(hub: Hub) -> None:
    hub.repositories["lab/tower"] = Repository({"config.json": b"{}"}, kind="model")
    arms = 'arms={"baseline":null,"other":{"set":{"data.root":"hub:lab/data@v2"}}}'
    plan = propose(
        load_config("smoke", None, (arms, "model.backbones.vision=hub:lab/tower"), data__root=NAME), None
    ).plan
    assert [job.spec["name"] for job in plan.jobs if job.kind == "fetch"] == [
        f"hub:lab/data@{OTHER_COMMIT}", f"{NAME}@{COMMIT}", f"hub:lab/tower@{COMMIT}",
    ]  # fmt: skip
    assert plan.config["model"]["backbones"]["vision"] == f"hub:lab/tower@{COMMIT}"


def test_the_folder_of_a_policy_is_pinned_and_fetched_too(hub: Hub) -> None:
    hub.repositories["lab/vla"] = Repository({"config.json": b"{}"}, kind="model")
    arms = 'arms={"baseline":null,"theirs":{"policy":{"kind":"openvla","folder":"hub:lab/vla"}}}'
    plan = propose(load_config("smoke", None, (arms,), data__root=NAME), None).plan
    assert plan.config["arms"]["theirs"]["policy"]["folder"] == f"hub:lab/vla@{COMMIT}"
    assert {job.spec["of"] for job in plan.jobs if job.kind == "fetch"} == {"dataset", "model"}
    told = {"kind": "openvla", "folder": f"hub:lab/vla@{COMMIT}"}
    assert check_policy(told, "policy", policies=True) == [told["folder"]]
    for folder, why in (("hub:lab/vla", "names no commit"), ("hub:lab", "is not hub:owner/name")):
        with pytest.raises(ValueError, match=why):
            check_policy({**told, "folder": folder}, "policy", policies=True)


def test_without_a_name_on_the_hub_nothing_is_asked(dataset: Path) -> None:
    assert absent(load_config("smoke", None, (), data__root=str(dataset))) == []
