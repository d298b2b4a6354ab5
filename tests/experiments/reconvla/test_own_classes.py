"""Classes of the user's own in a configuration: named with their digest, which keys hold."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from db.plans import Plan
from errors import ConfigError
from experiments.reconvla.arms import arms_of
from experiments.reconvla.config import AblationConfig
from experiments.reconvla.growth import grown
from experiments.reconvla.named_config import load_config
from experiments.reconvla.own_classes import named_in
from experiments.reconvla.planner import Planner
from settings.code_source import reference_of, references_in
from tests.experiments.reconvla.plans import changed, kept, of_kind
from tests.own_code import DETECTOR, POLICY, SIMULATOR, write

SMALL = ("evaluation.sequences=2", "evaluation.max_steps=4")


def config_of(folder: Path, values: dict[str, object], *overrides: str) -> AblationConfig:
    file = folder / "mine.yaml"
    file.write_text(yaml.safe_dump(values, sort_keys=False), encoding="utf-8")
    return load_config("smoke", file, (*SMALL, *overrides))


def plan_of(folder: Path, values: dict[str, object], *overrides: str) -> Plan:
    return Planner(config_of(folder, values, *overrides)).plan()


def test_names_get_the_digest_of_what_lies_beside_the_file(tmp_path: Path) -> None:
    for name, text in (("det", DETECTOR), ("pol", POLICY), ("sim", SIMULATOR)):
        write(tmp_path, text, name)
    arms = {
        "recon": None,
        "dotted": {"base": "recon", "set": {"gaze.detector": "det:Mine"}},
        "nested": {"base": "recon", "set": {"gaze": {"detector": "det:Mine", "untrusted": "drop"}}},
        "row": {"policy": {"kind": "own", "class": "pol:Mine", "options": {"gripper": -1}}},
    }
    config = config_of(tmp_path, {"arms": arms, "evaluation": {"simulator": "sim:Mine"}})
    stored = config.model_dump(mode="json")
    named = dict(named_in(stored))
    assert list(named) == [
        "evaluation.simulator",
        "arms.dotted.set.gaze.detector",
        "arms.nested.set.gaze.detector",
        "arms.row.policy.class",
    ]  # fmt: skip
    assert all(getattr(reference_of(name), "digest", None) for name in named.values())
    assert AblationConfig.model_validate(json.loads(json.dumps(stored))) == config
    assert {arm.config.gaze.detector for arm in arms_of(config)} == {
        "colour", named["arms.dotted.set.gaze.detector"]
    }  # fmt: skip
    plan = Planner(config).plan()
    assert {reference.label for reference in references_in(plan.config)} == {
        "det:Mine",
        "pol:Mine",
        "sim:Mine",
    }
    assert {source.digest for source in plan.code} == {one.digest for one in references_in(plan.config)}
    assert {reference.label for job in plan.jobs for reference in references_in(job.spec)} == {
        "det:Mine", "pol:Mine", "sim:Mine"
    }  # fmt: skip


def test_a_changed_source_changes_what_depends_on_it_and_nothing_else(tmp_path: Path) -> None:
    values: dict[str, object] = {"arms": ["recon"], "gaze": {"detector": "mine:Mine"}}
    write(tmp_path, DETECTOR)
    before = plan_of(tmp_path, values)
    assert kept(before, plan_of(tmp_path, values)) == {job.kind for job in before.jobs}, (
        "the same source again"
    )
    write(tmp_path, DETECTOR + "# a comment\n")
    after = plan_of(tmp_path, values)
    assert "ingest" in kept(before, after) and {"gaze", "index", "train", "attention"} <= changed(
        before, after
    )
    write(tmp_path, DETECTOR)
    assert kept(before, plan_of(tmp_path, values)) == {job.kind for job in before.jobs}


def test_a_changed_source_is_told_as_that_where_an_ablation_would_grow(tmp_path: Path) -> None:
    values: dict[str, object] = {"arms": ["recon"], "gaze": {"detector": "mine:Mine"}}
    write(tmp_path, DETECTOR)
    there = config_of(tmp_path, values)
    write(tmp_path, DETECTOR.replace("0.9", "0.8"))
    asked = config_of(tmp_path, values)
    before, after = (str(reference_of(one.gaze.detector)).partition("@")[2][:8] for one in (there, asked))
    says = f"^gaze.detector is mine:Mine .source {before}. there and mine:Mine .source {after}. here$"
    with pytest.raises(ConfigError, match=says):
        grown(there, asked)


def test_a_policy_and_a_simulator_count_by_their_source_and_options(tmp_path: Path) -> None:
    def keys(policy: str = POLICY, simulator: str = SIMULATOR, gripper: int = 1) -> set[str]:
        write(tmp_path, policy, "pol")
        write(tmp_path, simulator, "sim")
        row = {"policy": {"kind": "own", "class": "pol:Mine", "options": {"gripper": gripper}}}
        plan = plan_of(tmp_path, {"arms": {"row": row}, "evaluation": {"simulator": "sim:Mine"}})
        return {job.key for job in of_kind(plan, "evaluate") if job.label.startswith("evaluate row")}

    first = keys()
    assert first == keys()
    assert not first & keys(gripper=-1)
    assert not first & keys(policy=POLICY + "\n")
    assert not first & keys(simulator=SIMULATOR + "\n")


def test_of_a_link_it_lies_beside_the_link_or_else_beside_the_file(tmp_path: Path) -> None:
    file, link = tmp_path / "target", tmp_path / "links"
    file.mkdir(), link.mkdir()
    (file / "mine.yaml").write_text("gaze: {detector: 'det:Mine'}\n")
    (link / "mine.yaml").symlink_to("../target/mine.yaml")

    def found() -> str | None:
        reference = reference_of(load_config("smoke", link / "mine.yaml").gaze.detector)
        return reference and reference.digest

    with pytest.raises(ConfigError, match=f"there is no det.py in {link}, where det:Mine would be"):
        found()
    write(file, DETECTOR, "det")
    of_file = found()
    write(link, f"{DETECTOR}\n# another\n", "det")
    assert None not in (of_file, found()) and of_file != found()


def test_with_set_alone_it_lies_where_one_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path, DETECTOR)
    config = load_config("smoke", None, ("gaze.detector=mine:Mine",))
    assert reference_of(config.gaze.detector) is not None and "@" in config.gaze.detector
    varied = load_config("smoke", None, (), vary=["gaze.detector=colour,mine:Mine"])
    assert [arm.config.gaze.detector for arm in arms_of(varied)] == ["colour", config.gaze.detector]


def test_a_detector_says_whether_it_wants_a_gpu(tmp_path: Path) -> None:
    write(tmp_path, DETECTOR + "    on_accelerator = True\n")
    plan = plan_of(tmp_path, {"arms": ["recon"], "gaze": {"detector": "mine:Mine"}})
    assert {job.resource for job in of_kind(plan, "gaze")} == {"accelerator"}


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"gaze": {"detector": "mine:Mine"}}, r"mine\.yaml: gaze\.detector: there is no mine\.py in "),
        (
            {"arms": {"a": {"base": "recon", "set": {"gaze.detector": "mine:Mine"}}}},
            r"mine\.yaml: arms\.a\.set\.gaze\.detector: there is no mine\.py",
        ),
        ({"evaluation": {"simulator": "mine:Mine"}}, r"evaluation\.simulator: there is no mine\.py"),
        ({"evaluation": {"simulator": "plytable"}}, "it is 'playtable', 'calvin', or a class of yours"),
        (
            {"arms": {"a": {"policy": {"kind": "own", "class": "mine:Mine"}}}},
            r"arms\.a\.policy\.class: there is no",
        ),
        ({"gaze": {"detector": "os:system"}}, "os is a module of Baton's or of Python's own"),
    ],
)
def test_what_is_not_there_is_named_by_file_and_entry(
    values: dict[str, object], says: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=says):
        config_of(tmp_path, values)


def test_what_a_simulator_of_ones_own_does_not_use_is_refused(tmp_path: Path) -> None:
    write(tmp_path, SIMULATOR)
    evaluation = {"simulator": "mine:Mine", "renderer": "tiny"}
    with pytest.raises(ConfigError, match=r"evaluation\.renderer: the simulator mine:Mine does not use it"):
        plan_of(tmp_path, {"arms": ["recon"], "evaluation": evaluation})


def test_a_wrong_answer_is_told_when_it_is_planned(tmp_path: Path) -> None:
    write(tmp_path, DETECTOR.replace("(10, 10, 20, 20)", "(10, 10, 20, 2000)"))
    with pytest.raises(
        ConfigError, match=rf"^{tmp_path}/mine\.py: Mine\.detect gave the box .* must lie within"
    ):
        plan_of(tmp_path, {"arms": ["recon"], "gaze": {"detector": "mine:Mine"}})
