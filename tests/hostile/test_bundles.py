"""Bundles of strangers: what is in one is refused in a sentence, or runs nothing that its author wanted."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import cli
from db.bundle import manifest
from db.bundle.manifest import MOST_HANDED, parse
from db.bundle.receive import Imported, receive
from db.migrate import open_state
from errors import BundleError
from settings.home import Home
from settings.presets import load_config
from tests.db.bundle.conftest import content, take_out
from tests.db.bundle.conftest import sealed as sealed
from tests.db.bundle.forge import Parts, forged, parts_of
from tests.hostile.test_files import LONGEST_SENTENCE, sentence
from tests.workshop import Workshop, files_of
from workers.event_files import EventFiles, event_folder
from workers.foreign import ForeignJobs
from workers.planner import Planner

pytestmark = pytest.mark.timeout(120)


def bring_in(home: Home, bundle: Path) -> Imported:
    return receive(home, bundle, 1e9, ForeignJobs(home.artifacts))


def check_refused(home: Home, bundle: Path, says: str) -> None:
    with pytest.raises(BundleError, match=says) as refused:
        bring_in(home, bundle)
    assert refused.value.exit_code == 2
    sentence(refused, bundle)
    assert not home.root.exists()


@pytest.fixture
def new(tmp_path: Path) -> Home:
    return Home(tmp_path / "new")


# --- the manifest --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def sound(sealed: Path) -> dict[str, Any]:
    return parts_of(sealed).manifest


def each(**values: Any) -> Callable[[dict[str, Any]], Any]:
    return lambda sound: sound | values


def first(part: str, **values: Any) -> Callable[[dict[str, Any]], Any]:
    return lambda sound: sound | {part: [sound[part][0] | values, *sound[part][1:]]}


MANIFESTS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "no object": lambda _: [],
    "a text": lambda _: "x",
    "a number": lambda _: 1,
    "nothing": lambda _: None,
    "an empty object": lambda _: {},
    "an unknown entry": each(more=1),
    "another format": each(format="x" * 5000),
    "a format that is none": each(format=1),
    "a key that is none": each(key=["x"]),
    "a key with a path": each(key="../" + "0" * 29),
    "a version with a path": each(version="../../x"),
    "a long version": each(version="1" * 5000),
    "a digest that is none": each(state_sha256="x"),
    "a size below zero": each(state_bytes=-1),
    "a size of many digits": each(state_bytes=10**90),
    "a size that is a truth": each(state_bytes=True),
    "a size with a fraction": each(state_bytes=1.5),
    "no history": each(history=[]),
    "a history that is an object": each(history={}),
    "a history that is a text": each(history="x" * 500),
    "a history of numbers": each(history=[1, 2]),
    "a history of lists": each(history=[[]]),
    "files that are an object": each(files={"x": 1}),
    "files that are texts": each(files=["x"] * 50),
    "files that are nothing": each(files=[None]),
    "a file with more": first("files", more=1),
    "a file with a path outside": first("files", path="artifacts/../../outside"),
    "a file with a whole path": first("files", path="/etc/passwd"),
    "a file with a long path": first("files", path="artifacts/" + "x" * 5000),
    "a file with a zero": first("files", path="artifacts/00/" + "0" * 63 + "\0"),
    "a file of another shape": first("files", path={"x": 1}),
    "a file of a size that is none": first("files", bytes="1"),
    "a file that is perhaps inside": first("files", inside="yes"),
    "a time of infinity": first("history", at=1e999),
    "a time that no calendar has": first("history", at=1e300),
    "a time below zero": first("history", at=-1.0),
    "a time that is a text": first("history", at="now"),
    "a long host": first("history", host="x" * 5000),
    "a host that is none": first("history", host=None),
    "attempts below zero": first("history", attempts=-1),
    "a file twice": lambda sound: sound | {"files": [*sound["files"], sound["files"][0]]},
    "a bundle twice": lambda sound: sound | {"history": [sound["history"][0]] * 2},
    "levels": lambda sound: sound | {"since": json.loads("[" * 120 + "]" * 120)},
}


@pytest.mark.parametrize("case", MANIFESTS)
def test_a_manifest_of_another_shape_is_refused(case: str, sound: dict[str, Any]) -> None:
    text = json.dumps(MANIFESTS[case](dict(sound))).encode()
    with pytest.raises(BundleError) as refused:
        parse(text)
    sentence(refused, "its manifest is wrong")


TEXTS: dict[str, bytes] = {
    "lists in lists": b"[" * 30_000,
    "objects in objects": b'{"a":' * 30_000,
    "many small objects": b"[" + b"{}," * 30_000 + b"{}]",
    "many small lists": b"[" + b"[]," * 30_000 + b"[]]",
    "a number of many digits": b'{"key": ' + b"1" * 5000 + b"}",
    "no text": b"\xff\xfe\xfa",
    "half a text": b'{"key": "',
    "a key twice": b'{"key": 1, "key": 2}',
    "nothing": b"",
}


@pytest.mark.parametrize("case", TEXTS)
def test_a_manifest_that_is_none_is_refused_before_anything_is_made_of_it(
    case: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def validated(*_: Any, **__: Any) -> Any:
        raise AssertionError("it was validated")

    for kind in (manifest.File, manifest.Handed, manifest.Manifest):
        monkeypatch.setattr(kind, "model_validate", validated)
    with pytest.raises(BundleError) as refused:
        parse(TEXTS[case])
    sentence(refused, "its manifest is wrong")


def test_a_history_longer_than_any_is_refused(sound: dict[str, Any]) -> None:
    long = sound | {"history": sound["history"] * (MOST_HANDED + 1)}
    with pytest.raises(BundleError, match=f"{MOST_HANDED} are the limit"):
        parse(json.dumps(long).encode())


def test_a_manifest_of_a_hundred_thousand_files_is_read(sound: dict[str, Any]) -> None:
    files = [{"path": f"artifacts/{n % 256:02x}/{n % 256:02x}{n:062x}", "bytes": 1, "inside": True}
             for n in range(100_000)]  # fmt: skip
    text = json.dumps(sound | {"files": files}, separators=(",", ":")).encode()
    assert len(text) < manifest.MOST_MANIFEST_BYTES / 2 and len(parse(text).files) == 100_000


# --- values of the state -------------------------------------------------------------------------

TOO_LARGE = 2**63 - 1
VALUES: dict[str, tuple[str, str]] = {
    "two versions": ("INSERT INTO alembic_version VALUES ('0001')", "more than one version"),
    "a version that is a number": ("UPDATE alembic_version SET version_num = 7", "damaged|has the schema"),
    "a table more": ("CREATE TABLE more (x)", "table 'more'"),
    "a trigger": ("CREATE TRIGGER more AFTER INSERT ON job BEGIN DELETE FROM event; END", "trigger 'more'"),
    "a view": ("CREATE VIEW more AS SELECT 1", "view 'more'"),
    "a view in a table's place": ("DROP TABLE event", "table 'event'|index"),
    "a column more": ("ALTER TABLE job ADD COLUMN more INTEGER", "table 'job'"),
    "a computed column": ("ALTER TABLE job ADD COLUMN more INTEGER GENERATED ALWAYS AS (abs(step))", "table 'job'"),
    "a check": ("CREATE TABLE more (x CHECK (x > 0))", "table 'more'"),
    "an index on an expression": ("CREATE INDEX more ON event (abs(at))", "index 'more'"),
    "a long statement": (f"CREATE TABLE more ({', '.join(f'c{n}' for n in range(1500))})", "table 'more'"),
    "a long name": (f'CREATE TABLE "{"x" * 3000}" (x)', "table 'xxx"),
    "a name that moves a terminal": ('CREATE TABLE "a\x1b[2J" (x)', r"table"),
    "a text that is none": ("UPDATE event SET message = CAST(x'ff' AS TEXT)", "UTF-8"),
    "a label that is none": ("UPDATE job SET label = CAST(x'c328' AS TEXT)", "UTF-8"),
    "a host that is none": ("UPDATE worker SET host = CAST(x'ff' AS TEXT)", "UTF-8"),
    "a name that is none": ("UPDATE ablation SET name = CAST(x'80' AS TEXT)", "UTF-8"),
    "a metric's name that is none": (
        "INSERT INTO metric VALUES (1, CAST(x'ff' AS TEXT), 1, 1.0, 1.0)", "UTF-8"
    ),
    "a text with a zero": ("UPDATE ablation SET name = 'a' || char(0)", "ablation.name that is out of range"),
    "a long label": ("UPDATE job SET label = hex(zeroblob(600))", "job.label that is out of range"),
    "a long message": ("UPDATE event SET message = hex(zeroblob(600000))", "event.message that is out of range"),
    "a time of infinity": ("UPDATE event SET at = 9e999", "event.at that is out of range"),
    "a time before all": ("UPDATE event SET at = -9e999", "event.at that is out of range"),
    "a time that no calendar has": ("UPDATE ablation SET created_at = 1e12", "created_at that is out of range"),
    "a time of an artifact": ("UPDATE artifact SET created_at = 1e300", "created_at that is out of range"),
    "an end of infinity": ("UPDATE job SET finished_at = 9e999", "finished_at that is out of range"),
    "an attempt's beginning": ("UPDATE attempt SET started_at = 9e999", "started_at that is out of range"),
    "a heartbeat": ("UPDATE worker SET heartbeat_at = 9e999", "heartbeat_at that is out of range"),
    "a wait of infinity": ("UPDATE job SET wait_seconds = 9e999", "wait_seconds that is out of range"),
    "endless use": ("UPDATE attempt SET useful_seconds = 9e999", "useful_seconds that is out of range"),
    "a metric of infinity": ("INSERT INTO metric VALUES (1, 'x', 1, 9e999, 1.0)", "metric.value that is out"),
    "a step at the edge": (f"UPDATE job SET step = {TOO_LARGE}", "job.step that is out of range"),
    "a step below zero": ("UPDATE job SET step = -1", "job.step that is out of range"),
    "a target at the edge": (f"UPDATE job SET target_steps = {TOO_LARGE}", "target_steps that is out of range"),
    "a token at the edge": (f"UPDATE job SET lease_token = {TOO_LARGE}", "lease_token that is out of range"),
    "a priority at the edge": (f"UPDATE job SET priority = {-TOO_LARGE}", "priority that is out of range"),
    "a turn at the edge": (f"UPDATE job SET turn = {TOO_LARGE}", "job.turn that is out of range"),
    "failures below zero": ("UPDATE job SET failures = -1000", "job.failures that is out of range"),
    "an id at the edge": (f"UPDATE event SET id = {TOO_LARGE} WHERE id = 1", "event.id that is out of range"),
    "an id of zero": ("UPDATE event SET id = 0 WHERE id = 1", "event.id that is out of range"),
    "a size at the edge": (f"UPDATE artifact SET bytes = {TOO_LARGE}", "artifact.bytes that is out of range"),
    "a number of jobs": (f"UPDATE ablation SET job_count = {TOO_LARGE}", "job_count that is out of range"),
    "a fraction for a number": ("UPDATE job SET step = 1.5", "job.step that is no INTEGER"),
    "bytes for a text": ("UPDATE event SET kind = x'00'", "event.kind that is no VARCHAR"),
    "an intent of its own": ("UPDATE ablation SET intent = 'free'", "ablation.intent that Baton never writes"),
    "a job's intent": ("UPDATE job SET intent = 'x'", "job.intent that Baton never writes"),
    "a resource": ("UPDATE job SET resource = 'all'", "job.resource that Baton never writes"),
    "a kind with a path": ("UPDATE job SET kind = '../x'", "job.kind that Baton never writes"),
    "a worker at work": ("UPDATE worker SET state = 'busy'", "worker.state that Baton never writes"),
    "an attempt that goes on": (
        "UPDATE attempt SET ended_at = NULL WHERE id = 1", "attempt that has not ended"
    ),
    "a session that goes on": (
        "INSERT INTO session (host, pid, command, started_at) VALUES ('x', 1, 'up', 1.0)", "session that has not"
    ),
    "an arm with a path": (
        "INSERT INTO run (ablation_id, arm, seed, train_job_id, intent) VALUES (1, '../../x', 0, 1, 'active')",
        "run.arm that Baton never writes",
    ),
    "an arm of dots": (
        "INSERT INTO run (ablation_id, arm, seed, train_job_id, intent) VALUES (1, '..', 0, 1, 'active')",
        "run.arm that Baton never writes",
    ),
    "JSON that is none": ("UPDATE job SET spec = '{'", "job.spec that is no JSON"),
    "JSON that is a list": ("UPDATE job SET spec = '[]'", "job.spec that is no object"),
    "JSON that is a text": ("""UPDATE job SET spec = '"x"'""", "job.spec that is no object"),
    "JSON that is null": ("UPDATE job SET spec = 'null'", "job.spec that is no object"),
    "settings that are a list": ("UPDATE ablation SET config = '[1]'", "ablation.config that is no object"),
    "a result that is a number": ("UPDATE job SET result = '1'", "job.result that is no JSON"),
    "data of an event": ("UPDATE event SET data = '[]'", "event.data that is no object"),
    "what a bundle held": ("UPDATE handover SET held = '[]'", "handover.held that is no object"),
    "levels": ("UPDATE job SET spec = '" + '{"a":' * 200 + "1" + "}" * 200 + "'", "job.spec that cannot be read"),
    "digits": ("UPDATE job SET spec = '{\"a\": " + "1" * 500 + "}'", "job.spec that cannot be read"),
    "a key twice": ("""UPDATE job SET spec = '{"a": 1, "a": 2}'""", "job.spec that cannot be read"),
    "an infinity": ("""UPDATE job SET result = '{"a": 1e999}'""", "job.result that holds a number out of"),
    "half a character": (r"""UPDATE job SET result = '{"a": "\ud800"}'""", "job.result that holds half a char"),
    "half a character in a key": (r"""UPDATE job SET result = '{"\ud800": 1}'""", "that holds half a char"),
    "a job that waits for itself": (
        "INSERT INTO job_dependency VALUES (5, 5, 'x')", "job that waits for itself"
    ),
    "jobs that wait for each other": (
        "INSERT INTO job_dependency VALUES (1, 7, 'x')", "job that waits for itself"
    ),
    "a second identity": (
        "INSERT INTO identity (id, key, shared) VALUES (2, 'x', 1)", "no key of its own"
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", VALUES)
def test_a_value_that_baton_never_writes_is_refused(
    case: str,
    sealed: Path,
    new: Home,
    tmp_path: Path,
) -> None:
    statement, says = VALUES[case]
    check_refused(new, forged(sealed, tmp_path, lambda parts: parts.sql(statement)), says)


def test_a_state_in_another_encoding_is_refused(sealed: Path, new: Home, tmp_path: Path) -> None:
    import sqlite3

    other = sqlite3.connect(tmp_path / "other.db")
    other.execute("PRAGMA encoding = 'UTF-16le'")
    other.execute("CREATE TABLE x (y)")
    other.commit()
    other.close()

    def change(parts: Parts) -> None:
        parts.state = (tmp_path / "other.db").read_bytes()
        parts.restate()

    check_refused(new, forged(sealed, tmp_path, change), "UTF-16le")


# --- what jobs are told --------------------------------------------------------------------------

PROGRAM = "/usr/bin/some-program"
OF_JOBS: dict[str, tuple[str, dict[str, Any], str]] = {
    "an unknown kind": ("shell", {}, "kind 'shell'"),
    "a number with a path": ("gaze", {"number": "../../x"}, "number"),
    "a demonstration with a path": ("ingest", {"demonstrations": [{"number": "../x"}]}, "number"),
    "a split with a path": ("ingest", {"split": "../.."}, "split"),
    "a dataset beside the home": ("ingest", {"root": "artifacts"}, "no whole path"),
    "a dataset of a process": ("ingest", {"root": "/proc/self/cwd"}, "lie still"),
    "a dataset of devices": ("ingest", {"root": "/x/../dev/fd"}, "lie still"),
    "a dataset with a zero": ("ingest", {"root": "/a\0b"}, "printed"),
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
    detector = {"detector": "groundingdino_py", "options": {"interval": 8, "python": PROGRAM}}
    kept = judge.parameters("gaze", detector)
    assert kept == {"detector": "groundingdino_py", "options": {"interval": 8}}
    kept = judge.parameters("evaluate", {"simulator": "calvin", "python": f"{PROGRAM}-2", "gaze": detector})
    assert kept["python"] is None and kept["gaze"]["options"] == {"interval": 8}
    kept = judge.settings({"gaze": {"python": PROGRAM}, "evaluation": {"calvin_python": f"{PROGRAM}-3"}})
    assert kept == {"gaze": {"python": None}, "evaluation": {"calvin_python": None}}
    assert judge.left_out == (PROGRAM, f"{PROGRAM}-2", f"{PROGRAM}-3")


# --- by the command, and what follows ------------------------------------------------------------


def told(parts: Parts, table: str, column: str, value: dict[str, Any], where: str) -> None:
    text = json.dumps(value).replace("'", "''")
    parts.sql(f"UPDATE {table} SET {column} = '{text}' WHERE {where}")


def test_a_home_that_took_a_bundle_in_names_no_program_of_it(
    sealed: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    marker = tmp_path / "ran"
    (program := tmp_path / "program").write_text(f"#!/bin/sh\ntouch {marker}\n")
    program.chmod(0o700)

    def change(parts: Parts) -> None:
        weights = {"weights": "/nowhere/x.pth", "python": str(program)}
        spec = {"detector": "groundingdino_py", "options": weights, "number": 1, "version": "1"}
        told(parts, "job", "spec", spec, "kind = 'gaze'")
        told(parts, "ablation", "config", {"gaze": {"python": str(program)}}, "1")

    home = tmp_path / "new"
    bundle = forged(sealed, tmp_path, change)
    assert cli.main(["--home", str(home), "bundle", "import", "--json", str(bundle)]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["left_out"] == [str(program)]
    assert err.count("\n") == 1 and "was left out" in err and "BATON_GROUNDINGDINO_PYTHON" in err
    database = open_state(Home(home))
    with database.read() as tx:
        rows = tx.exec_driver_sql("SELECT spec FROM job UNION ALL SELECT config FROM ablation").fetchall()
        events = tx.exec_driver_sql("SELECT message FROM event").fetchall()
    database.close()
    assert not [text for (text,) in rows if str(program) in text]
    assert [text for (text,) in events if str(program) in text]
    for words in (["status"], ["status", "--json"], ["report"], ["events"], ["artifacts"]):
        assert cli.main(["--home", str(home), *words]) in (0, 2)
        assert "Traceback" not in capsys.readouterr().err
    assert not marker.exists()


COMMANDS: dict[str, Callable[[Parts], None]] = {
    "settings": lambda parts: told(parts, "ablation", "config", {"x" * 900: 1}, "1"),
    "parameters": lambda parts: told(parts, "job", "spec", {"threads": 10**9}, "kind = 'train'"),
    "a time": lambda parts: parts.sql("UPDATE event SET at = 9e999"),
    "a text": lambda parts: parts.sql("UPDATE event SET message = CAST(x'ff' AS TEXT)"),
}


@pytest.mark.parametrize("case", COMMANDS)
@pytest.mark.parametrize("into", ["nothing", "a home"])
def test_a_command_refuses_it_and_the_home_is_as_it_was(
    case: str,
    into: str,
    sealed: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    home = Home(tmp_path / "home")
    if into == "a home":
        Workshop(home.root).close()
    before = content(home)
    bundle = forged(sealed, tmp_path, COMMANDS[case])
    assert cli.main(["--home", str(home.root), "bundle", "import", str(bundle)]) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("error: ") and err.count("\n") == 1 and len(err) < LONGEST_SENTENCE
    assert content(home) == before and home.root.exists() == (into == "a home")


FIGURES: dict[str, Callable[[Parts], None]] = {
    "a result": lambda parts: told(parts, "job", "result", {"mode": "closed_loop", "results": 3}, "1"),
    "results of sequences": lambda parts: told(
        parts, "job", "result", {"mode": "open_loop", "results": [{"sequence": "x"}]}, "1"
    ),
    "parameters of a shard": lambda parts: told(
        parts, "job", "spec", {"mode": "closed_loop", "videos": 3}, "kind = 'evaluate'"
    ),
    "an environment": lambda parts: told(
        parts, "attempt", "environment", {"threads": "x", "variables": 3, "gpu": [1]}, "1"
    ),
    "names of artifacts": lambda parts: parts.sql("UPDATE artifact SET name = '../' || id"),
    "labels": lambda parts: parts.sql("UPDATE job SET label = 'ingest'", "UPDATE ablation SET name = '['"),
    "what was learned": lambda parts: told(parts, "job", "learned", {"micro_batch": "x"}, "1"),
}


@pytest.mark.parametrize("case", FIGURES)
def test_figures_of_another_form_end_no_command_in_a_traceback(
    case: str,
    sealed: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    home = str(tmp_path / "home")
    bundle = forged(sealed, tmp_path, FIGURES[case])
    assert cli.main(["--home", home, "bundle", "import", str(bundle)]) == 0
    capsys.readouterr()
    looks = [["status"], ["status", "--json"], ["report"], ["events"], ["artifacts"]]
    if case == "an environment":
        looks.append(["audit", "--slices", "0", "--others", "1"])
    for words in looks:
        code = cli.main(["--home", home, *words])
        err = capsys.readouterr().err
        assert code in (0, 1, 2, 3) and "Traceback" not in err
        assert code in (0, 1) or (err.startswith("error: ") and err.count("\n") == 1)
    assert cli.main(["--home", home, "bundle", "export", "--since", "last", str(tmp_path / "on")]) == 0


def test_an_arm_is_no_path_to_whoever_writes_files_by_it(tmp_path: Path) -> None:
    """Also in a home that was imported before arms were looked at."""
    workshop = Workshop(tmp_path / "home")
    workshop.submit()
    with workshop.database.write() as tx:
        tx.exec_driver_sql(
            "INSERT INTO run (ablation_id, arm, seed, train_job_id, intent) VALUES (1, '../../../x', 0, 5, 'active')"
        )
        tx.exec_driver_sql("INSERT INTO metric VALUES (5, 'loss', 1, 1.0, 1.0)")
    (tmp_path / "x-seed0").mkdir()
    files = EventFiles(event_folder(workshop.home), workshop.database)
    assert files.update() == 1
    files.close()
    assert (tmp_path / "x-seed0").is_dir() and not list((tmp_path / "x-seed0").iterdir())
    assert not [
        path for path in tmp_path.rglob("events.out*") if event_folder(workshop.home) not in path.parents
    ]
    workshop.close()


def test_a_bundle_that_was_let_in_travels_on(sealed: Path, tmp_path: Path) -> None:
    one, two = Home(tmp_path / "one"), Home(tmp_path / "two")
    bring_in(one, sealed)
    take_out(one, tmp_path / "on.bundle")
    bring_in(two, tmp_path / "on.bundle")
    assert {path for path in files_of(two) if "artifacts" in path} == {
        path for path in files_of(one) if "artifacts" in path
    }
