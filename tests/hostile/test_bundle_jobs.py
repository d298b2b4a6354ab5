"""What the jobs and ablations of a stranger's bundle are told: what a planner writes, and no program."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from experiments.foreign import ForeignJobs
from experiments.reconvla.named_config import load_config
from experiments.reconvla.planner import Planner
from tests.db.bundle.conftest import sealed as sealed
from tests.hostile.sentences import sentence

PROGRAM = "/usr/bin/some-program"
OF_JOBS: dict[str, tuple[str, dict[str, Any], str]] = {
    "an unknown kind": ("shell", {}, "kind 'shell'"),
    "a number with a path": ("gaze", {"number": "../../x"}, "number"),
    "a demonstration with a path": ("ingest", {"demonstrations": [{"number": "../x"}]}, "number"),
    "a split with a path": ("ingest", {"split": "../.."}, "split"),
    "a dataset beside the home": ("ingest", {"root": "artifacts"}, "no whole path"),
    "a dataset of a process": ("ingest", {"root": "/proc/self/cwd"}, "lie still"),
    "a dataset of devices": ("ingest", {"root": "/x/../dev/fd"}, "lie still"),
    "a dataset of devices behind two strokes": ("ingest", {"root": "//dev/fd"}, "lie still"),
    "a dataset of a process behind two strokes": ("ingest", {"root": "//proc/self/root/x"}, "lie still"),
    "weights of a device behind two strokes": ("gaze", {"options": {"weights": "//dev/zero"}}, "lie still"),
    "assets of the system behind two strokes": ("evaluate", {"assets": "//sys"}, "lie still"),
    "a dataset with a zero": ("ingest", {"root": "/a\0b"}, "printed"),
    "a dataset of a branch, which may be another tomorrow": ("ingest", {"root": "hub:lab/data@main"}, "no commit"),
    "a dataset of no name on the Hub": ("ingest", {"root": "hub:lab/../x"}, "cannot be an owner or a name"),
    "a plan of no settings": ("plan", {"settings": [1]}, "no mapping"),
    "a plan of a policy server": (
        "plan",
        {"settings": {"arms": {"x": {"policy": {"kind": "http", "url": "http://host.example/act"}}}}},
        "--policies",
    ),
    "a dataset behind a URL": ("ingest", {"root": "s3://bucket/x"}, "no whole path"),
    "a scene with a path": ("ingest", {"demonstrations": [{"scene": "../x"}]}, "scene"),
    "a source of its own": ("ingest", {"source": "os:system"}, "source"),
    "a detector of its own": ("gaze", {"detector": "os:system"}, "detector"),
    "an option that runs a file": ("gaze", {"options": {"config": "/tmp/x.py"}}, "config"),
    "an option that loads a folder": ("gaze", {"options": {"text_encoder": "x"}}, "text_encoder"),
    "an option of a device": ("gaze", {"options": {"device": "cuda"}}, "device"),
    "options that are a list": ("gaze", {"options": []}, "options"),
    "weights of somebody's hub": ("gaze", {"options": {"weights": "somebody/weights"}}, "no whole path"),
    "weights behind a URL": ("gaze", {"options": {"weights": "https://host.example/x"}}, "no whole path"),
    "weights beside the home": ("gaze", {"options": {"weights": "home/x.pth"}}, "no whole path"),
    "weights of a bundle": (
        "gaze", {"options": {"weights": f"/some/home/artifacts/00/{'0' * 64}.pth"}}, "store of a home"
    ),
    "weights of an evaluation": (
        "evaluate", {"gaze": {"detector": "groundingdino_py", "options": {"weights": "x"}}}, "no whole path"
    ),
    "an option of an evaluation": ("evaluate", {"gaze": {"options": {"config": "/tmp/x.py"}}}, "config"),
    "assets behind a URL": ("evaluate", {"assets": "ftp://host.example/x"}, "no whole path"),
    "assets of a process": ("evaluate", {"assets": "/proc/1/root"}, "lie still"),
    "a policy behind a URL": ("evaluate", {"policy": "http://host.example/act"}, "policy"),
    "a policy server": (
        "evaluate", {"mode": "closed_loop", "policy": {"kind": "http", "url": "http://host.example/act"}}, "policy"
    ),
    "a policy of a folder": ("evaluate", {"policy": {"kind": "openvla", "folder": "/x"}}, "policy"),
    "a simulator of its own": ("evaluate", {"simulator": "os:system"}, "simulator"),
    "a renderer of its own": ("evaluate", {"renderer": "x"}, "renderer"),
    "simulators without end": ("evaluate", {"simulators": 10**9}, "simulators"),
    "sequences without end": ("evaluate", {"drawn": 10**9}, "drawn"),
    "threads without end": ("evaluate", {"threads": 10**9}, "threads"),
    "threads of a training": ("train", {"training": {"threads": 10**9}}, "threads"),
    "steps without end": ("train", {"training": {"steps": 10**12}}, "steps"),
    "a slice that is a text": ("train", {"slice_seconds": "x"}, "slice_seconds"),
    "settings of a training that are a list": ("train", {"training": []}, "training"),
    "a backbone beside the home": ("train", {"model": {"backbones": {"vision": {"root": "x"}}}}, "no whole path"),
    "a backbone of its own": ("train", {"model": {"backbones": {"x": {"root": "/x"}}}}, "backbones"),
    "a tokenizer on the hub": ("pretrain", {"model": {"tokenizer": {"root": "somebody/x"}}}, "no whole path"),
    "a model that is a list": ("reconstruct", {"model": []}, "model"),
    "a seed that is a text": ("reconstruct", {"seed": "x"}, "seed"),
    "a renderer of the frames that is a list": ("evaluate", {"frames_renderer": ["tiny"]}, "frames_renderer"),
    "a basis that is an object": ("evaluate", {"frames_basis": {}}, "frames_basis"),
    "scenes of the frames that are a list": ("evaluate", {"frames_scenes": []}, "frames_scenes"),
    "scenes that are none": ("evaluate", {"scenes": "somewhere"}, "scenes"),
    "tasks that nobody has": ("evaluate", {"untrained_tasks": [1]}, "untrained_tasks"),
    "tasks that are a text": ("evaluate", {"untrained_tasks": "abc"}, "untrained_tasks"),
    "pictures that are perhaps packed": ("evaluate", {"jpeg": "yes"}, "jpeg"),
    "a motion that is a number": ("index", {"repeat_motion": 1}, "repeat_motion"),
    "heads that are a text": ("attention", {"attention": {"heads": "x"}}, "heads"),
    "numbers that are texts": ("index", {"numbers": ["../x"]}, "numbers"),
    "an ablation that is a list": ("report", {"ablation": []}, "ablation"),
}  # fmt: skip


@pytest.mark.parametrize("case", OF_JOBS)
def test_a_job_is_told_nothing_that_a_planner_does_not_write(case: str, tmp_path: Path) -> None:
    kind, told, says = OF_JOBS[case]
    judge = ForeignJobs(tmp_path)
    with pytest.raises(ValueError, match=says) as refused:
        judge.parameters(kind, told)
    sentence(refused, "")


OF_ABLATIONS: dict[str, tuple[dict[str, Any], str]] = {
    "an unknown section": ({"shell": {}}, "shell"),
    "a section that is a list": ({"data": []}, "data"),
    "a section that is a text": ({"gaze": "x"}, "gaze"),
    "a name with a path": ({"name": "../x"}, "name"),
    "arms of its own": ({"arms": ["x"]}, "arm"),
    "seeds without end": ({"seeds": [10**12]}, "seeds"),
    "steps without end": ({"training": {"steps": 10**12}}, "steps"),
    "a dataset of a process": ({"data": {"root": "/proc/self/root"}}, "lie still"),
    "weights in a store": ({"gaze": {"weights": f"artifacts/00/{'0' * 64}.pth"}}, "store of a home"),
    "phrases of a device": ({"evaluation": {"instructions": "/dev/stdin"}}, "lie still"),
    "a backbone in a store": (
        {"model": {"backbones": {"vision": f"/x/artifacts/00/{'0' * 64}"}}}, "store of a home"
    ),
}  # fmt: skip


PLANNED = {
    "bounds": [0.0125, 0.0125, 0.0125],
    "seeds": {"baseline": 4, "recon": 3, "heavy": 4},
    "open": ["heavy"],
}
ROUNDS: dict[str, tuple[dict[str, Any], str]] = {
    "a bound that calls everything different": ({"bounds": [0.0125, 0.99, 0.0125]}, r"bounds: 0.99, and no plan"),
    "a bound as if nothing else were compared": ({"bounds": [0.05, 0.05, 0.05]}, "no plan has one above 0.025"),
    "a look more": ({"bounds": [0.01] * 4}, r"4 bounds for looks at 3 to 5 seeds"),
    "a bound that is none": ({"bounds": [0.01, float("nan"), 0.01]}, "bounds"),
    "no seeds": ({"seeds": {}}, r"planned.seeds: \[\] are not the arms"),
    "an arm that nobody has": ({"seeds": {"baseline": 4, "recon": 3, "x": 4}}, "are not the arms"),
    "fewer seeds than the first look has": ({"seeds": {"baseline": 4, "recon": 0, "heavy": 4}}, "seeds.recon: 0"),
    "more seeds than the last look has": ({"seeds": {"baseline": 50, "recon": 3, "heavy": 4}}, "seeds.baseline: 50"),
    "more seeds than the baseline": ({"seeds": {"baseline": 3, "recon": 3, "heavy": 4}}, "seeds.heavy: 4"),
    "an open arm that nobody has": ({"open": ["x"]}, r"planned.open: \('x',\) are not of the arms"),
    "an open baseline": ({"open": ["baseline"]}, "planned.open"),
    "an arm that is open twice": ({"open": ["heavy"] * 1000}, "planned.open"),
}  # fmt: skip


def _with_rounds(**planned: Any) -> dict[str, Any]:
    arms = {"baseline": None, "recon": None, "heavy": {"base": "recon"}}
    return {"arms": arms, "seeds": {"adaptive": {"max": 5, "margin": 0.9, "planned": PLANNED | planned}}}


@pytest.mark.parametrize("case", ROUNDS)
def test_rounds_that_no_plan_writes_are_refused(case: str, tmp_path: Path) -> None:
    told, says = ROUNDS[case]
    for settings in (lambda of: of.settings(_with_rounds(**told)),
                     lambda of: of.parameters("plan", {"settings": _with_rounds(**told)})):  # fmt: skip
        with pytest.raises(ValueError, match=says) as refused:
            settings(ForeignJobs(tmp_path))
        sentence(refused, "")


def test_rounds_that_a_plan_writes_are_taken_over(tmp_path: Path) -> None:
    assert ForeignJobs(tmp_path).settings(_with_rounds()) == _with_rounds()


@pytest.mark.parametrize("case", OF_ABLATIONS)
def test_settings_of_another_shape_are_refused(case: str, tmp_path: Path) -> None:
    settings, says = OF_ABLATIONS[case]
    with pytest.raises(ValueError, match=says) as refused:
        ForeignJobs(tmp_path).settings(settings)
    sentence(refused, "")


def test_a_place_that_a_link_leads_into_the_store_from_is_refused(tmp_path: Path) -> None:
    (tmp_path / "store").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "store")
    with pytest.raises(ValueError, match="this home's store"):
        ForeignJobs(tmp_path / "store").parameters("ingest", {"root": str(tmp_path / "link" / "x")})


@pytest.mark.parametrize("place", ["/dev", "/proc/self", "/sys"])
def test_a_place_that_a_link_leads_to_what_is_made_up_from_is_refused(place: str, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(place)
    for kind, told in (
        ("ingest", {"root": f"{tmp_path}/link/x"}),
        ("evaluate", {"assets": f"{tmp_path}/link"}),
    ):
        with pytest.raises(ValueError, match="lie still"):
            ForeignJobs(tmp_path / "store").parameters(kind, told)
    with pytest.raises(ValueError, match="lie still"):
        ForeignJobs(tmp_path / "store").settings({"data": {"root": f"{tmp_path}/link/x"}})


ASKED = {
    "a server": {"kind": "http", "url": "http://127.0.0.1:9"},
    "a folder": {"kind": "openvla", "folder": "/data/openvla"},
}
ALLOWED = {"chance": {"kind": "random", "seed": 3}, "the expert": {"kind": "expert"}}


@pytest.mark.parametrize("case", ASKED)
def test_whom_a_machine_asks_is_for_who_runs_it_to_say(case: str, tmp_path: Path) -> None:
    settings = {"arms": {"theirs": {"policy": ASKED[case]}}}
    told = {"mode": "closed_loop", "policy": {k: v for k, v in ASKED[case].items() if k != "folder"}}
    told |= {"policy_folder": ASKED[case]["folder"]} if "folder" in ASKED[case] else {}
    for judge in (lambda of: of.settings(settings), lambda of: of.parameters("evaluate", told)):
        with pytest.raises(ValueError, match=r"policy: one that is asked .*import it with --policies"):
            judge(ForeignJobs(tmp_path))
        judge(ForeignJobs(tmp_path, policies=True))


@pytest.mark.parametrize("case", ALLOWED)
def test_a_policy_that_reaches_nowhere_is_taken_over(case: str, tmp_path: Path) -> None:
    settings = {"arms": {"mine": {"policy": ALLOWED[case]}}}
    assert ForeignJobs(tmp_path).settings(settings) == settings


@pytest.mark.parametrize("folder", ["/proc/self/cwd", "/dev/shm", f"/x/artifacts/00/{'0' * 64}"])
def test_a_folder_where_nobodys_policy_lies_is_refused_all_the_same(folder: str, tmp_path: Path) -> None:
    judge = ForeignJobs(tmp_path, policies=True)
    with pytest.raises(ValueError, match=r"lie still|store of a home"):
        judge.settings({"arms": {"theirs": {"policy": {"kind": "openvla", "folder": folder}}}})
    with pytest.raises(ValueError, match=r"lie still|store of a home"):
        judge.parameters(
            "evaluate", {"mode": "closed_loop", "policy": {"kind": "openvla"}, "policy_folder": folder}
        )


PRESETS = {
    "smoke": (),
    "quick": (
        "training.early_stopping={}",
        "training.open_loop={}",
        "training.lora={}",
        "gaze.untrusted=drop",
    ),
}


@pytest.mark.parametrize("preset", PRESETS)
def test_what_a_planner_writes_is_kept_as_it_is(preset: str, tmp_path: Path) -> None:
    arms = "arms=[baseline, explicit_grounding, cot_grounding, whole_image_recon, recon, recon_pretrain]"
    config = load_config(preset, None, (arms, *PRESETS[preset]))
    judge = ForeignJobs(tmp_path)
    plan = Planner(config).plan()
    settings = json.loads(json.dumps(dict(plan.config)))
    assert judge.settings(settings) == settings
    for job in plan.jobs:
        told = json.loads(json.dumps(dict(job.spec)))
        assert judge.parameters(job.kind, told) == told
    assert judge.left_out == ()


def test_a_program_is_left_out_wherever_it_is_named(tmp_path: Path) -> None:
    judge = ForeignJobs(tmp_path)
    detector = {"detector": "groundingdino_py", "options": {"stages": None, "interval": 8, "python": PROGRAM}}
    kept = judge.parameters("gaze", detector)
    assert kept == {"detector": "groundingdino_py", "options": {"stages": None, "interval": 8}}
    kept = judge.parameters("evaluate", {"simulator": "calvin", "python": f"{PROGRAM}-2", "gaze": detector})
    assert kept["python"] is None and kept["gaze"]["options"] == {"stages": None, "interval": 8}
    kept = judge.settings({"gaze": {"python": PROGRAM}, "evaluation": {"calvin_python": f"{PROGRAM}-3"}})
    assert kept == {"gaze": {"python": None}, "evaluation": {"calvin_python": None}}
    assert judge.left_out == (PROGRAM, f"{PROGRAM}-2", f"{PROGRAM}-3")


def test_a_dataset_of_a_commit_is_taken_over_and_a_plan_without_its_programs(tmp_path: Path) -> None:
    judge = ForeignJobs(tmp_path)
    told = {"root": f"hub:lab/data@{'c' * 40}/part"}
    assert judge.parameters("ingest", told) == told
    settings = load_config("smoke", None, (f"evaluation.calvin_python={PROGRAM}",)).model_dump(mode="json")
    kept = judge.parameters("plan", {"settings": settings})["settings"]
    assert isinstance(kept, dict) and kept["evaluation"]["calvin_python"] is None
    assert judge.left_out == (PROGRAM,)
