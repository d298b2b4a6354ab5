"""One process of a cluster asks its broker once, before it changes anything."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

import cli
from settings.parent import PARENT_VARIABLE


@pytest.mark.parametrize("name", ["worker", "scheduler"])
def test_a_broker_that_does_not_answer_is_told_at_the_start(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(PARENT_VARIABLE, raising=False)
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    home = tmp_path / "home"
    for url, code in ((f"redis://127.0.0.1:{port}/0", 3), ("http://127.0.0.1/", 2)):
        words = ["--home", str(home), name, "--broker", url]
        assert cli.main([*words, "--resources", "cpu"] if name == "worker" else words) == code
        said = capsys.readouterr().err
        assert said.startswith(f"error: the broker {url} ") and said.count("\n") == 1
    assert not home.exists()
