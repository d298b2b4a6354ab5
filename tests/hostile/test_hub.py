"""What stands where a copy of the Hub's files belongs: it is neither waited for nor written into."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from errors import InvalidInput
from hub.client import Repositories
from hub.copies import Copy, located, pin
from hub.download import Patience
from hub.names import HubName
from tests.hostile.sentences import sentence
from tests.hub.loopback import COMMIT, Hub, Repository
from tests.hub.serving import serve as serve

Serve = Callable[..., Hub]
NAME = f"hub:lab/data@{COMMIT}"
QUICK = Repositories("dataset", Patience(1, 0.0, 0.0, 0.0), lambda _: None)


@pytest.fixture
def commit(serve: Serve, tmp_path: Path) -> Path:
    """The folder of a copy that is whole."""
    serve(lab__data=Repository({"small.json": b"{}", "film.mp4": b"x" * 2_000_000}))
    return located(NAME, "dataset").parent


def bound(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        os.chdir(path.parent)
        listener.bind(path.name)


MADE: dict[str, Callable[[Path], None]] = {"a FIFO": os.mkfifo, "a socket": bound, "a folder": Path.mkdir}


@pytest.mark.parametrize("name", ["small.json", "film.mp4"])
@pytest.mark.parametrize("kind", MADE)
def test_what_is_no_regular_file_is_not_written_into(
    commit: Path, kind: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(commit)  # `bound` leaves it
    file = commit / "files" / name
    file.unlink()
    MADE[kind](file)
    with pytest.raises(InvalidInput, match="where a file of the copy belongs; remove it") as refused:
        located(NAME, "dataset")
    sentence(refused, file)


@pytest.mark.parametrize("kind", MADE)
def test_nor_in_the_place_of_what_is_remembered(
    commit: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(commit)
    (listing,) = commit.glob("listing-*.json")
    listing.unlink()
    MADE[kind](listing)
    with pytest.raises(InvalidInput, match="where a file of the copy belongs; remove it") as refused:
        Copy(HubName("lab", "data", COMMIT), "dataset", commit.parents[1]).listing(QUICK)
    sentence(refused, listing)
    refs = commit.parent / "refs"
    refs.mkdir()
    MADE[kind](refs / "default")
    with pytest.raises(InvalidInput, match="where a file of the copy belongs; remove it"):
        pin(HubName("lab", "data"), "dataset")


def test_a_link_in_its_place_is_not_followed(commit: Path, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    (listing,) = commit.glob("listing-*.json")
    for file in (commit / "files" / "small.json", commit / "files" / "film.mp4", listing):
        file.unlink()
        file.symlink_to(tmp_path / "fifo")
    place = located(NAME, "dataset")
    assert (place / "small.json").read_bytes() == b"{}" and not (place / "film.mp4").is_symlink()
    assert listing.is_file() and not listing.is_symlink()
