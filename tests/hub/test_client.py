"""What the Hub's own client is asked, against a Hub on loopback; its refusals in one sentence."""

from __future__ import annotations

import errno
from collections.abc import Callable
from typing import Any

import pytest

from errors import HubUnreachable, InvalidInput
from hub.answers import Asker, Refused
from hub.client import Repositories
from hub.download import Patience
from hub.names import HubName, parse_name
from tests.hub.loopback import COMMIT, OTHER_COMMIT, Fault, Hub, Repository

Serve = Callable[..., Hub]
FILES = {"meta/info.json": b"{}", "film.mp4": b"x" * 5000}
#: Tries without waits.
QUICK = Repositories("dataset", Patience(2, 0.0, 0.0, 0.0), lambda _: None)


def listed(text: str, repositories: Repositories = QUICK) -> list[str]:
    name = parse_name(text)
    return [file.path for file in repositories.listing(name.at(repositories.commit_of(name)))]


def refusal(text: str) -> str:
    with pytest.raises(InvalidInput) as refused:
        listed(text)
    said = str(refused.value)
    assert said.isprintable() and len(said) < 400
    return said


def test_a_name_means_the_commit_that_its_branch_has_now(serve: Serve) -> None:
    hub = serve(lab__data=Repository(FILES, branches={"main": COMMIT, "v2": OTHER_COMMIT}))
    assert QUICK.commit_of(HubName("lab", "data")) == COMMIT
    assert QUICK.commit_of(HubName("lab", "data", "v2")) == OTHER_COMMIT
    hub.repositories["lab/data"].branches["main"] = OTHER_COMMIT
    assert QUICK.commit_of(HubName("lab", "data")) == OTHER_COMMIT


def test_a_listing_goes_on_over_all_its_pages_and_below_a_path(serve: Serve) -> None:
    files = {f"videos/{number:03}.mp4": b"x" for number in range(130)}
    serve(lab__data=Repository({**FILES, **files}))
    assert listed("hub:lab/data") == sorted({**FILES, **files})
    assert listed("hub:lab/data/meta") == ["meta/info.json"]


def test_models_and_datasets_are_not_each_other(serve: Serve) -> None:
    serve(lab__data=Repository(FILES, kind="model"))
    assert "the Hub has no dataset lab/data" in refusal("hub:lab/data")
    name = HubName("lab", "data")
    assert Repositories("model").commit_of(name) == COMMIT


def test_what_is_not_there_is_told_by_name(serve: Serve) -> None:
    serve(lab__data=Repository(FILES))
    said = refusal("hub:lab/other")
    assert "the Hub has no dataset lab/other, or it is private and no token is named (HF_TOKEN)" in said
    assert "has no revision 'v9'" in refusal("hub:lab/data@v9")
    assert "has no path 'videos' at that revision" in refusal("hub:lab/data/videos")


