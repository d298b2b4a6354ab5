"""Names on the Hub of LeRobot sets, of which commands read some episodes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

import cli
from errors import EnvironmentLacks
from tests.calvin import lerobot_sets as sets
from tests.hub.loopback import Hub, Repository
from tests.hub.serving import serve  # noqa: F401  (a fixture)

Serve = Callable[..., Hub]


@pytest.fixture
def hub(serve: Serve, tmp_path: Path) -> Hub:  # noqa: F811
    root = sets.write_v2(tmp_path / "made", [*sets.episodes(4), *sets.episodes(2, 50, sets.HELD_OUT)])
    files = {str(file.relative_to(root)): file.read_bytes() for file in root.rglob("*") if file.is_file()}
    return serve(lab__data=Repository({**files, "README.md": b"about"}))


def tables(hub: Hub) -> list[int]:
    return sorted(int(Path(path).stem[-6:]) for path, _ in hub.asked if path.endswith(".parquet"))


def test_some_episodes_are_fetched(hub: Hub, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["data", "fetch", "hub:lab/data", "--episodes", "1,open_drawer"]) == 0
    folder = Path(capsys.readouterr().out.strip())
    assert tables(hub) == [0, 1, 4] and not (folder / "README.md").exists()
    assert cli.main(["data", "fetch", "hub:lab/data", "--episodes", "1-9"]) == 2
    assert "are no episodes of the set, which has 0 to 5" in capsys.readouterr().err


@pytest.mark.parametrize("order", [0, 1])
def test_a_check_of_some_fetches_these(order: int, hub: Hub, capsys: pytest.CaptureFixture[str]) -> None:
    words = [["hub:lab/data"], ["--episodes", "0-1,5"]]
    assert cli.main(["data", "check", "--json", *words[order], *words[1 - order]]) == 0
    said = json.loads(capsys.readouterr().out)["splits"]
    assert (said["training"]["demonstrations"], said["validation"]["demonstrations"]) == (2, 1)
    assert "left out: 2 demonstrations are not among data.episodes (0-1,5)" in said["training"]["notes"]
    assert tables(hub) == [0, 1, 5]


def test_room_for_what_is_fetched_and_written_is_looked_for_first(
    hub: Hub, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Usage:
        free = 300 << 20

    monkeypatch.setattr("shutil.disk_usage", lambda _: Usage)
    words = ["data", "convert", "hub:lab/data", str(tmp_path / "out"), "--to", "lerobot-v3", "--lossless"]
    monkeypatch.setattr("calvin.conversion.room._PNG_BYTES", 20 << 20)
    assert cli.main(words) == EnvironmentLacks.exit_code
    said = capsys.readouterr().err
    assert "in all on one disk, and" in said and "name fewer in --episodes" in said
    assert tables(hub) == [] and not (tmp_path / "out").exists()
