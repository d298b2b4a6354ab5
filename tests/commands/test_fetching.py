"""Names on the Hub where commands take folders."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

import cli
from errors import Stopped
from tests.calvin.samples import make_episode
from tests.calvin.writing import write_split
from tests.hub.loopback import COMMIT, Fault, Hub, Repository
from tests.hub.serving import serve  # noqa: F401  (a fixture)

Serve = Callable[..., Hub]


@pytest.fixture
def hub(serve: Serve, tmp_path: Path) -> Hub:  # noqa: F811
    for split, first in (("training", 100), ("validation", 200)):
        write_split(tmp_path / "made", split, [make_episode(first, 4)])
    made = tmp_path / "made"
    files = {f"set/{file.relative_to(made)}": file.read_bytes() for file in made.rglob("*") if file.is_file()}
    return serve(lab__data=Repository(files), lab__model=Repository({"config.json": b"{}"}, kind="model"))


def test_a_fetched_folder_is_named_and_checked_like_another(
    hub: Hub, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["data", "fetch", "hub:lab/data/set"]) == 0
    folder = Path(capsys.readouterr().out.strip())
    assert folder.is_relative_to(folder.parents[4] / "copies" / "datasets--lab--data" / COMMIT)
    asked = len(hub.asked)
    assert cli.main(["data", "check", "hub:lab/data/set", "--json"]) in (0, 1)
    assert json.loads(capsys.readouterr().out)["folder"] == str(folder)
    assert len(hub.asked) == asked, "it is here"


def test_models_are_told_by_an_option(hub: Hub, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["data", "fetch", "hub:lab/model"]) == 2
    assert "the Hub has no dataset lab/model" in capsys.readouterr().err
    assert cli.main(["data", "fetch", "hub:lab/model", "--model"]) == 0


@pytest.mark.parametrize("name", ["lab/data", "hub:lab", "hub:lab/data/../x"])
def test_what_is_no_name_is_wrong_use(name: str, hub: Hub, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["data", "fetch", name]) == 2
    assert "is not hub:owner/name" in capsys.readouterr().err


def test_a_hub_that_never_answers_for_a_file_is_an_interruption(
    hub: Hub, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.fault = lambda *_: Fault(status=503)
    monkeypatch.setattr("time.sleep", lambda _: None)
    monkeypatch.setattr("hub.download.Patience.wait", lambda *_: 0.0)
    assert cli.main(["data", "fetch", "hub:lab/data"]) == Stopped.exit_code
    assert "what came is kept" in capsys.readouterr().err


def test_an_interrupted_one_says_what_it_has(
    hub: Hub, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.repositories["lab/data"].files["film.bin"] = bytes(4 << 20)
    hub.pace = 4e6

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("commands.fetching.wait", interrupted_once(interrupted))
    assert cli.main(["data", "fetch", "hub:lab/data"]) == Stopped.exit_code
    assert "the same command goes on from there" in capsys.readouterr().err


def interrupted_once(interrupt: Callable[..., None]) -> Callable[..., object]:
    from concurrent import futures

    calls: list[int] = []

    def wait(*arguments: object) -> object:
        calls.append(1)
        if len(calls) == 1:
            interrupt()
        return futures.wait(*arguments)  # type: ignore[arg-type]

    return wait