def test_a_gated_one_says_so_and_opens_with_a_token(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    serve(lab__data=Repository(FILES, token="hf_secret", gated=True))
    assert "is gated: accept its terms on the Hub, and name a token" in refusal("hub:lab/data")
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    assert listed("hub:lab/data") == sorted(FILES)
    monkeypatch.setenv("HF_TOKEN", "hf_other")
    assert "is gated" in refusal("hub:lab/data")


def test_offline_it_says_so(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    hub = serve(lab__data=Repository(FILES))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(HubUnreachable, match="is not here, and HF_HUB_OFFLINE forbids to fetch it"):
        listed("hub:lab/data")
    assert hub.seen == []


def test_questions_are_asked_again_where_the_hub_is_busy(serve: Serve) -> None:
    hub = serve(lab__data=Repository(FILES))
    hub.api_faults = [Fault(status=429, wait="1"), Fault(status=503)]
    assert QUICK.commit_of(HubName("lab", "data")) == COMMIT
    hub.api_faults = [Fault(status=502)] * 20
    with pytest.raises(HubUnreachable, match="the Hub does not answer"):
        QUICK.commit_of(HubName("lab", "data"))


def changed(**values: Any) -> Callable[[list[dict[str, Any]]], list[dict[str, Any]]]:
    return lambda entries: [{**entries[0], **values}, *entries[1:]]


@pytest.mark.parametrize(
    ("lie", "why"),
    [
        (changed(path="../../.bashrc"), "leads out of the folder"),
        (changed(path="/etc/passwd"), "leads out of the folder"),
        (changed(path="a\nb"), "characters that no path of a repository has"),
        (changed(path="meta/info.json/x"), "'meta/info.json' twice"),
        (changed(path="meta/info.json"), "a path twice"),
        (changed(size=-5, lfs=None), "without a size and a digest"),
        (changed(oid="../x", lfs=None), "without a size and a digest"),
        (changed(size=None, lfs=None), "without a size and a digest"),
        (changed(size="5000", lfs=None), "without a size and a digest"),
        (changed(size=5000.0, lfs=None), "without a size and a digest"),
        (changed(size=True, lfs=None), "without a size and a digest"),
        (changed(oid=None, lfs=None), "without a size and a digest"),
        (changed(oid=["a"], lfs=None), "without a size and a digest"),
        (changed(lfs={"oid": None, "size": 5, "pointerSize": 1}), "without a size and a digest"),
        (changed(lfs={"oid": "0" * 64, "size": "5", "pointerSize": 1}), "without a size and a digest"),
        (changed(path=None), "which is no text"),
        (changed(path=7), "which is no text"),
        (changed(path=["x"]), "which is no text"),
        (changed(path="a\ud800"), "characters that no path of a repository has"),
    ],
)
def test_a_listing_that_cannot_be_a_folder_is_refused(lie: Any, why: str, serve: Serve) -> None:
    serve(lab__data=Repository(FILES, listed=lie))
    assert why in refusal("hub:lab/data")


@pytest.mark.parametrize(
    ("fault", "raised", "says"),
    [
        (
            KeyError("oid"),
            InvalidInput,
            "what the Hub answers cannot be read by its client .KeyError: 'oid'.",
        ),
        (OSError(errno.EMFILE, "Too many open files"), OSError, "Too many open files"),
        (MemoryError(), MemoryError, ""),
    ],
)
def test_what_another_try_does_not_mend_is_told_at_once(
    fault: Exception, raised: type[Exception], says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries = []

    def ask(*_: object, **__: object) -> None:
        tries.append(1)
        raise fault

    monkeypatch.setattr("huggingface_hub.HfApi.repo_info", ask)
    with pytest.raises(raised, match=says):
        QUICK.commit_of(HubName("lab", "data"))
    assert len(tries) == 1


def test_a_wrong_question_is_not_the_hubs_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import HfApi
    from huggingface_hub.utils import validate_hf_hub_args

    def without_timeout(self: object, repo_id: str, *, revision: object, repo_type: object) -> None:
        """As another release of the client may have it."""

    monkeypatch.setattr(HfApi, "repo_info", validate_hf_hub_args(without_timeout))
    with pytest.raises(TypeError, match="unexpected keyword argument 'timeout'"):
        QUICK.commit_of(HubName("lab", "data"))
    monkeypatch.delattr(HfApi, "repo_info")
    with pytest.raises(AttributeError, match="no attribute 'repo_info'"):
        QUICK.commit_of(HubName("lab", "data"))


def test_https_where_the_hub_speaks_http_is_told_at_once(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub = serve(lab__data=Repository(FILES))
    secure = hub.url.replace("http://", "https://")
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", secure)
    waits: list[float] = []
    patient = Repositories("dataset", Patience(5, 1.0, 1.0, 1.0), waits.append)
    with pytest.raises(InvalidInput, match=r"\(HF_ENDPOINT\) speaks http://, and not https://"):
        patient.commit_of(HubName("lab", "data"))
    assert waits == []
    asker = Asker({})
    with pytest.raises(Refused, match="speaks http://"), asker.ask(f"{secure}/x", 10, (0, 10), None):
        pass
    asker.close()
