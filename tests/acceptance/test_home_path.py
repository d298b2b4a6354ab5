"""A home with a path as people write it: killed, continued and carried. All kinds of path: `trials/homes.py`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import cli
from db.migrate import open_state
from experiments.foreign import ForeignJobs
from settings.home import Home
from tests.processes import CLI_WITH_BODIES, QUICK, running
from tests.support import await_value, planned, row, states, submit

pytestmark = pytest.mark.slow


def test_a_home_below_a_link_whose_name_is_full_of_signs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    written = f'{tmp_path}/link/../link/?a=1 [b] it\'s "100%41" #;,é'
    home = Home(Path(written))
    home.create()
    database = open_state(home)
    numbers = {"target": 3, "log": str(tmp_path / "count")}
    submit(
        database,
        planned("counts", kind="count", spec=numbers, target_steps=3, priority=90),
        planned("waits", kind="wait", priority=1),
    )
    command = ["--home", written, "up", "--cpus", "1", "--gpus", "none"]
    with running(command, tmp_path / "log", CLI_WITH_BODIES, **QUICK):
        await_value(lambda: row(database, "waits").state, "running".__eq__, "the second attempt")
    assert cli.main(["--home", written, "cancel", "--job", "waits"]) == 0
    with running([*command, "--until-done"], tmp_path / "log", CLI_WITH_BODIES, **QUICK) as up:
        assert up.wait(timeout=300) == 0, (tmp_path / "log").read_text()
    assert states(database) == {"counts": "succeeded", "waits": "cancelled"}
    database.close()
    assert [path.name for path in (tmp_path / "real").iterdir()] == [home.root.name]
    bundle, other = tmp_path / "?b #1.bundle", f"{written} other"
    assert cli.main(["--home", written, "bundle", "export", str(bundle)]) == 0
    # An import refuses kinds of jobs that only tests have.
    monkeypatch.setattr(ForeignJobs, "parameters", lambda _self, _kind, parameters: parameters)
    assert cli.main(["--home", other, "bundle", "import", str(bundle)]) == 0
    capsys.readouterr()
    for place in (written, other):
        assert cli.main(["--home", place, "status", "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["home"] == str(Home(Path(place)).root)
        assert cli.main(["--home", place, "artifacts", "verify"]) == 0
        capsys.readouterr()
