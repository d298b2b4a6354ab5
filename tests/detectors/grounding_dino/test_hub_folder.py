"""GroundingDINO by a name of the Hub: one commit, proved, as last here where the Hub does not answer."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from detectors.grounding_dino import hub_folder
from detectors.grounding_dino.files import local_folder, weights_digest
from errors import DiskFull, WeightsMissing
from hub import copies
from tests.hub.loopback import COMMIT, OTHER_COMMIT, Hub, Repository
from tests.hub.serving import serve  # noqa: F401  (a fixture)

Serve = Callable[..., Hub]
FILES = {"config.json": b"{}", "vocab.txt": b"a\n", "model.safetensors": b"weights" * 500}
OTHERS = {"README.md": b"not asked for", "pytorch_model.bin": b"pickled" * 500}


@pytest.fixture(autouse=True)
def client_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Where the Hub's own client keeps what it fetched: empty."""
    place = tmp_path / "client"
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(place))
    return place


def kept_by_the_client(place: Path, files: dict[str, bytes], commit: str = COMMIT) -> Path:
    folder = place / "models--lab--dino" / "snapshots" / commit
    folder.mkdir(parents=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    refs = place / "models--lab--dino" / "refs"
    refs.mkdir(exist_ok=True)
    (refs / "main").write_text(commit)
    return folder


def served(serve: Serve, files: dict[str, bytes] | None = None, commit: str = COMMIT) -> Hub:  # noqa: F811
    repository = Repository((files or FILES) | OTHERS, kind="model", commit=commit, branches={"main": commit})
    return serve(lab__dino=repository)


def held(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}


def test_what_decides_boxes_is_fetched_once_for_each_commit(serve: Serve) -> None:  # noqa: F811
    hub = served(serve)
    folder = local_folder("lab/dino")
    assert held(folder) == FILES and len(hub.asked) == len(FILES)
    assert local_folder("lab/dino") == folder and len(hub.asked) == len(FILES)
    newer = FILES | {"vocab.txt": b"b\n"}
    served(serve, newer, OTHER_COMMIT)
    later = local_folder("lab/dino")
    assert held(later) == newer and held(folder) == FILES
    assert weights_digest("lab/dino") == weights_digest(str(later)) != weights_digest(str(folder))


def test_what_the_client_keeps_is_taken_where_it_has_these_bytes(serve: Serve, client_cache: Path) -> None:  # noqa: F811
    hub = served(serve)
    kept = kept_by_the_client(client_cache, FILES)
    assert local_folder("lab/dino") == kept
    assert not hub.asked


def test_what_the_client_keeps_with_other_bytes_is_not(serve: Serve, client_cache: Path) -> None:  # noqa: F811
    served(serve)
    kept = kept_by_the_client(client_cache, FILES | {"model.safetensors": b"weighty" * 500})
    assert local_folder("lab/dino") != kept and held(local_folder("lab/dino")) == FILES


def test_where_the_hub_does_not_answer_it_is_as_it_was_last_here(
    serve: Serve,  # noqa: F811
    client_cache: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    served(serve)
    folder = local_folder("lab/dino")
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:1")
    kept_by_the_client(client_cache, FILES, OTHER_COMMIT)
    assert local_folder("lab/dino") == folder
    (folder / "vocab.txt").unlink()
    assert local_folder("lab/dino").name == OTHER_COMMIT, "one that lacks a file is none"


def test_what_is_nowhere_says_why(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    served(serve)
    with pytest.raises(WeightsMissing, match=r"lab/no-dino' are neither .* \(.*no-dino.*use the colour det"):
        local_folder("lab/no-dino")
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:1")
    with pytest.raises(WeightsMissing, match="the Hub does not answer"):
        local_folder("lab/dino")


def test_a_full_disk_is_no_lack_of_weights(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    served(serve)
    monkeypatch.setattr(copies, "free_at", lambda _: 10)
    with pytest.raises(DiskFull, match="lab/dino"):
        local_folder("lab/dino")


@pytest.mark.parametrize("limit", ["QUESTION", "FILES"])
def test_a_hub_that_does_not_answer_is_waited_for_no_longer_than_its_limit(
    serve: Serve,  # noqa: F811
    limit: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from threading import Event

    served(serve)
    let_go = Event()
    if limit == "QUESTION":
        monkeypatch.setattr("huggingface_hub.HfApi.repo_info", lambda *_, **__: let_go.wait(60))
    else:
        monkeypatch.setattr(hub_folder.Repositories, "listing", lambda *_: let_go.wait(60))
    monkeypatch.setattr(hub_folder, f"HUB_{limit}_SECONDS", 0.02 if limit == "QUESTION" else 0.2)
    try:
        with pytest.raises(WeightsMissing, match=r"no whole answer within 0\.0?2 s"):
            local_folder("lab/dino")
    finally:
        let_go.set()
