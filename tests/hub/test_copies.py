"""Copies on this machine: what a name means here, with and without a network."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from detectors.grounding_dino.files import local_folder
from errors import ConfigError, HubUnreachable, InvalidInput
from experiments.reconvla.model_plan import backbone_folders
from experiments.reconvla.sections import Backbones
from hub.client import Repositories
from hub.copies import SPARE_BYTES, copy_of, here, hub_folder, located, pin
from hub.files import HubFile
from hub.names import HubName
from hub.part import part_of
from tests.hub.loopback import COMMIT, OTHER_COMMIT, Hub, Repository

Serve = Callable[..., Hub]
NAME = f"hub:lab/tower@{COMMIT}"
FILES = {"config.json": b"{}", "tokenizer_config.json": b"{}", "model.safetensors": b"weights" * 500}


def serve_model(serve: Serve) -> Hub:
    return serve(lab__tower=Repository(FILES, kind="model"))


def test_a_folder_stays_what_it_is_and_a_name_is_fetched_once(serve: Serve, tmp_path: Path) -> None:
    hub = serve_model(serve)
    assert located(str(tmp_path), "model") == here(str(tmp_path), "model") == tmp_path
    assert here(NAME, "model") is None
    place = located(NAME, "model")
    assert here(NAME, "model") == place == local_folder(NAME)
    assert {file.name: file.read_bytes() for file in place.iterdir()} == FILES
    assert len(hub.asked) == len(FILES)
    (place / "config.json").unlink()
    assert here(NAME, "model") is None, "a copy that lacks a file is none"
    assert located(NAME, "model") == place and len(hub.asked) == len(FILES) + 1


def test_a_name_without_a_commit_is_no_copy(serve: Serve) -> None:
    serve_model(serve)
    with pytest.raises(InvalidInput, match="names no commit"):
        located("hub:lab/tower@main", "model")


def test_a_part_of_a_model_is_the_same_from_the_hub_and_from_a_folder(serve: Serve, tmp_path: Path) -> None:
    serve_model(serve)
    for name, content in FILES.items():
        (tmp_path / name).write_bytes(content)
    of_hub = backbone_folders(Backbones(vision=NAME, tokenizer=NAME))
    of_folder = backbone_folders(Backbones(vision=str(tmp_path), tokenizer=str(tmp_path)))
    assert {part: folder.identity for part, folder in of_hub.items()} == {
        part: folder.identity for part, folder in of_folder.items()
    }
    assert of_hub["vision"].root == NAME, "so that another machine finds it too"


def test_offline_a_name_means_what_it_last_meant_here(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    hub = serve_model(serve)
    name = HubName("lab", "tower")
    assert pin(name, "model").commit == COMMIT
    hub.repositories["lab/tower"].branches["main"] = OTHER_COMMIT
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    assert pin(name, "model").commit == COMMIT
    with pytest.raises(HubUnreachable, match="HF_HUB_OFFLINE forbids"):
        pin(HubName("lab", "tower", "v2"), "model")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    assert pin(name, "model").commit == OTHER_COMMIT


def test_the_longest_name_of_a_branch_is_remembered(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    name = HubName("lab", "tower", "/".join("a" * 100))
    monkeypatch.setattr(Repositories, "commit_of", lambda *_: COMMIT)
    assert pin(name, "model").commit == COMMIT
    monkeypatch.setattr(Repositories, "commit_of", None)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    assert pin(name, "model").commit == COMMIT


def test_offline_no_branch_is_taken_for_another(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    hub = serve_model(serve)
    hub.repositories["lab/tower"].branches |= {"_": OTHER_COMMIT}
    assert pin(HubName("lab", "tower"), "model").commit == COMMIT
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(HubUnreachable, match="HF_HUB_OFFLINE forbids"):
        pin(HubName("lab", "tower", "_"), "model")


@pytest.mark.parametrize("number", [errno.EACCES, errno.EROFS])
def test_a_copy_that_others_keep_is_read_where_nothing_can_be_written(
    number: int, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub = serve_model(serve)
    place = located(NAME, "model")

    def refused(path: Path, _: str) -> None:
        raise OSError(number, os.strerror(number), str(path))

    monkeypatch.setattr("hub.copies.whole_files.write", refused)
    assert pin(HubName("lab", "tower"), "model").commit == COMMIT
    assert located(NAME, "model") == place and len(hub.asked) == len(FILES)
    assert located(f"{NAME}/config.json", "model") == place / "config.json", (
        "listed anew, and all of it is here"
    )


@pytest.mark.parametrize(
    "entry",
    [7, {}, {"path": 7, "size": 1, "algorithm": "sha256", "digest": "0" * 64},
     {"path": "x", "size": "1", "algorithm": "sha256", "digest": "0" * 64},
     {"path": "x", "size": 1, "algorithm": "md5", "digest": "0" * 64},
     {"path": "x", "size": 1, "algorithm": ["sha256"], "digest": None}],
)  # fmt: skip
def test_a_stored_listing_that_is_none_is_asked_for_again(entry: object, serve: Serve) -> None:
    serve_model(serve)
    place = located(NAME, "model")
    (stored,) = hub_folder().rglob("listing-*.json")
    before = stored.read_text()
    stored.write_text(json.dumps([entry]))
    assert here(NAME, "model") is None
    assert located(NAME, "model") == place and stored.read_text() == before


def test_copies_lie_where_the_variable_says_or_beside_the_clients_own(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("BATON_HUB_CACHE", "~nobody-of-this-name/x")
    with pytest.raises(ConfigError, match="BATON_HUB_CACHE: ~nobody-of-this-name names no home folder"):
        hub_folder()
    monkeypatch.setenv("BATON_HUB_CACHE", str(tmp_path / "x"))
    assert hub_folder() == tmp_path / "x"
    monkeypatch.setenv("BATON_HUB_CACHE", "~nobody-has-this-name/x")
    with pytest.raises(ConfigError, match=r"^BATON_HUB_CACHE: "):
        hub_folder()
    monkeypatch.delenv("BATON_HUB_CACHE")
    monkeypatch.setattr("huggingface_hub.constants.HF_HOME", str(tmp_path / "hf"))
    assert hub_folder() == tmp_path / "hf" / "baton"


def test_names_that_differ_by_case_alone_are_two_files_where_the_disk_tells_them_apart(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    both = {"data/Episode.npz": b"one", "data/episode.npz": b"other"}
    serve(lab__tower=Repository({**FILES, **both}, kind="model"))
    place = located(NAME, "model")
    assert {file.name: file.read_bytes() for file in (place / "data").iterdir()} == {
        Path(name).name: content for name, content in both.items()
    }


def test_where_the_disk_folds_case_they_are_refused_by_name(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub = serve(lab__tower=Repository({**FILES, "data/A.npz": b"one", "data/a.npz": b"other"}, kind="model"))
    exists = Path.exists
    monkeypatch.setattr(Path, "exists", lambda path: exists(path.with_name(path.name.lower())))
    with pytest.raises(InvalidInput, match=r"'data/A\.npz' and 'data/a\.npz' would be one file where .* is"):
        located(NAME, "model")
    assert hub.asked == []


def test_room_is_counted_without_unfinished_parts_of_other_files(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    big, other = (
        HubFile("big.bin", 3 << 20, "sha256", "0" * 64),
        HubFile("other.bin", 2 << 20, "sha256", "1" * 64),
    )
    copy = copy_of(NAME, "model")
    parts = copy.place.parent / "parts"
    parts.mkdir(parents=True)
    for file, size in ((big, 1 << 20), (other, 2 << 20), (HubFile("gone", 1, "sha256", "2" * 64), 5 << 20)):
        part_of(parts, file).write_bytes(bytes([1]) * size)
    assert copy.to_come([big]) == 2 << 20, "what is there of the others is not there of this one"
    assert copy.to_come([big, other]) == 2 << 20

    class Usage:
        free = (2 << 20) - 1 + SPARE_BYTES

    monkeypatch.setattr("shutil.disk_usage", lambda _: Usage)
    assert "2.1 MB of them yet to come" in str(copy.no_room([big]))
