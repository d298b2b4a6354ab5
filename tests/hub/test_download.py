"""The downloader against a Hub that cuts, refuses and lies. What moved is counted where it is read."""

from __future__ import annotations

import random
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from errors import HubUnreachable, InvalidInput
from hub.copies import Copy
from hub.download import Counts, Downloader, Patience, Paused
from hub.names import HubName
from tests.hub.loopback import COMMIT, Fault, Hub, Repository
from tests.support import REPOSITORY

Serve = Callable[..., Hub]
MIB = 1 << 20
CONTENT = random.Random(7).randbytes(3 * MIB + 17)
WAITED: list[float] = []


class Watch:
    """stop_after: bytes; None: never."""

    def __init__(self, stop_after: int | None = None) -> None:
        self.count, self._stop_after = 0, stop_after

    def should_stop(self) -> bool:
        return self._stop_after is not None and self.count >= self._stop_after

    def moved(self, count: int) -> None:
        self.count += count


def quick(*arguments: object, tries: int = 3) -> Downloader:
    WAITED.clear()
    return Downloader(
        *arguments,  # type: ignore[arg-type]
        patience=Patience(tries),
        wait_seconds=5.0,
        sleep=WAITED.append,
        chance=lambda: 0.5,
    )


def copy_of(folder: Path, path: str = "") -> Copy:
    return Copy(HubName("lab", "data", COMMIT, path), "dataset", folder)


def fetched(folder: Path, watch: Watch | None = None) -> Counts:
    copy = copy_of(folder)
    counts = copy.fetch(copy.listing(), watch or Watch(), make=quick)
    assert not copy.missing(copy.listing())
    return counts


def faults_of(hub: Hub, faults: Sequence[Fault | None]) -> None:
    left = list(faults)
    hub.fault = lambda *_: left.pop(0) if left else None


def one_file(serve: Serve, content: bytes = CONTENT) -> Hub:
    return serve(lab__data=Repository({"data/film.mp4": content}))


def is_there(folder: Path, content: bytes = CONTENT) -> bool:
    copy = copy_of(folder)
    assert not list((copy.place.parent / "parts").iterdir())
    return (copy.place / "data/film.mp4").read_bytes() == content


def test_files_come_with_their_folders_and_large_and_small_digests(serve: Serve, tmp_path: Path) -> None:
    files = {f"meta/{number:03}.json": bytes([number]) * number for number in range(60)}
    files |= {"film.mp4": CONTENT, "nothing": b""}
    serve(lab__data=Repository(files))
    fetched(tmp_path)
    assert {
        str(file.relative_to(copy_of(tmp_path).place)): file.read_bytes()
        for file in copy_of(tmp_path).place.rglob("*")
        if file.is_file()
    } == files


def test_what_is_here_is_not_asked_for_again(serve: Serve, tmp_path: Path) -> None:
    hub = one_file(serve)
    fetched(tmp_path)
    hub.asked.clear()
    hub.seen.clear()
    assert fetched(tmp_path).moved == 0
    assert hub.seen == []


