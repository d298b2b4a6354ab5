"""What the command line itself does: names, help, exit codes, and what it prints."""

from __future__ import annotations

import errno
import io
import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from click.testing import CliRunner

import cli
from settings.home import Home
from settings.typed import interpreter
from tests.refusals import _sound as _sound
from tests.refusals import at as at
from tests.refusals import data as data
from tests.refusals import submit
from tests.support import REPOSITORY


def test_submitting_again_changes_nothing(at: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for expected in (True, False):
        assert cli.main([*submit(at, "--arms", "recon"), "--json"]) == 0
        document = json.loads(capsys.readouterr().out)
        assert (document["jobs_added"] > 0) == expected
    assert document["jobs_shared"] > 0


def test_status_of_what_was_submitted(at: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(submit(at, "--name", "mine", "--arms", "baseline,recon", "--seeds", "0,1")) == 0
    capsys.readouterr()
    assert cli.main(["--home", str(at), "status", "mine", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    (entry,) = document["ablations"]
    assert document["home"] == str(at)
    assert (entry["name"], entry["state"]) == ("mine", "running")
    assert [(run["arm"], run["seed"], run["step"]) for run in entry["runs"]] == [
        ("baseline", 0, 0),
        ("recon", 0, 0),
        ("baseline", 1, 0),
        ("recon", 1, 0),
    ]
    assert set(entry["jobs"]) == {"blocked", "ready", "queued", "running", "succeeded", "failed", "cancelled"}


def test_every_command_has_a_module_and_help() -> None:
    for name, (_, text) in cli.COMMANDS.items():
        command = cli.cli.get_command(None, name)  # type: ignore[arg-type]
        assert command is not None and command.name == name and text.endswith(".")
        assert CliRunner().invoke(command, ["--help"]).exit_code == 0


def test_help_imports_nothing_heavy() -> None:
    script = (
        "import sys, cli\n"
        "assert cli.main(['--help']) == 0\n"
        "heavy = {'torch', 'transformers', 'celery', 'sqlalchemy', 'numpy', 'pybullet', 'cv2', 'psutil',\n"
        "         'yaml', 'pydantic', 'logging', 'shlex', 'pwd'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "submit-ablation" in done.stdout


def test_a_full_disk_is_exit_code_4_even_where_nobody_can_be_told(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Standard error is a file on the disk that is full."""

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("db.migrate.open_state", full)
    monkeypatch.setattr("sys.stderr", SimpleNamespace(write=full, flush=full))
    home.state_db.touch()
    assert cli.main(["--home", str(home.root), "status"]) == 4


@pytest.mark.parametrize("errors", ["strict", "surrogateescape"])  # the second is Python's in the locale C
def test_a_name_that_the_shells_encoding_lacks_is_printed_escaped(
    errors: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    printed = io.BytesIO()
    stream = io.TextIOWrapper(printed, encoding="ascii", errors=errors, write_through=True)
    monkeypatch.setattr("sys.stdout", stream)
    assert cli.main(["--help"]) == 0
    print("d\u00e9j\u00e0")
    assert printed.getvalue().endswith(b"d\\xe9j\\xe0\n")


@pytest.mark.parametrize("words", [["logs"], ["bundle", "export"]])
def test_what_a_command_misses_is_told_with_where_it_stands(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(words) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: Missing argument '")
    assert said.endswith(f"'; what it takes: {interpreter()} cli.py {' '.join(words)} --help\n")
