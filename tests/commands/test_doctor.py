"""`doctor` looks, changes nothing, and says whether an ablation can run."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

import cli
from tests.simulators.calvin_env_stand_in import make_interpreter
from tests.workshop import Workshop


def findings(capsys: pytest.CaptureFixture[str]) -> dict[str, dict[str, object]]:
    document = json.loads(capsys.readouterr().out)
    return {entry["name"]: entry for entry in document["findings"]}


def test_a_machine_that_can_run_the_embedded_default(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home = tmp_path / "home"
    assert cli.main(["--home", str(home), "doctor", "--json"]) == 0
    assert not home.exists()
    found = findings(capsys)
    assert {"Python", "CPU cores", "memory", "disk", "torch", "broker", "SQLite", "Flower"} <= set(found)
    assert {
        "playtable",
        "EGL",
        "calvin_env",
        "colour",
        "grounding_dino",
        "groundingdino-py",
        "diffusers",
    } <= set(found)
    assert found["SQLite"]["state"] == "ok"
    assert all(entry["remedy"] for entry in found.values() if entry["state"] != "ok")


def test_a_broker_that_does_not_answer_is_exit_code_3(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("REDIS_URL", "redis://127.0.0.1:1/0")
    assert cli.main(["--home", str(tmp_path / "home"), "doctor"]) == 3
    said = capsys.readouterr().out
    assert "cannot run here yet: broker" in said
    assert not any(line.endswith(" ") for line in said.splitlines())


def test_a_home_that_cannot_be_written_is_exit_code_3(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    may = os.access
    monkeypatch.setattr(os, "access", lambda path, how: may(path, how) and not how & os.W_OK)
    assert cli.main(["--home", str(tmp_path / "home"), "doctor", "--json"]) == 3
    disk = findings(capsys)["disk"]
    assert disk["state"] == "missing" and str(disk["detail"]).startswith(f"cannot write {tmp_path}: ")


def test_detectors_say_why_they_do_not_work_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "empty"))
    cli.main(["--home", str(tmp_path / "home"), "doctor", "--json"])
    found = findings(capsys)
    assert "does not run with transformers 5" in str(found["groundingdino-py"]["detail"])
    assert "not in this machine's cache" in str(found["grounding_dino"]["detail"])
    assert "not in this machine's cache" in str(found["grounding_dino .pth"]["detail"])


def test_weights_that_were_named_and_cannot_be_loaded_are_exit_code_3(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    damaged = tmp_path / "official.pth"
    damaged.write_bytes(b"no checkpoint")
    assert cli.main(["--home", str(tmp_path / "home"), "doctor", "--weights", str(damaged)]) == 3
    assert "cannot run here yet: grounding_dino .pth" in capsys.readouterr().out


def test_servers_that_machines_share_are_asked(
    tmp_path: Path,
    postgres_url: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("BATON_STATE_URL", postgres_url)
    cli.main(["--home", str(tmp_path / "home"), "doctor", "--json"])
    found = findings(capsys)
    assert found["state"]["state"] == "ok" and "PostgreSQL" in str(found["state"]["detail"])
    assert found["artifacts"]["state"] == "warning" and "one machine" in str(found["artifacts"]["detail"])


def test_servers_that_do_not_answer_are_exit_code_3(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("BATON_STATE_URL", "postgresql://baton:secret@127.0.0.1:1/baton")
    monkeypatch.setenv("BATON_ARTIFACTS_URL", "nosuch://bucket")
    assert cli.main(["--home", str(tmp_path / "home"), "doctor"]) == 3
    shown = capsys.readouterr().out
    assert "cannot run here yet: state, artifacts" in shown and "secret" not in shown


def test_a_named_interpreter_of_calvin_env_is_tried(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def told(python: str) -> dict[str, object]:
        monkeypatch.setenv("BATON_CALVIN_PYTHON", python)
        cli.main(["--home", str(tmp_path / "home"), "doctor", "--json"])
        return findings(capsys)["calvin_env"]

    found = told(str(make_interpreter(tmp_path / "with")))
    assert found["state"] == "ok" and "makes scene D" in str(found["detail"])
    found = told(str(make_interpreter(tmp_path / "without", with_calvin_env=False)))
    assert found["state"] == "missing" and "cannot import calvin_env" in str(found["detail"])
    found = told("/no/python")
    assert found["state"] == "missing" and "is no program" in str(found["detail"])


def test_a_damaged_state_is_exit_code_2(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for module in ("detectors", "imports", "machine", "queue", "science", "servers"):
        monkeypatch.setattr(f"commands.checks.{module}.findings", lambda *_: [])  # they take long
    workshop = Workshop(tmp_path / "home")
    workshop.submit()
    workshop.close()
    before = sorted(workshop.home.root.rglob("*"))
    home = str(workshop.home.root)
    assert cli.main(["--home", home, "doctor", "--json"]) == 0
    assert findings(capsys)["state"]["state"] == "ok"
    assert sorted(workshop.home.root.rglob("*")) == before
    os.truncate(workshop.home.state_db, workshop.home.state_db.stat().st_size // 2)
    assert cli.main(["--home", home, "doctor"]) == 2
    said = capsys.readouterr()
    assert "cannot run here yet: state" in said.out and "import the newest bundle" in said.err
