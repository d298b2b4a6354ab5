"""Windows on a home that can only be read: they open, and leave nothing in it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, generate_latest

import cli
from db.engine import Database
from errors import InvalidInput
from settings.home import Home
from tests.commands.test_status import make_ablation
from tests.workshop import files_of
from views import flower, prometheus, tensorboard
from views.event_files import EventFiles
from views.prometheus import StateCollector


@pytest.fixture
def read_only(home: Home, database: Database, monkeypatch: pytest.MonkeyPatch) -> Home:
    make_ablation(database)
    database.close()
    monkeypatch.setattr(Home, "obstacle", lambda *_, **__: InvalidInput("cannot write the home"))
    return home


def test_metrics_are_served(
    read_only: Home, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before = files_of(read_only)

    def serve(home: Home, database: Database, *_: Any) -> None:
        registry = CollectorRegistry(auto_describe=False)
        registry.register(StateCollector(home, database))
        print(generate_latest(registry).decode())

    monkeypatch.setattr(prometheus, "serve_metrics", serve)
    assert cli.main(["--home", str(read_only.root), "metrics"]) == 0
    assert 'baton_jobs{ablation="mine"' in capsys.readouterr().out
    assert files_of(read_only) == before


def test_event_files_lie_beside_it(
    read_only: Home, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before = files_of(read_only)
    folders: list[Path] = []

    def serve(folder: Path, database: Database, *_: Any) -> None:
        folders.append(folder)
        files = EventFiles(folder, database)
        files.update()
        files.close()

    monkeypatch.setattr(tensorboard, "serve_tensorboard", serve)
    monkeypatch.setattr("workers.services.need_services", lambda *_: None)
    assert cli.main(["--home", str(read_only.root), "tensorboard"]) == 0
    (folder,) = folders
    assert not folder.is_relative_to(read_only.root) and not folder.exists()
    assert cli.main(["--home", str(read_only.root), "tensorboard", "--once"]) == 2, "nobody would see them"
    assert capsys.readouterr().err.endswith("error: cannot write the home\n")
    assert files_of(read_only) == before


def test_flower_needs_what_it_would_keep_in_the_home(
    read_only: Home, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before = files_of(read_only)
    given: list[Any] = []
    monkeypatch.setattr(flower, "flower_main", lambda *words: given.append(words[1:]))
    words = ["--home", str(read_only.root), "flower"]
    assert cli.main(words) == 2
    monkeypatch.setenv("BATON_FLOWER_PASSWORD", "open sesame")
    assert cli.main(words) == 2
    assert capsys.readouterr().err == "error: cannot write the home\n" * 2
    assert not cli.main([*words, "--broker", "redis://somewhere/0"])
    assert given == [("redis://somewhere/0", "127.0.0.1", 5555, False)]
    assert not any("flower.db" in word for word in flower.flower_arguments(read_only, "127.0.0.1", 1, False))
    assert files_of(read_only) == before
