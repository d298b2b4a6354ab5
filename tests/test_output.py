"""Readers that go away, and output that is lost: the exit code is that of the work, or says that output is missing."""

from __future__ import annotations

import errno
import io
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

import cli
from db.engine import Database
from errors import StateBusy
from settings import ending, streams
from settings.home import Home
from tests.calvin.samples import make_episode
from tests.calvin.writing import write_split
from tests.commands.test_status import make_ablation
from tests.processes import CLI, environment
from tests.support import REPOSITORY


@contextmanager
def unread() -> Iterator[int]:
    """The end of a pipe that nobody reads."""
    reader, writer = os.pipe()
    os.close(reader)
    try:
        yield writer
    finally:
        os.close(writer)


def ends_with(words: Sequence[str], out: int) -> tuple[int, str]:
    """Exit code and standard error of a command whose standard output is `out`."""
    done = subprocess.run(
        [sys.executable, *words], stdout=out, stderr=subprocess.PIPE, text=True, env=environment(), cwd=REPOSITORY
    )  # fmt: skip
    return done.returncode, done.stderr


COMMANDS = {
    "help": ["--help"],
    "help of a command": ["status", "--help"],
    "table": ["status"],
    "document": ["status", "--json"],
    "lines": ["events"],
    "story": ["logs", "1"],
    "artifacts": ["artifacts", "--json"],
}


@pytest.mark.parametrize("words", COMMANDS.values(), ids=COMMANDS)
def test_who_reads_no_further_is_no_failure(words: list[str], home: Home, database: Database) -> None:
    make_ablation(database)
    with unread() as out:
        assert ends_with([str(CLI), "--home", str(home.root), *words], out) == (0, "")


def test_what_was_found_wrong_counts_also_where_nobody_reads_it(tmp_path: Path) -> None:
    data = tmp_path / "data"
    write_split(data, "training", [make_episode(100, 6)])
    frame = data / "training" / "episode_0000102.npz"
    frame.write_bytes(frame.read_bytes()[:5000])
    with unread() as out:
        code, said = ends_with([str(CLI), "data", "check", str(data)], out)
    assert (code, said) == (1, "")


def test_only_what_never_ends_by_itself_ends_where_nobody_reads() -> None:
    """Everything else prints by `say`: work goes on, and its exit code is its own."""
    printing = {
        path.name
        for top in ("commands", "views")
        for path in (REPOSITORY / top).rglob("*.py")
        if re.search(r"(?<![\w.])print\(|click\.echo", path.read_text(encoding="utf-8"))
    }
    assert printing == {"watch.py", "logs.py", "status_lines.py"}


def test_a_watcher_ends_when_nobody_reads(home: Home, database: Database) -> None:
    make_ablation(database)  # it never ends by itself, as nobody works
    for words in (["status", "--watch"], ["status", "--watch", "--json", "--interval", "0.1"]):
        with unread() as out:
            assert ends_with([str(CLI), "--home", str(home.root), *words], out) == (0, "")


@pytest.mark.parametrize("words", COMMANDS.values(), ids=COMMANDS)
def test_output_for_which_the_disk_has_no_room_is_told(
    words: list[str], home: Home, database: Database
) -> None:
    make_ablation(database)
    with Path("/dev/full").open("wb") as full:
        code, said = ends_with([str(CLI), "--home", str(home.root), *words], full.fileno())
    assert code == 4
    (line,) = said.splitlines()
    assert line.startswith("error: ") and "disk is full" in line


class _Failing(io.StringIO):
    """A stream of which every use meets this error."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self._number = number

    def write(self, _text: str) -> int:
        raise OSError(self._number, os.strerror(self._number))

    def flush(self) -> None:
        raise OSError(self._number, os.strerror(self._number))


@pytest.mark.parametrize(
    ("number", "code", "ends"),
    [
        (errno.EIO, 0, 3),
        (errno.EIO, 1, 1),
        (errno.ENOSPC, 0, 4),
        (errno.EFBIG, 0, 3),
        (errno.EPIPE, 0, 0),
        (errno.EPIPE, 1, 1),
    ],
)
def test_output_lost_at_the_very_end(
    number: int, code: int, ends: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    codes: list[int] = []
    monkeypatch.setattr(os, "_exit", codes.append)
    monkeypatch.setattr(sys, "stdout", _Failing(number))
    ending.end_at_once(code)
    assert codes == [ends]
    lines = capsys.readouterr().err.splitlines()
    assert all(line.startswith("error: standard output is not whole") for line in lines)
    assert len(lines) == (number != errno.EPIPE)


def test_a_line_that_nobody_reads_stops_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    for number in (errno.EPIPE, errno.ENOSPC, errno.EIO):
        monkeypatch.setattr(sys, "stderr", _Failing(number))
        streams.say("beside the result", error=True)
    monkeypatch.setattr(sys, "stdout", _Failing(errno.EPIPE))
    streams.say("the result")
    monkeypatch.setattr(sys, "stdout", _Failing(errno.ENOSPC))
    with pytest.raises(OSError, match="No space"):
        streams.say("the result")


def test_a_submission_whose_table_nobody_reads_ends_as_its_work_did(
    home: Home, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("commands.run.run_home", lambda *_, **__: None)
    words = ["--home", str(home.root), "submit-ablation", "--preset", "smoke", "--gpus", "none"]
    for stream, code in ((_Failing(errno.EPIPE), 1), (_Failing(errno.ENOSPC), 4)):
        monkeypatch.setattr(sys, "stdout", stream)
        assert cli.main([*words, "--json"]) == code, "nothing ran"
        assert cli.main(words) == code
    assert list(home.reports.glob("*/report.html"))


def test_a_stream_that_is_read_keeps_its_code(capsys: pytest.CaptureFixture[str]) -> None:
    streams.say("the result")
    assert [ending.flushed(code) for code in (0, 1, 4)] == [0, 1, 4]
    assert capsys.readouterr() == ("the result\n", "")


@pytest.mark.parametrize(
    ("error", "code", "says"),
    [
        (MemoryError(), 3, "short of memory"),
        (OSError(errno.EMFILE, "Too many open files"), 3, "open files"),
        (OSError(errno.ESTALE, "Stale file handle", "/data"), 3, "the disk failed"),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), 4, "the disk is full"),
        (OSError(errno.ENAMETOOLONG, "File name too long", "name"), 2, "cannot use name: File name too long"),
        (PermissionError(errno.EACCES, "Permission denied", "/"), 2, "cannot use /"),
        (StateBusy("busy"), 4, "busy"),
    ],
)
def test_an_error_of_the_machine_is_a_sentence(
    error: Exception,
    code: int,
    says: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fails(*_: object) -> None:
        raise error

    monkeypatch.setattr("commands.status.existing_home", fails)
    assert cli.main(["status"]) == code
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ") and says in line


@pytest.mark.parametrize(
    "error",
    [
        ConnectionRefusedError(errno.ECONNREFUSED, "refused"),
        BrokenPipeError(errno.EPIPE, "pipe"),
        KeyError("x"),
    ],
)
def test_a_bug_keeps_its_traceback(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also a pipe that broke elsewhere: click would end with 1 and say nothing."""

    def fails(*_: object) -> None:
        raise error

    monkeypatch.setattr("commands.status.existing_home", fails)
    with pytest.raises((OSError, RuntimeError, KeyError)) as told:
        cli.main(["status"])
    assert error in (told.value, told.value.__cause__)
