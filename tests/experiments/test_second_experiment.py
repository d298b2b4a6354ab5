"""Another experiment is a class and its line in the registry: what is typed, planned, reported and carried asks it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Literal

import pytest
from pydantic import BaseModel, ConfigDict, ValidationError

import cli
from db.plans import Plan, PlannedJob
from errors import ConfigError
from experiments import registry, report_body
from experiments.design.decision import ArmDecision
from experiments.design.design import Design
from experiments.registry import Allowed, TakenOver, Written
from reports.data import ReportData
from settings.documents import parse_yaml
from settings.json_values import JsonObject
from settings.typed_json import first_mistake
from tasks.records import Find, JobRecord, Records
from tasks.registry import REPORT
from tasks.specs import ReportSpec
from tests.reports.test_toy_experiment import HEIGHT, toy
from workers.supervisor import Devices


class Towers(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    experiment: Literal["towers"] = "towers"
    name: str = "towers"
    cubes: int = 3
    builder: str | None = None


class TowersExperiment:
    config_class = Towers
    kept_kinds: tuple[str, ...] = ()
    judging_kinds: tuple[str, ...] = ()
    metric = HEIGHT

    def load(self, written: Written) -> Towers:
        if written != Written(file=written.file, name=written.name):
            raise ConfigError("towers have a file and a name")
        assert written.file is not None
        values = parse_yaml(written.file.read_text(), str(written.file), is_ours=True)
        try:
            return Towers.model_validate(values | ({} if written.name is None else {"name": written.name}))
        except ValidationError as error:
            raise ConfigError(f"{written.file}: {first_mistake(error)}") from None

    def plan(self, config: Towers, kept: Iterable[tuple[str | None, JsonObject]] = ()) -> Plan:
        settings = config.model_dump(mode="json")
        key = hashlib.sha256(json.dumps(settings).encode()).hexdigest()
        spec = ReportSpec(ablation=key).row()
        job = PlannedJob(key[::-1], REPORT.name, "report", spec, REPORT.resource, REPORT.priority)
        return Plan(key, config.name, settings, [job])

    def pinned(self, config: Towers, known: Iterable[JsonObject]) -> Towers:
        return config

    def grown(self, there: Towers, asked: Towers) -> Towers:
        if there != asked:
            raise ConfigError("towers do not grow")
        return there

    def told(self, there: Towers, whole: Towers, asked: Towers) -> list[str]:
        return []

    def rows(self, config: Towers) -> list[JsonObject]:
        return [{"name": "tall", "title": "tall", "policy": None, "seeds": [0], "differs": {}}]

    def design(self, config: Towers) -> Design | None:
        return None

    def next_round(self, config: Towers, decisions: Sequence[ArmDecision]) -> Towers:
        raise NotImplementedError

    def of_machine(self, config: Towers, what: Literal["devices", "threads", "nodes"]) -> Mapping[str, int]:
        return {"cubes": config.cubes} if what == "devices" else {}

    def room_to_fetch(self, config: Towers, home: Path) -> str | None:
        return None

    def taken_over(self, settings: JsonObject, allowed: Allowed) -> TakenOver:
        config = Towers.model_validate(settings)
        if config.cubes > 9:
            raise ValueError("cubes: too many of a stranger")
        programs = [] if config.builder is None else [config.builder]
        return TakenOver({**settings, "builder": None}, programs)

    def reaching_out(self, settings: JsonObject) -> list[str]:
        return ["far"] if Towers.model_validate(settings).cubes == 4 else []

    def results(self, jobs: Sequence[JobRecord]) -> Mapping[tuple[str, int], tuple[int, ...]]:
        return {}

    def gather(self, records: Records, find: Find) -> ReportData:
        return replace(toy(), ablation=records.ablation.name, ablation_id=str(records.ablation.id))

    def gather_together(self, ablations: Sequence[Records]) -> ReportData:
        raise NotImplementedError


TOWERS: registry.Experiment[Any] = TowersExperiment()


@pytest.fixture(autouse=True)
def registered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(registry.EXPERIMENTS, "towers", f"{__name__}:TOWERS")


def said(capsys: pytest.CaptureFixture[str], *words: str, code: int = 0) -> Any:
    assert cli.main([*words]) == code
    out = capsys.readouterr()
    return json.loads(out.out) if code == 0 and "--json" in words else out.err


def written(folder: Path, text: str = "") -> str:
    (folder / "towers.yaml").write_text(f"experiment: towers\n{text}")
    return str(folder / "towers.yaml")


def test_it_is_planned_submitted_carried_and_reported(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    here, there = ("--home", str(tmp_path / "here")), ("--home", str(tmp_path / "there"))
    config = ("--config", written(tmp_path, "builder: /bin/builder\n"))
    plan = said(capsys, *here, "plan", *config, "--json")
    assert plan["rows"][0]["name"] == "tall" and plan["jobs"]["by_kind"] == {"report": {"all": 1, "new": 1}}
    assert said(capsys, *here, "submit-ablation", *config, "--detach", "--json")["jobs_added"] == 1
    assert said(capsys, *here, "submit-ablation", *config, "--detach", "--json")["jobs_shared"] == 1
    bundle = str(tmp_path / "one.bundle")
    assert cli.main([*here, "bundle", "export", bundle]) == 0
    capsys.readouterr()
    assert "/bin/builder, which was left out" in said(capsys, *there, "bundle", "import", bundle)
    assert said(capsys, *there, "status", "--json")["ablations"][0]["name"] == "towers"
    assert said(capsys, *there, "report", "--json")["tallest"] == 3
    assert (tmp_path / "there" / "reports" / "1-towers" / "report.html").exists()


def test_what_is_wrong_is_told_by_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    here = ("--home", str(tmp_path / "here"))
    submit = (*here, "submit-ablation", "--config")
    assert "towers.yaml: cubes" in said(capsys, *submit, written(tmp_path, "cubes: many"), "--detach", code=2)
    assert "a file and a name" in said(capsys, *submit, written(tmp_path), "--seeds", "1", "--detach", code=2)
    with monkeypatch.context() as machine:
        machine.setattr("commands.run.devices_of", lambda *_: Devices([(0,)], 1, {0: "a GPU"}))
        told = said(capsys, *submit, written(tmp_path, "cubes: 9"), code=2)
    assert "cubes is 9, but the workers of this session have 1 GPU together" in told
    assert not (tmp_path / "here").exists()
    other = tmp_path / "other.yaml"
    other.write_text("experiment: castles\n")
    assert f"{other}: experiment: 'castles' is unknown; known: reconvla, towers" in said(
        capsys, *submit, str(other), code=2
    )
    other.write_text("experiment: tower\n")
    assert "; did you mean towers?" in said(capsys, *submit, str(other), code=2)
    assert cli.main([*submit, written(tmp_path, "name: smoke"), "--detach"]) == 0
    told = said(capsys, *here, "submit-ablation", "--preset", "smoke", "--detach", code=2)
    assert "they are of another experiment" in told


def test_a_strangers_is_looked_at_by_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    here, there = ("--home", str(tmp_path / "here")), ("--home", str(tmp_path / "there"))
    for cubes in (4, 10):
        words = (
            "submit-ablation",
            "--config",
            written(tmp_path, f"cubes: {cubes}\nname: of-{cubes}"),
            "--detach",
        )
        assert cli.main([*here, *words]) == 0
    told = said(capsys, *here, "bundle", "export", str(tmp_path / "one.bundle"))
    assert "arms far: their policies are asked over a network" in told
    told = said(capsys, *there, "bundle", "import", str(tmp_path / "one.bundle"), code=2)
    assert "not taken over: cubes: too many of a stranger" in told


def test_the_job_of_a_report_is_of_any_experiment(tmp_path: Path) -> None:
    records = SimpleNamespace(ablation=SimpleNamespace(name="mine", id=1, config={"experiment": "towers"}))
    spec = SimpleNamespace(ablation="key")
    context = SimpleNamespace(scratch=tmp_path, spec=spec, records=lambda _: records, find=None)
    finished = report_body.run(context)  # type: ignore[arg-type]
    page = next(draft.file for draft in finished.artifacts if draft.name == "report.html")
    assert "Towers" in page.read_text()


def test_who_asks_for_the_usual_one_may_say_so(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("experiment: reconvla\nseeds: [3]\n")
    config = registry.experiment_in(file).load(Written(preset="smoke", file=file))
    assert registry.experiment_for(config) is registry.experiment_of({})
    assert config.model_dump()["seeds"] == (3,)