@pytest.mark.parametrize("content", [CONTENT, CONTENT[:9000]], ids=["large", "small"])
def test_a_cut_goes_on_where_it_was(content: bytes, serve: Serve, tmp_path: Path) -> None:
    hub = one_file(serve, content)
    faults_of(hub, [Fault(cut_after=len(content) // 3), Fault(cut_after=len(content) // 3)])
    counts = fetched(tmp_path)
    assert is_there(tmp_path, content)
    assert counts.cuts == 2
    assert counts.moved <= len(content) + 2 * max(MIB, len(content) // 100)
    assert len(content) < 2 * MIB or counts.moved <= len(content) * 1.01


def test_a_question_after_a_cut_names_the_content_that_came_before(serve: Serve, tmp_path: Path) -> None:
    hub = one_file(serve)
    faults_of(hub, [Fault(cut_after=MIB)])
    fetched(tmp_path)
    first, second = (seen for seen in hub.seen if "resolve" in seen["path"])
    assert "range" not in first
    assert second["range"].endswith(f"-{len(CONTENT) - 1}") and not second["range"].startswith("bytes=0-")
    assert second["if-range"].startswith('"')


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_what_a_server_means_for_now_is_waited_out(status: int, serve: Serve, tmp_path: Path) -> None:
    hub = one_file(serve)
    faults_of(hub, [Fault(status=status, wait="7"), Fault(status=status), None])
    assert fetched(tmp_path).waits == 2
    assert is_there(tmp_path)
    assert sum(WAITED) == pytest.approx(7 * 1.05 + 1.0)


def test_waits_grow_are_spread_by_chance_and_are_bounded() -> None:
    patience = Patience(12, 0.5, 120.0, 600.0)
    assert [patience.wait(number, None, lambda: 0.5) for number in (1, 2, 3, 12)] == [0.5, 1.0, 2.0, 120.0]
    assert patience.wait(1, None, lambda: 0.0) == 0.25
    assert patience.wait(1, 1e9, lambda: 1.0) == pytest.approx(660.0)


@pytest.mark.parametrize("content", [CONTENT, CONTENT[:9000]], ids=["large", "small"])
def test_wrong_bytes_are_found_and_cost_their_answer(content: bytes, serve: Serve, tmp_path: Path) -> None:
    hub = one_file(serve, content)
    faults_of(hub, [Fault(cut_after=len(content) * 2 // 3), Fault(wrong_from=10)])
    counts = fetched(tmp_path)
    assert is_there(tmp_path, content)
    assert counts.wrong_wholes == 1
    if len(content) > MIB:
        assert counts.moved <= 1.01 * (len(content) + hub.corrupt)


@pytest.mark.parametrize("content", [CONTENT, b"small" * 100])
def test_wrong_bytes_are_not_kept_for_the_next_command(content: bytes, serve: Serve, tmp_path: Path) -> None:
    hub = one_file(serve, content)
    hub.fault = lambda path, start, end: Fault(wrong_from=100)
    with pytest.raises(InvalidInput, match="has other bytes than the Hub's listing says"):
        fetched(tmp_path)
    hub.fault = lambda path, start, end: None
    fetched(tmp_path)
    assert is_there(tmp_path, content)


@pytest.mark.parametrize("content", [CONTENT, b"small" * 100])
def test_a_link_in_the_place_of_a_file_leads_to_nothing_that_is_written(
    content: bytes, serve: Serve, tmp_path: Path
) -> None:
    one_file(serve, content)
    fetched(tmp_path)
    (file,) = (copy_of(tmp_path).place / path.path for path in copy_of(tmp_path).listing())
    (tmp_path / "mine").write_bytes(b"mine")
    file.unlink()
    file.symlink_to(tmp_path / "mine")
    fetched(tmp_path)
    assert is_there(tmp_path, content) and not file.is_symlink()
    assert (tmp_path / "mine").read_bytes() == b"mine"
    file.unlink()
    file.mkdir()
    with pytest.raises(InvalidInput, match="is a folder where a file of the copy belongs"):
        fetched(tmp_path)


def test_the_wrong_answer_is_found_where_it_is_not_the_last(serve: Serve, tmp_path: Path) -> None:
    hub = one_file(serve)
    wrong = Fault(wrong_from=5, cut_after=MIB)
    faults_of(hub, [Fault(cut_after=MIB), wrong, None])
    assert fetched(tmp_path).wrong_wholes == 2
    assert is_there(tmp_path)


def test_wrong_bytes_again_and_again_are_told(serve: Serve, tmp_path: Path) -> None:
    hub = one_file(serve)
    hub.fault = lambda *_: Fault(wrong_from=5)
    with pytest.raises(
        InvalidInput, match=r"'data/film.mp4' has other bytes than the Hub's listing says \(sha256"
    ):
        fetched(tmp_path)
    assert not (copy_of(tmp_path).place / "data/film.mp4").exists()


@pytest.mark.parametrize(
    "lie",
    [
        Fault(length=5),
        Fault(length=-5),
        Fault(status=416),
        Fault(status=304),
        Fault(headers=(("Content-Encoding", "gzip"),)),
    ],
)
def test_a_wrong_answer_is_known_by_its_head(lie: Fault, serve: Serve, tmp_path: Path) -> None:
    hub = one_file(serve)
    faults_of(hub, [lie])
    counts = fetched(tmp_path)
    assert is_there(tmp_path)
    assert (counts.wrong_answers, counts.moved) == (1, len(CONTENT))


def test_another_range_than_was_asked_for_is_none(serve: Serve, tmp_path: Path) -> None:
    hub = one_file(serve)
    lie = Fault(headers=(("Content-Range", f"bytes 0-{len(CONTENT) - 1}/{len(CONTENT)}"),))
    faults_of(hub, [Fault(cut_after=MIB), lie])
    assert fetched(tmp_path).wrong_answers == 1
    assert is_there(tmp_path)


def test_a_server_without_ranges_is_read_from_the_beginning(serve: Serve, tmp_path: Path) -> None:
    hub = one_file(serve)
    faults_of(hub, [Fault(cut_after=2 * MIB), Fault(whole=True)])
    fetched(tmp_path)
    assert is_there(tmp_path)


def test_a_byte_a_try_is_no_progress(serve: Serve, tmp_path: Path) -> None:
    hub = one_file(serve)
    hub.fault = lambda *_: Fault(cut_after=1)
    with pytest.raises(HubUnreachable, match=r"does not come .* tried 4 times; what came is kept"):
        fetched(tmp_path)


@pytest.mark.parametrize("status", [401, 403])
def test_what_is_refused_for_good_is_told_at_once(status: int, serve: Serve, tmp_path: Path) -> None:
    hub = one_file(serve)
    hub.fault = lambda *_: Fault(status=status)
    with pytest.raises(InvalidInput, match="accept its terms on the Hub, and name a token"):
        fetched(tmp_path)
    assert len(hub.asked) == 1


def test_who_is_asked_to_stop_keeps_what_came(serve: Serve, tmp_path: Path) -> None:
    hub = one_file(serve)
    watch = Watch(stop_after=2 * MIB)
    with pytest.raises(Paused):
        fetched(tmp_path, watch)
    hub.asked.clear()
    assert fetched(tmp_path).moved == len(CONTENT) - watch.count
    assert is_there(tmp_path)


def test_a_token_goes_to_the_hub_and_not_where_it_redirects(
    serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = serve(lab__data=Repository({"data/film.mp4": CONTENT}))
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    hub = serve(lab__data=Repository({"data/film.mp4": CONTENT}, token="hf_secret"))
    hub.fault = lambda *_: Fault(redirect=f"{other.url}/datasets/lab/data/resolve/{COMMIT}/data/film.mp4")
    fetched(tmp_path)
    assert is_there(tmp_path)
    assert all(seen["authorization"] == "Bearer hf_secret" for seen in hub.seen)
    assert other.seen and not any("authorization" in seen or "cookie" in seen for seen in other.seen)


@pytest.mark.parametrize("place", ["file:///etc/passwd", "ftp://127.0.0.1/x", "", "http://[::1"])
def test_redirections_to_what_is_no_http_or_has_no_end_are_refused(
    place: str, serve: Serve, tmp_path: Path
) -> None:
    hub = one_file(serve)
    hub.fault = lambda *_: Fault(redirect=place)
    with pytest.raises(HubUnreachable, match="does not come"):
        fetched(tmp_path)


KILLED = """
import os, sys
from pathlib import Path
from huggingface_hub import constants
sys.path.insert(0, {root!r})
constants.HUGGINGFACE_CO_URL_TEMPLATE = {url!r} + "/{{repo_id}}/resolve/{{revision}}/{{filename}}"
constants.ENDPOINT = {url!r}
from tests.hub.test_download import Watch, copy_of
class Killed(Watch):
    def moved(self, count):
        super().moved(count)
        if self.count > {after}:
            os.kill(os.getpid(), 9)
copy = copy_of(Path({folder!r}))
copy.fetch(copy.listing(), Killed())
"""


def test_a_kill_costs_a_mebibyte_at_most(serve: Serve, tmp_path: Path) -> None:
    hub = one_file(serve)
    after = 2 * MIB + 500_000
    folder, elsewhere = tmp_path / "here", tmp_path / "elsewhere"
    code = KILLED.format(root=str(REPOSITORY), url=hub.url, after=after, folder=str(folder))
    assert subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, check=False).returncode == -9
    shutil.copytree(folder, elsewhere)
    most = len(CONTENT) - after + MIB + (1 << 16)
    assert fetched(folder).moved <= most
    assert is_there(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("hub.part.boot_id", lambda: "of another machine")
        assert fetched(elsewhere).moved <= most, "the folder goes on wherever it is carried"
    assert is_there(elsewhere)
